import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { repositoryAround, textsInFiles, textsInRepository } from '../../src/sources/texts.ts';

test('between large files the event loop gets a turn, for Ctrl-C', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'kseal-texts-'));
  for (const name of ['a.yaml', 'b.yaml', 'c.yaml'])
    writeFileSync(join(folder, name), '#'.repeat(64 * 1024));
  const heard: string[] = [];
  for await (const { path } of textsInFiles(folder, ['.'], async () => Buffer.alloc(0))) {
    heard.push(path);
    setImmediate(() => heard.push('turn'));
  }
  expect(heard.slice(0, 5)).toEqual(['a.yaml', 'turn', 'b.yaml', 'turn', 'c.yaml']);
  rmSync(folder, { recursive: true });
});

test('a repository is searched from its top, or else from the folder', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'kseal-texts-'));
  const deep = join(folder, 'a/b');
  mkdirSync(deep, { recursive: true });
  for (const name of ['top.yaml', 'a/a.yaml', 'a/b/b.yaml', 'a/b/key.pem'])
    writeFileSync(join(folder, name), '');
  const searched = async (cwd: string) => {
    const paths: string[] = [];
    for await (const { path } of textsInRepository(cwd, deep)) paths.push(path);
    return [repositoryAround(cwd, deep), ...paths];
  };
  expect(await searched(deep)).toEqual(['.', 'b.yaml']);
  expect(await searched(folder)).toEqual(['a/b', 'a/b/b.yaml']);
  mkdirSync(join(folder, '.git'));
  const fromDeep = ['a/a.yaml', 'a/b/b.yaml', 'top.yaml'].map((name) => `../../${name}`);
  expect(await searched(deep)).toEqual(['../..', ...fromDeep]);
  expect(await searched(folder)).toEqual(['.', 'a/a.yaml', 'a/b/b.yaml', 'top.yaml']);
  rmSync(folder, { recursive: true });
});
