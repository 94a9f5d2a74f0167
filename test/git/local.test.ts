import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { fileAt, repositoryOf } from '../../src/git/local.ts';
import { gitWorld, Repository } from '../helpers/git-repository.ts';

/** A repository whose remote `origin` has this address in its configuration. */
function withOrigin(url: string) {
  const world = gitWorld();
  const repository = new Repository(world);
  repository.git('config', 'remote.origin.url', url);
  return { world, repository };
}

describe('a repository is identified by the address of its origin', () => {
  test.each([
    ['https', 'https://git.example.org/hr/deploy.git', 'https://git.example.org/hr/deploy.git'],
    ['scp-like ssh', 'git@git.example.org:hr/deploy.git', 'git@git.example.org:hr/deploy.git'],
    ['a path', '/srv/git/deploy.git', '/srv/git/deploy.git'],
    [
      'https without the credentials',
      'https://ann:CANARY-token@git.example.org/deploy.git',
      'https://git.example.org/deploy.git',
    ],
    ['a line break, which would end a line of known_keys', 'https://x/a\nb', 'https://x/a%0Ab'],
  ])('%s', (_, url, wanted) => {
    const { world, repository } = withOrigin(url);
    expect(repositoryOf(repository.path, world.env)).toBe(wanted);
  });

  test('from all its folders and clones', () => {
    const world = gitWorld();
    const origin = new Repository(world, 'origin.git');
    origin.commit({ 'apps/db/x': '' });
    const clones = ['one', 'two'].map((name) => {
      const path = join(world.folder, name);
      origin.git('clone', '--quiet', origin.path, path);
      return repositoryOf(join(path, 'apps/db'), world.env);
    });
    expect(clones).toEqual([origin.path, origin.path]);
  });
});

describe('a repository is identified by its folder', () => {
  test('without an origin, and outside of any repository', () => {
    const world = gitWorld();
    const repository = new Repository(world);
    expect(repositoryOf(repository.path, world.env)).toBe(repository.path);
    expect(repositoryOf(world.folder, world.env)).toBe(world.folder);
  });

  test.each(['../deploy.git', 'deploy.git'])('with the origin %s, which is relative', (url) => {
    const { world, repository } = withOrigin(url);
    expect(repositoryOf(repository.path, world.env)).toBe(repository.path);
  });

  test('through links', () => {
    const world = gitWorld();
    const [real, link] = [join(world.folder, 'real'), join(world.folder, 'link')];
    mkdirSync(real);
    symlinkSync(real, link);
    expect(repositoryOf(link, world.env)).toBe(real);
  });

  test('if git fails', () => {
    const { world, repository } = withOrigin('https://git.example.org/deploy.git');
    writeFileSync(join(`${world.env.HOME}`, '.gitconfig'), '[broken\n');
    expect(repositoryOf(repository.path, world.env)).toBe(repository.path);
  });

  test('without git', () => {
    const { world, repository } = withOrigin('https://git.example.org/deploy.git');
    expect(repositoryOf(repository.path, { ...world.env, PATH: '/nowhere' })).toBe(repository.path);
  });
});

test('the variables of a hook are ignored', () => {
  const { world, repository } = withOrigin('https://git.example.org/one.git');
  const other = new Repository(world, 'other.git');
  other.git('config', 'remote.origin.url', 'https://git.example.org/two.git');
  const env = { ...world.env, GIT_DIR: join(other.path, '.git'), GIT_CONFIG_COUNT: 'x' };
  expect(repositoryOf(repository.path, env)).toBe('https://git.example.org/one.git');
});

/** Returns what `fileAt` finds in a commit with links beside and above files. */
function lookUp(path: string) {
  const world = gitWorld();
  const repository = new Repository(world);
  const commit = repository.commit({
    'keys/prod.pub': 'prod',
    'keys/current.pub': { link: 'prod.pub' },
    linked: { link: 'keys' },
  });
  return fileAt({ folder: repository.path, env: world.env }, commit, path);
}

test('a file in a commit is found beside a link', () => {
  expect(lookUp('keys/prod.pub')).toEqual({ bytes: Buffer.from('prod') });
  expect(lookUp('keys/next.pub')).toBeUndefined();
});

test.each([
  ['keys/current.pub', 'keys/current.pub'],
  ['linked/prod.pub', 'linked'],
])('a file in a commit is not read through a link: %s', (path, at) => {
  const kind = 'a symbolic link, which is not followed';
  expect(lookUp(path)).toEqual({ bytes: undefined, at, kind });
});
