import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { fetchFile } from '../../src/git/fetch.ts';
import { configure, type GitWorld, gitWorld, Repository } from '../helpers/git-repository.ts';

interface Asked {
  readonly ref?: string;
  readonly path?: string;
  readonly limit?: number;
  readonly env?: Readonly<Record<string, string>>;
}

function fetchFrom(world: GitWorld, { url }: Repository, asked: Asked = {}) {
  const { ref, path = 'keys/prod.pub', limit = 100, env = world.env } = asked;
  const address = { url, protocols: ['file'], ref, path, shown: url };
  return fetchFile(address, { env, limit, verifySignature: false });
}

test('fetches a file at HEAD, a branch, a tag, a full ref and a commit', async () => {
  const world = gitWorld();
  const repository = new Repository(world);
  const first = repository.commit({ 'keys/prod.pub': 'first' });
  repository.git('tag', 'v1');
  repository.git('tag', '-a', '-m', 'one', 'annotated');
  const second = repository.commit({ 'keys/prod.pub': 'second' });
  repository.git('update-ref', 'refs/odd/one', second);
  repository.git('branch', "it's", second);
  const third = repository.commit({ 'keys/prod.pub': 'third' });
  for (const [ref, wanted] of [
    [undefined, ['third', third, 'HEAD']],
    ['main', ['third', third, 'refs/heads/main']],
    ['refs/heads/main', ['third', third, 'refs/heads/main']],
    ['v1', ['first', first, 'refs/tags/v1']],
    ['annotated', ['first', first, 'refs/tags/annotated']],
    ['refs/tags/annotated', ['first', first, 'refs/tags/annotated']],
    ['HEAD', ['third', third, 'HEAD']],
    ['refs/odd/one', ['second', second, 'refs/odd/one']],
    ["it's", ['second', second, "refs/heads/it's"]],
    [second, ['second', second, second]],
  ] as const) {
    const file = await fetchFrom(world, repository, ref === undefined ? {} : { ref });
    expect([`${file.bytes}`, file.commit, file.ref]).toEqual(wanted);
  }
});

test('refuses a name that is both a branch and a tag, but accepts the full name', async () => {
  const world = gitWorld();
  const repository = new Repository(world);
  repository.commit({ 'keys/prod.pub': 'theirs' });
  repository.git('tag', 'main');
  repository.commit({ 'keys/prod.pub': 'ours' });
  await expect(fetchFrom(world, repository, { ref: 'main' })).rejects.toMatchObject({
    code: 'KEY_REFERENCE_INVALID',
    message: `${repository.url}: main is both a branch and a tag`,
    hint: 'use ?ref=refs/heads/main or ?ref=refs/tags/main',
  });
  const branch = await fetchFrom(world, repository, { ref: 'refs/heads/main' });
  const tag = await fetchFrom(world, repository, { ref: 'refs/tags/main' });
  expect([`${branch.bytes}`, `${tag.bytes}`]).toEqual(['ours', 'theirs']);
});

test('refuses an unknown ref, and one that does not point to a commit', async () => {
  const world = gitWorld();
  const repository = new Repository(world);
  repository.commit({ 'keys/prod.pub': 'key' });
  repository.git('tag', 'tree', 'HEAD^{tree}');
  // git would find these under shorter names.
  repository.git('update-ref', 'refs/odd', 'HEAD');
  repository.git('tag', 'refs/heads/gone');
  const table = [
    ['odd', 'no branch or tag odd', /git ls-remote/],
    ['refs/heads/gone', 'no branch or tag refs/heads/gone', /git ls-remote/],
    ['heads/main', 'no branch or tag heads/main', /git ls-remote/],
    ['none', 'no branch or tag none', /^to list its refs: git ls-remote file:/],
    ['refs/heads/none', 'no branch or tag refs/heads/none', /git ls-remote/],
    ['0123abc', 'no branch or tag 0123abc', /full id/],
    ['0'.repeat(40), 'no such commit, or the server does not provide it', /a branch or a tag/],
    ['tree', 'refs/tags/tree does not point to a commit', /a branch/],
  ] as const;
  await Promise.all(
    table.map(([ref, what, hint]) =>
      expect(fetchFrom(world, repository, { ref })).rejects.toMatchObject({
        code: 'KEY_NOT_FOUND',
        message: `${repository.url}: ${what}`,
        hint: expect.stringMatching(hint),
      }),
    ),
  );
});

test('refuses an empty and a missing repository', async () => {
  const world = gitWorld();
  const empty = new Repository(world);
  await expect(fetchFrom(world, empty)).rejects.toMatchObject({
    code: 'KEY_NOT_FOUND',
    message: expect.stringMatching(/no commit at HEAD$/),
  });
  const none = { url: `file://${world.folder}/none` } as Repository;
  await expect(fetchFrom(world, none)).rejects.toMatchObject({
    code: 'KEY_NOT_FOUND',
    message: `${none.url}: no such repository, or no permission to see it`,
  });
});

const link = 'a symbolic link, which is not followed';
const submodule = 'a submodule';

