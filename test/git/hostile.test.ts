import { chmodSync, existsSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { fetchFile } from '../../src/git/fetch.ts';
import { fetchPublicKey } from '../../src/keys/git.ts';
import {
  configure,
  type GitWorld,
  gitWorld,
  program,
  Repository,
} from '../helpers/git-repository.ts';

/** A command that leaves a mark if it runs. */
function marker(world: GitWorld) {
  const mark = join(world.folder, 'mark');
  const command = program(world, 'leave-mark', [`echo "$0 $*" >> '${mark}'`]);
  return { command, wasRun: () => existsSync(mark) };
}

function fetchKey(reference: string, env: Readonly<Record<string, string>>) {
  const note = () => {};
  return fetchPublicKey(reference, { env, kmsEndpoint: undefined, verifySignature: false, note });
}

const good = 'git+https://host/keys.git';

test.each([
  `${good}?ref=--upload-pack=touch mark#keys/prod.pub`,
  `${good}?ref=--upload-pack=touch%20mark#keys/prod.pub`,
  `${good}?ref=-x#keys/prod.pub`,
  `${good}?ref=main%00x#keys/prod.pub`,
  `${good}?ref=main%0A--upload-pack=x#keys/prod.pub`,
  `${good}?ref=main:refs/heads/x#keys/prod.pub`,
  `${good}?ref=%2Bmain#../../etc/passwd`,
  `${good}?upload-pack=touch#keys/prod.pub`,
  `${good}?ref=main#../../etc/passwd`,
  `${good}?ref=main#keys/%2e%2e/%2e%2e/etc/passwd`,
  `${good}?ref=main#/etc/passwd`,
  `${good}?ref=main#keys\\..\\prod.pub`,
  `${good}?ref=main#keys/prod.pub%00.txt`,
  'ext::sh -c "touch mark"#keys/prod.pub',
  'git+ext::sh -c "touch mark"#keys/prod.pub',
  'git+ext://sh -c touch mark#keys/prod.pub',
  'git+https://ext::sh -c touch#keys/prod.pub',
  'git+http://host/keys.git#keys/prod.pub',
  'git+git://host/keys.git#keys/prod.pub',
  'git+ssh://-oProxyCommand=touch/keys.git#keys/prod.pub',
  'git+ssh://%2doProxyCommand=touch/keys.git#keys/prod.pub',
  'git+ssh://-oProxyCommand=touch@host/keys.git#keys/prod.pub',
  'git+ssh://git@-oProxyCommand=touch/keys.git#keys/prod.pub',
  'git+ssh://git@host/keys.git%0Ax#keys/prod.pub',
  'git+file://host/keys.git#keys/prod.pub',
  'git+file://../keys.git#keys/prod.pub',
  'git+file://--upload-pack=touch/x#keys/prod.pub',
])('%j is refused before git starts', async (reference) => {
  const world = gitWorld();
  const { env, wasRun } = markedGit(world);
  await expect(fetchKey(reference, env)).rejects.toMatchObject({
    code: 'KEY_REFERENCE_INVALID',
    message: expect.not.stringMatching(/touch|passwd/),
    hint: expect.stringContaining("'git+https://HOST/REPOSITORY.git?ref=BRANCH#FILE'"),
  });
  expect(wasRun()).toBe(false);
});

test('a git that starts leaves the mark of these tests', async () => {
  const world = gitWorld();
  const { env, wasRun } = markedGit(world);
  await expect(fetchKey(`${good}?ref=main#keys/prod.pub`, env)).rejects.toThrow();
  expect(wasRun()).toBe(true);
});

/** A PATH with only a git that leaves the mark. */
function markedGit(world: GitWorld) {
  const { command, wasRun } = marker(world);
  const folder = join(world.folder, 'path');
  mkdirSync(folder);
  symlinkSync(command, join(folder, 'git'));
  return { env: { ...world.env, PATH: folder }, wasRun };
}

test('git itself refuses a hostile URL, if the reference lets it pass', async () => {
  const world = gitWorld();
  const { command, wasRun } = marker(world);
  configure(world, '[protocol]\n allow = always\n[protocol "ext"]\n allow = always\n');
  for (const url of [
    `ext::${command}`,
    `ssh://-oProxyCommand=${command}/x`,
    `--upload-pack=${command}`,
    'fd::0',
  ]) {
    const address = { url, protocols: ['https', 'ssh'], ref: 'main', path: 'x', shown: 'it' };
    const options = { env: world.env, limit: 100, verifySignature: false };
    await expect(fetchFile(address, options)).rejects.toMatchObject({
      message: expect.stringMatching(/^it: /),
    });
  }
  expect(wasRun()).toBe(false);
});

/** A repository with everything that git would run if it were checked out or trusted. */
function trapped(world: GitWorld, command: string): Repository {
  const repository = new Repository(world);
  repository.commit({
    'keys/prod.pub': 'key',
    '.gitattributes': '* filter=evil diff=evil merge=evil\n*.pub export-subst\n',
    '.gitmodules': `[submodule "x"]\n path = x\n url = ext::${command}\n update = !${command}\n`,
    '.lfsconfig': `[lfs]\n url = ext::${command}\n`,
    '.gitconfig': `[core]\n fsmonitor = ${command}\n`,
  });
  for (const name of ['pre-receive', 'update', 'post-checkout', 'reference-transaction']) {
    const hook = join(repository.path, '.git/hooks', name);
    writeFileSync(hook, `#!/bin/sh\n${command}\n`);
    chmodSync(hook, 0o755);
  }
  for (const [name, value] of [
    ['uploadpack.packObjectsHook', command],
    ['core.fsmonitor', command],
    ['core.sshCommand', command],
    ['core.gitProxy', command],
    ['core.alternateRefsCommand', command],
    ['filter.evil.smudge', command],
    ['filter.evil.process', command],
    ['diff.evil.textconv', command],
    ['remote.kseal.uploadpack', command],
    ['credential.helper', command],
  ] as const) {
    repository.git('config', name, value);
  }
  return repository;
}

test('nothing in the repository is run', async () => {
  const world = gitWorld();
  const { command, wasRun } = marker(world);
  const { url } = trapped(world, command);
  const address = { url, protocols: ['file'], ref: 'main', path: 'keys/prod.pub', shown: url };
  const { bytes } = await fetchFile(address, {
    env: world.env,
    limit: 100,
    verifySignature: false,
  });
  expect([`${bytes}`, wasRun()]).toEqual(['key', false]);
});

test('hooks that the user has for every repository are not run', async () => {
  const world = gitWorld();
  const { command, wasRun } = marker(world);
  const repository = new Repository(world);
  repository.commit({ 'keys/prod.pub': 'key' });
  const hooks = join(world.folder, 'template/hooks');
  mkdirSync(hooks, { recursive: true });
  for (const name of ['reference-transaction', 'post-checkout', 'pre-auto-gc']) {
    writeFileSync(join(hooks, name), `#!/bin/sh\n${command}\n`, { mode: 0o755 });
  }
  configure(world, `[init]\n templateDir = ${join(world.folder, 'template')}\n`);
  configure(world, `[core]\n hooksPath = ${hooks}\n`);
  const address = { protocols: ['file'], ref: undefined, path: 'keys/prod.pub' };
  const { bytes } = await fetchFile(
    { ...address, url: repository.url, shown: repository.url },
    { env: { ...world.env, GIT_TEMPLATE_DIR: hooks }, limit: 100, verifySignature: false },
  );
  expect([`${bytes}`, wasRun()]).toEqual(['key', false]);
});
