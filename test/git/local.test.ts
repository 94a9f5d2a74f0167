import { chmodSync, cpSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { describe, expect, test } from 'vitest';
import { fetchFile } from '../../src/git/fetch.ts';
import {
  commitOf,
  committedSince,
  contentsOf,
  fileAt,
  filesAt,
  filesContaining,
  gitFiles,
  repositoryOf,
  settingOf,
  stagedFiles,
  withoutAttribute,
} from '../../src/git/local.ts';
import {
  configure,
  type GitWorld,
  gitWorld,
  program,
  Repository,
} from '../helpers/git-repository.ts';

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

test('a repository of another user is refused, with the command to trust it', () => {
  const world = gitWorld();
  const { path } = new Repository(world, "it's ours");
  const git = { folder: path, env: { ...world.env, GIT_TEST_ASSUME_DIFFERENT_OWNER: '1' } };
  expect(() => stagedFiles(git, [])).toThrow(
    expect.objectContaining({
      message: expect.stringContaining('owned by another user'),
      hint: `to trust it: git config --global --add safe.directory '${path.replace("'", "'\\''")}'`,
    }),
  );
});

const SAFE = 'safe.bareRepository=explicit';

/** An environment in which `git` is a script with these lines. */
function withGit(world: GitWorld, lines: readonly string[]) {
  const folder = dirname(program(world, 'git', lines));
  return { ...world.env, PATH: `${folder}:${world.env.PATH}`, REAL_PATH: world.env.PATH };
}

test('every call of git forbids the discovery of bare repositories', async () => {
  const world = gitWorld();
  const log = join(world.folder, 'log');
  const env = withGit(world, [`echo "$*" >> '${log}'`, 'PATH=$REAL_PATH exec git "$@"']);
  const repository = new Repository(world);
  const commit = repository.commit({ 'db.yaml': 'one' });
  const git = { folder: repository.path, env };
  const files = [...stagedFiles(git, []), ...filesAt(git, commitOf(git, 'main'), [])];
  for await (const { bytes } of contentsOf(git, files, 100)) expect(`${bytes}`).toBe('one');
  repositoryOf(repository.path, env);
  const address = { url: repository.url, protocols: ['file'], ref: commit, path: 'db.yaml' };
  await fetchFile({ ...address, shown: '' }, { env, limit: 100, verifySignature: false });
  const calls = readFileSync(log, 'utf8').trimEnd().split('\n');
  expect(calls.length).toBeGreaterThan(10);
  expect(calls.filter((call) => !call.includes(`-c ${SAFE} `))).toEqual([]);
});

describe('a repository that a commit embeds is refused by a git that ignores the setting', () => {
  // Before 2.38.
  const older = [
    'for word; do',
    `  shift; if [ "$word" = ${SAFE} ]; then word=x.y=z; fi; set -- "$@" "$word"`,
    'done',
    'PATH=$REAL_PATH exec git "$@"',
  ];

  test.each(['.', 'deep', '..deep'])('in its folder %s', (below) => {
    const world = gitWorld();
    const env = withGit(world, older);
    const { path, git } = embedding(world);
    expect(git('rev-parse', '--git-dir')).toBe('.');
    const folder = join(path, below);
    mkdirSync(folder, { recursive: true });
    const refused = { code: 'IO', message: expect.stringContaining('in a bare repository') };
    expect(() => commitOf({ folder, env }, 'main')).toThrow(expect.objectContaining(refused));
    expect(() => stagedFiles({ folder, env }, [])).toThrow(expect.objectContaining(refused));
    expect(repositoryOf(folder, env)).toBe(folder);
  });

  test('but not if GIT_DIR names it, nor the repository around it', () => {
    const world = gitWorld();
    const env = withGit(world, older);
    const { path, top, commit } = embedding(world);
    expect(commitOf({ folder: path, env: { ...env, GIT_DIR: '.' } }, 'main')).toBe(commit);
    expect(commitOf({ folder: top, env }, 'main')).not.toBe(commit);
  });

  /** A repository with a folder of another one, as a commit can contain it. */
  function embedding(world: GitWorld) {
    const outer = new Repository(world, 'outer');
    outer.commit({ 'db.yaml': 'one' });
    const inner = new Repository(world, 'inner');
    inner.git('config', 'remote.origin.url', 'https://git.example.org/victim.git');
    const commit = inner.commit({ 'db.yaml': 'two' });
    const path = join(outer.path, 'embedded');
    cpSync(join(inner.path, '.git'), path, { recursive: true });
    outer.git('-C', path, 'config', 'core.bare', 'false');
    outer.git('-C', path, 'config', 'core.worktree', '.');
    return {
      path,
      top: outer.path,
      commit,
      git: (...args: string[]) => outer.git('-C', path, ...args),
    };
  }
});

describe('gitFiles', () => {
  const filesOf = (world: GitWorld, folder: string) => gitFiles({ folder, env: world.env });

  test.each([
    ['without core.hooksPath', undefined, '.git/hooks', false],
    ['with a relative core.hooksPath, from the top', '.githooks', '.githooks', false],
    ['with an absolute core.hooksPath outside', '/usr/share/hooks', '/usr/share/hooks', true],
    ['with hooks switched off', '/dev/null', '/dev/null', true],
  ])('finds the hooks %s', (_, hooksPath, wanted, areShared) => {
    const world = gitWorld();
    const repository = new Repository(world);
    const { path } = repository;
    if (hooksPath !== undefined) repository.git('config', 'core.hooksPath', hooksPath);
    expect(filesOf(world, path)).toEqual({
      config: join(path, '.git/config'),
      hooks: resolve(path, wanted),
      areShared,
    });
  });

  test('of a linked working tree are those of its repository', () => {
    const world = gitWorld();
    const repository = new Repository(world);
    repository.commit({ a: '' });
    const linked = join(world.folder, 'linked');
    repository.git('worktree', 'add', '-q', linked);
    expect(filesOf(world, linked)).toEqual(filesOf(world, repository.path));
  });
});

test('settingOf returns a setting, and nothing without one', () => {
  const world = gitWorld();
  const repository = new Repository(world);
  const git = { folder: repository.path, env: world.env };
  expect(settingOf(git, 'diff.kseal.textconv')).toBe('');
  repository.git('config', 'diff.kseal.textconv', 'kseal inspect --textconv');
  expect(settingOf(git, 'diff.kseal.textconv')).toBe('kseal inspect --textconv');
});

test('withoutAttribute returns the paths for which an attribute has another value or none', () => {
  const world = gitWorld();
  const repository = new Repository(world);
  const git = { folder: repository.path, env: world.env };
  writeFileSync(join(repository.path, '.gitattributes'), '*.yaml diff=kseal\nb* diff=other\n');
  const paths = ['a.yaml', 'deep/a\nb.yaml', 'b.yaml', 'c.json'];
  expect(withoutAttribute(git, paths, 'diff', 'kseal')).toEqual(['b.yaml', 'c.json']);
  expect(withoutAttribute(git, [], 'diff', 'kseal')).toEqual([]);
});

test('filesContaining returns files that git tracks or would add, and fails if git does', () => {
  const world = gitWorld();
  const repository = new Repository(world);
  repository.commit({ 'a/b.tpl': 'x eyJ.', 'c.tpl': 'none', '.gitignore': 'd.tpl' });
  for (const name of ['d.tpl', 'e.tpl']) writeFileSync(join(repository.path, name), 'eyJ.');
  const git = { folder: repository.path, env: world.env };
  expect(filesContaining(git, ['zzz', 'eyJ.'])).toEqual(['a/b.tpl', 'e.tpl']);
  expect(filesContaining(git, ['eyJX'])).toEqual([]);
  expect(() => filesContaining({ ...git, env: { PATH: '/nowhere' } }, ['eyJ.'])).toThrow(
    'cannot run git',
  );
});

describe('committedSince', () => {
  /** A repository, the same one at the time of a commit, and the years that files are from. */
  function timed(world = gitWorld()) {
    const { path } = new Repository(world);
    const inYear = (year: number) =>
      new Repository({
        ...world,
        env: { ...world.env, GIT_COMMITTER_DATE: `${year}-06-01T00:00:00Z` },
      });
    const years = (names: readonly string[], folder = path) => {
      const files = names.map((name) => join(folder, name));
      const since = committedSince({ folder, env: world.env }, files);
      return files.map((file) => since.get(file)?.getUTCFullYear());
    };
    return { world, path, inYear, years };
  }

  test('is the commit that gave a file its content, not its mode', () => {
    const { path, inYear, years } = timed();
    inYear(2001).commit({ a: 'one', b: 'b', 'keys/: é': 'c', d: 'd' });
    inYear(2002).commit({ a: 'two' });
    chmodSync(join(path, 'a'), 0o755);
    inYear(2003).commit({ d: 'D' });
    inYear(2004).commit({ d: 'd' });
    expect(years(['a', 'b', 'keys/: é', 'd', 'a'])).toEqual([2002, 2001, 2001, 2004, 2002]);
  });

  test('is unknown for a file that is changed, new, missing or outside', () => {
    const { world, path, inYear, years } = timed();
    inYear(2001).commit({ a: 'one', b: 'b', link: { link: 'b' } });
    writeFileSync(join(path, 'a'), 'two');
    writeFileSync(join(path, 'new'), 'new');
    writeFileSync(join(world.folder, 'outside'), 'b');
    const outside = '../../outside';
    expect(years(['a', 'new', 'gone', outside, 'b', 'link'])).toEqual([
      ...[undefined, undefined, undefined, undefined, 2001, 2001],
    ]);
    expect(years([outside])).toEqual([undefined]);
  });

  test('finds a content that only a merge made', () => {
    const { inYear, years } = timed();
    inYear(2001).commit({ a: 'one' });
    inYear(2001).git('checkout', '-q', '-b', 'side');
    inYear(2002).commit({ a: 'two' });
    inYear(2002).git('checkout', '-q', 'main');
    inYear(2003).commit({ a: 'three' });
    inYear(2004).git('merge', '-q', '-s', 'ours', '--no-commit', 'side');
    inYear(2004).commit({ a: 'both' });
    expect(years(['a'])).toEqual([2004]);
  });

  test('is unknown for what is as old as a shallow clone', () => {
    const { world, path, inYear, years } = timed();
    inYear(2001).commit({ a: 'one', b: 'b' });
    inYear(2002).commit({ c: 'c' });
    inYear(2003).commit({ a: 'two' });
    const clone = join(world.folder, 'clone');
    inYear(2003).git('clone', '-q', '--depth=2', `file://${path}`, clone);
    expect(years(['a', 'b', 'c'], clone)).toEqual([2003, undefined, undefined]);
  });

  test('does not depend on settings of the user', () => {
    const { world, inYear, years } = timed();
    configure(
      world,
      '[log]\nfollow = true\nshowRoot = false\nshowSignature = true\ndiffMerges = off\n[diff]\nrenames = copies\n[core]\nabbrev = 4\n',
    );
    inYear(2001).commit({ a: 'one' });
    inYear(2002).commit({ b: 'two' });
    inYear(2003).git('mv', 'a', 'c');
    inYear(2003).commit({});
    expect(years(['b'])).toEqual([2002]);
    expect(years(['c'])).toEqual([2003]);
  });

  test('throws without a commit', () => {
    const { path, years } = timed();
    writeFileSync(join(path, 'a'), 'one');
    expect(years([])).toEqual([]);
    expect(() => years(['a'])).toThrow(expect.objectContaining({ code: 'IO' }));
  });
});
