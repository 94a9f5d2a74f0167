import * as fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { fileError, isSameFile, readFile } from '../src/files.ts';
import { refuseExisting, removeFile } from '../src/write-files.ts';
import { thrownBy } from './jwe/thrown.ts';

let folder = '';
beforeEach(() => {
  folder = fs.mkdtempSync(join(tmpdir(), 'kseal-files-'));
});
afterEach(() => fs.rmSync(folder, { recursive: true }));

const at = (name: string) => join(folder, name);
const make = (name: string, content = '') => fs.writeFileSync(at(name), content);

test('a read fits its limit or is an error that says so', () => {
  make('a', '12345');
  make('large');
  fs.truncateSync(at('large'), 3 * 2 ** 30);
  expect(readFile(at('a'), 'a', 5).toString()).toBe('12345');
  expect(thrownBy(() => readFile(at('a'), 'a', 4))).toMatchObject({
    code: 'IO',
    message: 'a: larger than 4 octets',
  });
  expect(thrownBy(() => readFile(at('large'), 'large', 4))).toMatchObject({
    code: 'IO',
    message: 'large: larger than 4 octets',
  });
});

test.each([
  ['missing', 'no such file', 'check the path'],
  ['.', 'is a folder, not a file', undefined],
  ['a/b', 'no such file', undefined],
])('reading %s is an error: %s', (name, reason, hint) => {
  make('a');
  expect(thrownBy(() => readFile(at(name), 'shown', 5))).toEqual({
    code: 'IO',
    message: `shown: cannot read: ${reason}`,
    hint,
  });
});

test('an error of the system that has no words yet shows its code, and what has none neither', () => {
  const fault = Object.assign(new Error('CANARY'), { code: 'EIO' });
  expect(fileError('a', 'read', fault).message).toBe('a: cannot read: the system answered EIO');
  expect(fileError('a', 'write', new Error('CANARY')).message).not.toContain('CANARY');
});

test('two paths are one file through links, hard and soft', () => {
  for (const name of ['a', 'b']) make(name);
  fs.linkSync(at('a'), at('hard'));
  fs.symlinkSync('a', at('soft'));
  fs.symlinkSync('loop', at('loop'));
  const same = (x: string, y: string) => isSameFile(at(x), at(y));
  expect([same('a', 'a'), same('a', 'hard'), same('soft', 'hard')]).toEqual([true, true, true]);
  expect([same('a', 'b'), same('a', 'gone'), same('gone', 'gone')]).toEqual([false, false, false]);
  expect([same('a/x', 'a'), same('loop', 'a')]).toEqual([false, false]);
});

test('what may be overwritten can be asked beforehand', () => {
  make('a');
  fs.symlinkSync('a', at('link'));
  for (const name of ['a', 'link']) {
    expect(thrownBy(() => refuseExisting(at(name), name)).code).toBe('OUTPUT_EXISTS');
  }
  for (const path of [at('gone'), at('.'), '/dev/null', at('a/x')]) {
    expect(() => refuseExisting(path, path)).not.toThrow();
  }
});

test('removing a file that is not there is no error', () => {
  make('a');
  removeFile(at('a'));
  removeFile(at('a'));
  expect(fs.readdirSync(folder)).toEqual([]);
});
