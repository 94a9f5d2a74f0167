import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { isFolder, manifestsIn } from '../../src/sources/texts.ts';
import { thrownBy } from '../jwe/thrown.ts';

let folder = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'kseal-folder-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

function make(...names: string[]): void {
  for (const name of names) {
    mkdirSync(join(folder, dirname(name)), { recursive: true });
    writeFileSync(join(folder, name), '');
  }
}

describe('the manifests in a folder', () => {
  test('are the files that end in .yaml, .yml or .json, at every depth', () => {
    make(
      'a.yaml',
      'b.yml',
      'c.json',
      'd/e/f/g.yaml',
      'h.yaml.bak',
      'i.txt',
      'j.YAML',
      'yaml',
      'README.md',
    );
    expect(manifestsIn(folder, '.')).toEqual([
      'a.yaml',
      'b.yml',
      'c.json',
      'd/e/f/g.yaml',
      'j.YAML',
    ]);
  });

  test('are named from the folder as the user wrote it', () => {
    make('a.yaml', 'b/c.yaml');
    expect(manifestsIn(folder, 'deploy/')).toEqual(['deploy/a.yaml', 'deploy/b/c.yaml']);
    expect(manifestsIn(folder, '../x')).toEqual(['../x/a.yaml', '../x/b/c.yaml']);
  });

  test('are sorted', () => {
    make('b/z.yaml', 'a.yaml', 'B.yaml', 'é.yaml', 'b/a.yaml', '10.yaml', '9.yaml');
    expect(manifestsIn(folder, '.')).toEqual([
      ...['10.yaml', '9.yaml', 'B.yaml', 'a.yaml', 'b/a.yaml', 'b/z.yaml', 'é.yaml'],
    ]);
  });

  test('are found everywhere except in .git and node_modules', () => {
    make('.git/a.yaml', 'x/.git/b.yaml', 'node_modules/c/d.yaml', '.github/e.yaml', '.f.yaml');
    expect(manifestsIn(folder, '.')).toEqual(['.f.yaml', '.github/e.yaml']);
  });

  test('may be links to files, but links to folders are not followed', () => {
    make('real/a.yaml', 'real/b.txt');
    symlinkSync('real/a.yaml', join(folder, 'link.yaml'));
    symlinkSync('real/b.txt', join(folder, 'text.yaml'));
    symlinkSync('real', join(folder, 'folder.yaml'));
    symlinkSync('..', join(folder, 'real/up'));
    expect(manifestsIn(folder, '.')).toEqual(['link.yaml', 'real/a.yaml', 'text.yaml']);
  });

  test('include a dangling link, so that reading it is an error', () => {
    symlinkSync('gone', join(folder, 'a.yaml'));
    expect(manifestsIn(folder, '.')).toEqual(['a.yaml']);
  });

  test('include a link to itself, so that reading it is an error', () => {
    symlinkSync('a.yaml', join(folder, 'a.yaml'));
    expect(manifestsIn(folder, '.')).toEqual(['a.yaml']);
  });

  test('do not include a folder with the name of a manifest', () => {
    expect(manifestsIn(folder, '.')).toEqual([]);
    make('x.yaml/b.yaml');
    expect(manifestsIn(folder, '.')).toEqual(['x.yaml/b.yaml']);
  });

  test.each([
    ['missing', 'no such file'],
    ['a.yaml', 'no such file'],
  ])('in %s cannot be listed, which is an error', (name, reason) => {
    make('a.yaml');
    expect(thrownBy(() => manifestsIn(join(folder, name), 'shown'))).toMatchObject({
      code: 'IO',
      message: `shown: ${reason}`,
    });
  });
});

test('a folder is found through links, and an unreachable path is not', () => {
  make('a.yaml', 'd/e.yaml');
  symlinkSync('d', join(folder, 'link'));
  symlinkSync('gone', join(folder, 'dangling'));
  symlinkSync('loop', join(folder, 'loop'));
  const answers = ['.', 'd', 'link', 'a.yaml', 'a.yaml/x', 'gone', 'dangling', 'loop'].map((name) =>
    isFolder(join(folder, name)),
  );
  expect(answers).toEqual([true, true, true, false, false, false, false, false]);
});
