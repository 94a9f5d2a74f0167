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

test('takes a file at HEAD, a branch, a tag, a full ref and a commit', async () => {
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

test('a name that is a branch and a tag is refused until the reference says which', async () => {
  const world = gitWorld();
  const repository = new Repository(world);
  repository.commit({ 'keys/prod.pub': 'theirs' });
  repository.git('tag', 'main');
  repository.commit({ 'keys/prod.pub': 'ours' });
  await expect(fetchFrom(world, repository, { ref: 'main' })).rejects.toMatchObject({
    code: 'KEY_REFERENCE_INVALID',
    message: `${repository.url}: has a branch and a tag named main`,
    hint: 'say which: ?ref=refs/heads/main or ?ref=refs/tags/main',
  });
  const branch = await fetchFrom(world, repository, { ref: 'refs/heads/main' });
  const tag = await fetchFrom(world, repository, { ref: 'refs/tags/main' });
  expect([`${branch.bytes}`, `${tag.bytes}`]).toEqual(['ours', 'theirs']);
});

test('a ref that is not there, or leads to no commit', async () => {
  const world = gitWorld();
  const repository = new Repository(world);
  repository.commit({ 'keys/prod.pub': 'key' });
  repository.git('tag', 'tree', 'HEAD^{tree}');
  // git would take these for what they are not.
  repository.git('update-ref', 'refs/odd', 'HEAD');
  repository.git('tag', 'refs/heads/gone');
  const table = [
    ['odd', 'has no branch or tag odd', /git ls-remote/],
    ['refs/heads/gone', 'has no branch or tag refs/heads/gone', /git ls-remote/],
    ['heads/main', 'has no branch or tag heads/main', /git ls-remote/],
    ['none', 'has no branch or tag none', /^to see what it has: git ls-remote file:/],
    ['refs/heads/none', 'has no branch or tag refs/heads/none', /git ls-remote/],
    ['0123abc', 'has no branch or tag 0123abc', /whole id/],
    ['0'.repeat(40), 'has no such commit, or does not hand it out', /a branch or a tag/],
    ['tree', 'refs/tags/tree does not lead to a commit', /a branch/],
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

test('an empty repository, and none at all', async () => {
  const world = gitWorld();
  const empty = new Repository(world);
  await expect(fetchFrom(world, empty)).rejects.toMatchObject({
    code: 'KEY_NOT_FOUND',
    message: expect.stringMatching(/has no commit at HEAD$/),
  });
  const none = { url: `file://${world.folder}/none` } as Repository;
  await expect(fetchFrom(world, none)).rejects.toMatchObject({
    code: 'KEY_NOT_FOUND',
    message: `${none.url}: no such repository, or no right to see it`,
  });
});

const link = 'a symbolic link, and links are not followed';
const submodule = 'a submodule, and submodules are not fetched';

test('a path that leads to no regular file is refused, and the component named', async () => {
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
    ['keys/none.pub', 'KEY_NOT_FOUND', `commit ${tip} has no keys/none.pub`],
    ['none/prod.pub', 'KEY_NOT_FOUND', `commit ${tip} has no none`],
    ['Keys/prod.pub', 'KEY_NOT_FOUND', `commit ${tip} has no Keys`],
    ['k*/prod.pub', 'KEY_NOT_FOUND', `commit ${tip} has no k*`],
    [':(top)keys', 'KEY_NOT_FOUND', `commit ${tip} has no :(top)keys`],
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
        hint: 'name the key file itself, from the root of the repository: #keys/prod.pub',
      }),
    ),
  );
});

test('an executable file, odd names and the largest size allowed are fine', async () => {
  const world = gitWorld();
  const repository = new Repository(world);
  const bytes = Buffer.from([0, 255, 10, 13, ...Buffer.alloc(96, 'x')]);
  const path = ':(top)ü #% "k"/-*.pub';
  repository.commit({ [path]: bytes });
  repository.git('update-index', '--chmod=+x', '--', `./${path}`);
  repository.git('commit', '--quiet', '--message=mode');
  expect((await fetchFrom(world, repository, { path })).bytes).toEqual(bytes);
});

test('a repository around us changes nothing, and git traces nothing', async () => {
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

test('settings of the user that would print, prune or rename change nothing', async () => {
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

test('several at a time do not disturb each other', async () => {
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

test('without git it says what to install', async () => {
  const world = gitWorld();
  const env = { ...world.env, PATH: join(world.folder, 'nowhere') };
  const repository = { url: `file://${world.folder}/none` } as Repository;
  await expect(fetchFrom(world, repository, { env })).rejects.toMatchObject({
    code: 'KEY_UNAVAILABLE',
    message: `${repository.url}: git could not be started`,
    hint: 'install git (https://git-scm.com), and see that it is on the PATH',
  });
});
