import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { hookPlace } from '../../src/git/setup.ts';
import { gitWorld, Repository } from '../helpers/git-repository.ts';

const HOOK = '#!/bin/sh\nexec kseal verify --staged\n';

/** A repository with these files, and the place for its hook. */
function placeIn(files: Readonly<Record<string, string>>, settings: readonly string[] = []) {
  const world = gitWorld();
  const repository = new Repository(world);
  for (const setting of settings) repository.git('config', ...setting.split('='));
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(join(repository.path, name, '..'), { recursive: true });
    writeFileSync(join(repository.path, name), text);
  }
  const {
    path,
    bytes: _,
    ...place
  } = hookPlace({ folder: repository.path, env: world.env }, (shown) => shown);
  return { ...place, path: path.replace(`${repository.path}/`, '') };
}

test.each([
  ['pre-commit before all others', { '.pre-commit-config.yaml': 'repos: []', 'lefthook.yml': '' }],
  ['lefthook before hooks', { '.config/lefthook.toml': '', '.git/hooks/pre-commit': HOOK }],
  ['the hook', { '.git/hooks/pre-commit': HOOK, '.config': 'a file' }],
])('the place for a hook is that of %s', (_, files) => {
  const [path = ''] = Object.keys(files);
  expect(placeIn(files).path).toBe(path);
});

test.each([
  [HOOK, true],
  ['  - id: kseal-verify\n', true],
  ['# kseal verify\nmake lint\n', false],
])('%j is a hook that runs kseal: %j', (text, wanted) => {
  expect(placeIn({ '.git/hooks/pre-commit': text })).toMatchObject({
    kind: 'hook',
    runsKseal: wanted,
    isShared: false,
  });
});

test('husky runs the hooks above the folder that it generates', () => {
  const { path } = placeIn({ '.husky/_/pre-commit': '' }, ['core.hooksPath=.husky/_']);
  expect(path).toBe('.husky/pre-commit');
});

test('hooks outside of the repository are shared, also those that are switched off', () => {
  const place = placeIn({}, ['core.hooksPath=/dev/null']);
  expect(place).toMatchObject({ path: '/dev/null/pre-commit', isShared: true, runsKseal: false });
});
