import { mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { KsealError } from '../../src/errors.ts';
import { manifestBeside, pathBeside, readBeside } from '../../src/sources/beside.ts';

/** A folder with `top/requests/r.yaml`, and a file outside of `top`. */
function folderWith(marker: string | undefined): string {
  const folder = realpathSync(mkdtempSync(join(tmpdir(), 'kseal-beside-')));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  mkdirSync(join(folder, 'top/requests'), { recursive: true });
  mkdirSync(join(folder, 'top/prod'));
  if (marker === '.git') mkdirSync(join(folder, 'top/.git'));
  else if (marker !== undefined) writeFileSync(join(folder, 'top', marker), 'version: 1\n');
  writeFileSync(join(folder, 'top/requests/r.yaml'), '');
  writeFileSync(join(folder, 'top/prod/db.yaml'), 'prod');
  writeFileSync(join(folder, 'outside.yaml'), 'outside');
  return folder;
}

function problemOf(file: string, name: string): string {
  try {
    return `no problem: ${pathBeside(file, name)}`;
  } catch (thrown) {
    expect((thrown as KsealError).code).toBe('IO');
    return (thrown as KsealError).problem;
  }
}

test.each(['.git', '.kseal.yaml'])('a file may be anywhere below the folder with %s', (marker) => {
  const folder = folderWith(marker);
  const request = join(folder, 'top/requests/r.yaml');
  expect(pathBeside(request, '../prod/db.yaml')).toBe(join(folder, 'top/prod/db.yaml'));
  expect(pathBeside(request, '../new/deep/db.yaml')).toBe(join(folder, 'top/new/deep/db.yaml'));
  expect(problemOf(request, '../../outside.yaml')).toBe(
    'is outside of the repository of the request',
  );
  expect(problemOf(request, '..')).toBe('is outside of the repository of the request');
});

test('without a repository, a file must be in the folder of the request', () => {
  const folder = folderWith(undefined);
  const request = join(folder, 'top/requests/r.yaml');
  expect(pathBeside(request, 'db.yaml')).toBe(join(folder, 'top/requests/db.yaml'));
  expect(problemOf(request, '../prod/db.yaml')).toBe('is outside of the folder of the request');
});

test('a link may stay inside the repository, and must not lead out of it', () => {
  const folder = folderWith('.git');
  const request = join(folder, 'top/requests/r.yaml');
  symlinkSync('../prod', join(folder, 'top/requests/inside'));
  symlinkSync('../..', join(folder, 'top/requests/out'));
  symlinkSync('../../outside.yaml', join(folder, 'top/requests/file.yaml'));
  symlinkSync('nowhere', join(folder, 'top/requests/dangling.yaml'));
  expect(pathBeside(request, 'inside/db.yaml')).toBe(join(folder, 'top/prod/db.yaml'));
  for (const name of ['out/new.yaml', 'out/deep/new.yaml', 'file.yaml'])
    expect(problemOf(request, name)).toBe('is outside of the repository of the request');
  expect(problemOf(request, 'dangling.yaml')).toBe('is a broken link');
});

test('a path that leads through a file, or that is too long, is refused', () => {
  const folder = folderWith('.git');
  const request = join(folder, 'top/requests/r.yaml');
  for (const name of ['r.yaml/new.yaml', `${'x'.repeat(300)}.yaml`])
    expect(problemOf(request, name)).toBe('cannot be reached');
});

test('a manifest must not be in a hidden folder, also after links', () => {
  const folder = folderWith('.git');
  const request = join(folder, 'top/requests/r.yaml');
  symlinkSync('.git', join(folder, 'top/plain'));
  mkdirSync(join(folder, 'top/.git/hooks'));
  for (const name of ['../plain/hooks/new.yaml', '../.git/new.yaml', '.db.yaml'])
    expect(() => manifestBeside(request, name)).toThrow('is a hidden file, or in a hidden folder');
  expect(readBeside(request, '../plain/new.yaml')).toBeInstanceOf(KsealError);
  expect(manifestBeside(request, '../prod/db.yaml')).toBe(join(folder, 'top/prod/db.yaml'));
  // A key is only read.
  expect(pathBeside(request, '../plain/prod.pub')).toBe(join(folder, 'top/.git/prod.pub'));
});

test('a request behind a link counts where it really is', () => {
  const folder = folderWith('.git');
  symlinkSync('top/requests', join(folder, 'link'));
  const request = join(folder, 'link/r.yaml');
  expect(pathBeside(request, '../prod/db.yaml')).toBe(join(folder, 'top/prod/db.yaml'));
});

test('reading returns the bytes, undefined for a missing file, or the error', () => {
  const folder = folderWith('.git');
  const request = join(folder, 'top/requests/r.yaml');
  expect(`${readBeside(request, '../prod/db.yaml')}`).toBe('prod');
  expect(readBeside(request, 'nope.yaml')).toBeUndefined();
  expect(readBeside(request, '../../outside.yaml')).toBeInstanceOf(KsealError);
  expect(readBeside(request, '../prod')).toBeInstanceOf(KsealError);
});