test('refuses a path that is not a regular file, and names the part that is wrong', async () => {
  const world = gitWorld();
  const repository = new Repository(world);
  const commit = repository.commit({
    'keys/prod.pub': 'key',
    'keys/large.pub': 'x'.repeat(101),
    'out.pub': { link: '/etc/passwd' },
    'in.pub': { link: 'keys/prod.pub' },
    linked: { link: 'keys' },
  });
  repository.git('update-index', '--add', '--cacheinfo', `160000,${commit},sub`);
  repository.git('commit', '--quiet', '--message=submodule');
  const tip = repository.git('rev-parse', 'HEAD');
  const table = [
    ['keys/none.pub', 'KEY_NOT_FOUND', `no keys/none.pub in commit ${tip}`],
    ['none/prod.pub', 'KEY_NOT_FOUND', `no none in commit ${tip}`],
    ['Keys/prod.pub', 'KEY_NOT_FOUND', `no Keys in commit ${tip}`],
    ['k*/prod.pub', 'KEY_NOT_FOUND', `no k* in commit ${tip}`],
    [':(top)keys', 'KEY_NOT_FOUND', `no :(top)keys in commit ${tip}`],
    ['keys', 'KEY_INVALID', 'keys is a folder'],
    ['keys/prod.pub/x', 'KEY_INVALID', 'keys/prod.pub is a file, not a folder'],
    ['out.pub', 'KEY_INVALID', `out.pub is ${link}`],
    ['in.pub', 'KEY_INVALID', `in.pub is ${link}`],
    ['linked/prod.pub', 'KEY_INVALID', `linked is ${link}`],
    ['sub', 'KEY_INVALID', `sub is ${submodule}`],
    ['sub/prod.pub', 'KEY_INVALID', `sub is ${submodule}`],
    ['keys/large.pub', 'KEY_INVALID', 'keys/large.pub is larger than 100 bytes'],
  ] as const;
  await Promise.all(
    table.map(([path, code, what]) =>
      expect(fetchFrom(world, repository, { path })).rejects.toMatchObject({
        code,
        message: `${repository.url}: ${what}`,
        hint: 'name the key file, starting from the root of the repository: #FOLDER/FILE',
      }),
    ),
  );
});

test('accepts an executable file, an odd name and the largest size', async () => {
  const world = gitWorld();
  const repository = new Repository(world);
  const bytes = Buffer.from([0, 255, 10, 13, ...Buffer.alloc(96, 'x')]);
  const path = ':(top)ü #% "k"/-*.pub';
  repository.commit({ [path]: bytes });
  repository.git('update-index', '--chmod=+x', '--', `./${path}`);
  repository.git('commit', '--quiet', '--message=mode');
  expect((await fetchFrom(world, repository, { path })).bytes).toEqual(bytes);
});

test('is not affected by a repository around it or by trace variables', async () => {
  const world = gitWorld();
  const around = new Repository(world, 'around');
  around.commit({ 'keys/prod.pub': 'around' });
  const repository = new Repository(world);
  repository.commit({ 'keys/prod.pub': 'key' });
  const git = join(around.path, '.git');
  const trace = join(world.folder, 'trace');
  const env = {
    ...world.env,
    GIT_DIR: git,
    GIT_WORK_TREE: around.path,
    GIT_INDEX_FILE: join(git, 'index'),
    GIT_OBJECT_DIRECTORY: join(git, 'objects'),
    GIT_COMMON_DIR: git,
    GIT_NAMESPACE: 'other',
    GIT_DEFAULT_HASH: 'sha256',
    GIT_GLOB_PATHSPECS: '1',
    GIT_NO_LAZY_FETCH: '1',
    GIT_TRACE: trace,
    GIT_TRACE_PACKET: trace,
    GIT_TRACE2_EVENT: trace,
  };
  const before = readdirSync(git, { recursive: true });
  const file = await fetchFrom(world, repository, { env });
  expect(`${file.bytes}`).toBe('key');
  expect(readdirSync(git, { recursive: true })).toEqual(before);
  expect(readdirSync(world.folder)).not.toContain('trace');
});

test('is not affected by settings of the user that change the output of git', async () => {
  const world = gitWorld();
  configure(
    world,
    `[log]\n showSignature = true\n[color]\n ui = always\n[core]\n quotePath = true
[fetch]\n prune = true\n recurseSubmodules = true\n output = compact\n writeCommitGraph = true
[init]\n defaultObjectFormat = sha256\n[transfer]\n fsckObjects = true\n`,
  );
  const repository = new Repository(world);
  repository.commit({ 'keys/prod.pub': 'key' });
  expect(`${(await fetchFrom(world, repository, { ref: 'main' })).bytes}`).toBe('key');
});

test('fetches several files at a time', async () => {
  const world = gitWorld();
  const repository = new Repository(world);
  const paths = Array.from({ length: 12 }, (_, index) => `keys/${index}.pub`);
  repository.commit(Object.fromEntries(paths.map((path) => [path, path])));
  const warned: Error[] = [];
  const hear = (warning: Error) => void warned.push(warning);
  process.on('warning', hear);
  const files = await Promise.all(paths.map((path) => fetchFrom(world, repository, { path })));
  process.off('warning', hear);
  expect(files.map(({ bytes }) => `${bytes}`)).toEqual(paths);
  expect([warned, process.listenerCount('SIGHUP')]).toEqual([[], 0]);
});

test('without git says what to install', async () => {
  const world = gitWorld();
  const env = { ...world.env, PATH: join(world.folder, 'nowhere') };
  const repository = { url: `file://${world.folder}/none` } as Repository;
  await expect(fetchFrom(world, repository, { env })).rejects.toMatchObject({
    code: 'KEY_UNAVAILABLE',
    message: `${repository.url}: cannot run git`,
    hint: 'install git (https://git-scm.com) and check the PATH',
  });
});
