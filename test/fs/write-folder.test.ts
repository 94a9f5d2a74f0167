import { mkdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { type FolderFile, writeFolder } from '../../src/fs/write.ts';
import { at, make, mode, names, text } from '../helpers/written.ts';
import { thrownBy } from '../jwe/thrown.ts';

const files: readonly FolderFile[] = [
  { name: 'open', bytes: Buffer.from('1') },
  { name: 'kept', bytes: Buffer.from('2'), confidential: true },
];

function write(folder: string, force = false, written = files): void {
  writeFolder(at(folder), folder, written, force);
}

test('creates the folder and its files, confidential ones with mode 600', () => {
  write('a/b');
  expect(names()).toEqual(['a', 'a/b', 'a/b/kept', 'a/b/open']);
  expect([text('a/b/open'), text('a/b/kept'), mode('a/b/kept')]).toEqual(['1', '2', '600']);
});

test('writes into an existing folder', () => {
  mkdirSync(at('a'));
  make('a/other');
  write('a');
  expect(names()).toEqual(['a', 'a/kept', 'a/open', 'a/other']);
});

test('overwrites only with force, and otherwise writes nothing', () => {
  mkdirSync(at('a'));
  make('a/kept', 'old', 0o644);
  expect(thrownBy(() => write('a'))).toMatchObject({
    code: 'OUTPUT_EXISTS',
    message: `${join('a', 'kept')}: already exists`,
  });
  expect(names()).toEqual(['a', 'a/kept']);
  write('a', true);
  expect([text('a/kept'), mode('a/kept')]).toEqual(['2', '600']);
});

test('leaves nothing behind if one of the files cannot be written', () => {
  const wrong = [...files, { name: 'no/such/folder', bytes: Buffer.from('3') }];
  expect(thrownBy(() => write('a/b', false, wrong))).toMatchObject({ code: 'IO' });
  expect(names()).toEqual([]);
});

test('refuses a file in place of the folder or of a parent', () => {
  make('a');
  expect(thrownBy(() => write('a'))).toMatchObject({ code: 'IO', hint: 'name a folder' });
  expect(thrownBy(() => write('a/b'))).toMatchObject({ code: 'IO' });
  expect(statSync(at('a')).isFile()).toBe(true);
});
