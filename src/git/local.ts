import { execFileSync, spawn } from 'node:child_process';
import { realpathSync } from 'node:fs';
import { isAbsolute, posix } from 'node:path';
import type { Readable } from 'node:stream';
import { KsealError } from '../errors.ts';
import { withoutCredentials } from './errors.ts';
import type { Env } from './process.ts';

/** A file that a repository holds. */
export interface GitFile {
  /** Relative to the folder that was asked, with `/`. */
  readonly path: string;
  readonly blob: string;
}

/**
 * The files of the index that differ from HEAD: what the next commit adds or changes at or below
 * `paths`, by default the folder that is asked.
 */
export function stagedFiles(git: LocalGit, paths: readonly string[]): readonly GitFile[] {
  const prefix = ask(git, ['rev-parse', '--show-prefix']).toString().replace(/\n$/, '');
  const listing = [
    'diff',
    '--cached',
    '--raw',
    '-z',
    '--no-relative',
    '--no-renames',
    '--no-abbrev',
  ];
  const wanted = paths.length > 0 ? paths : ['.'];
  const fields = ask(git, [...listing, '--diff-filter=ACMTU', '--', ...wanted])
    .toString()
    .split('\0');
  const files: GitFile[] = [];
  // `:OLD-MODE MODE OLD-BLOB BLOB STATUS`, NUL, the path from the top, NUL.
  for (let i = 0; i + 1 < fields.length; i += 2) {
    const [, mode = '', , blob = '', status] = (fields[i] ?? '').split(' ');
    const path = posix.relative(prefix, fields[i + 1] ?? '');
    // A file in conflict has no content yet; that it is lost is told where it is read.
    if (isRegular(mode) || status === 'U') files.push({ path, blob });
  }
  return files;
}

/** The files of a commit at or below `paths`, by default those below the folder that is asked. */
export function filesAt(
  git: LocalGit,
  commit: string,
  paths: readonly string[],
): readonly GitFile[] {
  const listing = ask(git, ['ls-tree', '-r', '-z', commit, '--', ...paths]).toString();
  return listing.split('\0').flatMap((line) => {
    const [, mode = '', blob = '', path = ''] = /^(\d+) \w+ (\w+)\t(.*)$/s.exec(line) ?? [];
    return isRegular(mode) ? [{ path, blob }] : [];
  });
}

/** What a commit has at a path: a regular file, or what it is instead. */
export type FoundFile =
  | { readonly bytes: Buffer }
  | { readonly bytes: undefined; readonly at: string; readonly kind: string };

const links: Readonly<Record<string, string>> = {
  '120000': 'a symbolic link, and links are not followed there',
  '160000': 'a submodule',
};

/**
 * What a commit has at `path`, relative to the folder that is asked; undefined where there is
 * nothing. `at` is `path` itself, or a folder above it that is none.
 */
export function fileAt(git: LocalGit, commit: string, path: string): FoundFile | undefined {
  const slashes = [...path.matchAll(/(?<=[^./])\//g)].map(({ index }) => path.slice(0, index));
  const listing = ask(git, ['ls-tree', '-z', commit, '--', ...slashes, path]).toString();
  let found: FoundFile | undefined;
  for (const line of listing.split('\0')) {
    const [, mode = '', id = '', at = ''] = /^(\d+) \w+ (\w+)\t(.*)$/s.exec(line) ?? [];
    const kind = links[mode];
    if (kind !== undefined) return { bytes: undefined, at, kind };
    if (at !== path) continue;
    found = isRegular(mode)
      ? { bytes: ask(git, ['cat-file', 'blob', id]) }
      : { bytes: undefined, at, kind: 'a folder' };
  }
  return found;
}

/** From the folder that is asked to the top of its work tree: `../../`, or empty. */
export function wayToTop(git: LocalGit): string {
  return ask(git, ['rev-parse', '--show-cdup']).toString().replace(/\n$/, '');
}

/** Regular files and executables; no links, no submodules. */
function isRegular(mode: string): boolean {
  return mode.startsWith('100');
}

/** Where the user's git is asked: in `folder`, with the user's environment, so that a hook's index counts. */
export interface LocalGit {
  readonly folder: string;
  readonly env: Readonly<Record<string, string | undefined>>;
}

/** The most that an answer may have: the paths of some hundred thousand files. */
const MAX_ANSWER = 256 * 1024 * 1024;

/**
 * The environment of every call. Paths are paths, never patterns; what a partial clone lacks is
 * not fetched behind our back; and git speaks the language that `reasons` knows.
 */
function gitEnv({ env }: LocalGit): NodeJS.ProcessEnv {
  return { ...env, LC_ALL: 'C', GIT_LITERAL_PATHSPECS: '1', GIT_NO_LAZY_FETCH: '1' };
}

const reasons: readonly {
  readonly said: RegExp;
  readonly meaning: string;
  readonly hint: string;
}[] = [
  {
    said: /not a git repository/,
    meaning: 'is in no git repository',
    hint: 'run it within a repository',
  },
  {
    said: /dubious ownership|unsafe repository/,
    meaning: 'belongs to another user, so git does not trust it',
    hint: 'if you do: git config --global --add safe.directory FOLDER',
  },
  {
    said: /outside repository/,
    meaning: 'a path leads out of the repository',
    hint: 'name paths within it',
  },
  {
    said: /ENOENT/,
    meaning: 'git could not be started',
    hint: 'install git (https://git-scm.com), and see that it is on the PATH',
  },
];

/** What git answers. Throws IO, saying why, where it fails. */
function ask(git: LocalGit, args: readonly string[]): Buffer {
  try {
    return execFileSync('git', ['--no-pager', '-c', 'core.fsmonitor=false', ...args], {
      cwd: git.folder,
      env: gitEnv(git),
      maxBuffer: MAX_ANSWER,
      stdio: ['ignore', 'pipe', 'pipe'],
      windowsHide: true,
    });
  } catch (cause) {
    const { stderr, code } = cause as { stderr?: Buffer | null; code?: string };
    const said = `${stderr ?? ''} ${code ?? ''}`;
    const reason = reasons.find((row) => row.said.test(said));
    throw new KsealError('IO', `${git.folder}: ${reason?.meaning ?? 'git failed'}`, {
      hint: reason?.hint ?? `to see what it says: git ${args[0]}`,
      cause,
    });
  }
}

/**
 * What tells the repository around `folder` from others: the address of its remote `origin`,
 * which all its clones share, and where there is none the folder itself.
 */
export function repositoryOf(folder: string, env: Env): string {
  const origin = originOf(folder, env);
  // A path that starts from the repository would be the same in another one.
  const isAddress = isAbsolute(origin) || /^[^/]+:/.test(origin);
  const name = isAddress ? withoutCredentials(origin) : realpathSync(folder);
  return name.replace(/\p{Cc}/gu, encodeURIComponent);
}

function originOf(folder: string, env: Env): string {
  const theirs = Object.entries(env).filter(([name]) => !name.startsWith('GIT_'));
  try {
    const url = execFileSync('git', ['-C', folder, 'config', '--get', 'remote.origin.url'], {
      env: Object.fromEntries(theirs),
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    return url.toString('utf8').trim();
  } catch {
    return '';
  }
}

/**
 * The commit that a branch, a tag or another name of it stands for. Throws USAGE for none, and for
 * a name that several have: git would take the tag, and whoever may push a tag need not be trusted
 * with the branch.
 */
export function commitOf(git: LocalGit, ref: string): string {
  ask(git, ['rev-parse', '--git-dir']);
  const names = namesOf(git, ref);
  if (names.length > 1) {
    const branch = names.find((name) => name.startsWith('refs/heads/'));
    throw new KsealError('USAGE', `${ref}: stands for ${names.join(' and for ')}`, {
      hint: `write which one: ${branch ?? names[0]}`,
    });
  }
  try {
    // What begins with refs/ is a name in full, and no branch that is called so.
    if (ref.startsWith('refs/') && names.length === 0) throw new Error('no such ref');
    const args = ['rev-parse', '--verify', '--quiet', '--end-of-options', `${ref}^{commit}`];
    const id = ask(git, args).toString().trim();
    // `^main` is every commit but those.
    if (!/^[0-9a-f]+$/.test(id)) throw new Error('no single commit');
    return id;
  } catch {
    throw new KsealError('USAGE', `${ref}: no such branch, tag or commit here`, {
      hint: 'check the name, or get it first: git fetch',
    });
  }
}

const folders = ['refs/', 'refs/tags/', 'refs/heads/', 'refs/remotes/'];

/** All that git may take a name for; only one where it is written in full (gitrevisions(7)). */
function namesOf(git: LocalGit, ref: string): readonly string[] {
  // What stands behind the name leads on from there: `main~1`, `main@{yesterday}`.
  const [name = ''] = ref.split(/[~^:]|@\{/);
  if (name === '') return [];
  const isFull = name.startsWith('refs/');
  const candidates = isFull
    ? [name]
    : [...folders.map((folder) => folder + name), `refs/remotes/${name}/HEAD`];
  const listing = ask(git, ['for-each-ref', '--format=%(refname)', '--', ...candidates]);
  const known = listing.toString().split('\n');
  const names = candidates.filter((candidate) => known.includes(candidate));
  return names.length > 0 && isCommitId(git, name) ? [...names, `commit ${name}`] : names;
}

/** Whether a name is the beginning of the id of something, too; a whole id git takes for one. */
function isCommitId(git: LocalGit, name: string): boolean {
  if (!/^[0-9a-f]{4,39}$/i.test(name)) return false;
  return ask(git, ['rev-parse', `--disambiguate=${name}`]).length > 0;
}

/** What a file holds; undefined for one that is larger than the limit. */
interface GitContent {
  readonly file: GitFile;
  readonly bytes: Buffer | undefined;
}

/** Reads files one after the other, through one process of git, and holds no more than one. */
export async function* contentsOf(
  git: LocalGit,
  files: readonly GitFile[],
  limit: number,
): AsyncGenerator<GitContent> {
  if (files.length === 0) return;
  const child = spawn('git', ['cat-file', '--batch'], {
    cwd: git.folder,
    env: gitEnv(git),
    stdio: ['pipe', 'pipe', 'ignore'],
    windowsHide: true,
  });
  // Where git cannot be started or ends early, its output ends early too, and that is noticed.
  for (const source of [child, child.stdin]) source.on('error', () => {});
  try {
    child.stdin.end(files.map(({ blob }) => `${blob}\n`).join(''));
    const output = new Output(child.stdout);
    for (const file of files) {
      // `HASH blob SIZE`, or `HASH missing`.
      const [, kind, size] = (await output.line()).split(' ');
      if (kind !== 'blob') throw lost(file.path);
      yield { file, bytes: await output.take(Number(size), limit) };
      await output.take(1, 1);
    }
  } finally {
    // A reader that stops early leaves a git that waits for ever.
    child.kill();
  }
}

function lost(path: string): KsealError {
  return new KsealError('IO', 'git does not have its content', {
    thing: path,
    hint: 'solve its conflict, if it is in one; else git fsck, in a partial clone: git fetch --refetch --no-filter',
  });
}

/** A stream, to be read in pieces of known length. */
class Output {
  readonly #chunks: AsyncIterator<Buffer>;
  #rest: Buffer = Buffer.alloc(0);

  constructor(stream: Readable) {
    this.#chunks = stream[Symbol.asyncIterator]();
  }

  async line(): Promise<string> {
    const parts: Buffer[] = [];
    let end = this.#rest.indexOf('\n');
    for (; end < 0; end = this.#rest.indexOf('\n')) {
      parts.push(this.#rest);
      await this.#more();
    }
    parts.push(this.#rest.subarray(0, end));
    this.#rest = this.#rest.subarray(end + 1);
    return Buffer.concat(parts).toString('latin1');
  }

  /** The next bytes; undefined, but taken all the same, if they are more than `limit`. */
  async take(length: number, limit: number): Promise<Buffer | undefined> {
    const parts: Buffer[] = [];
    let missing = length;
    while (missing > this.#rest.length) {
      missing -= this.#rest.length;
      if (length <= limit) parts.push(this.#rest);
      await this.#more();
    }
    parts.push(this.#rest.subarray(0, missing));
    this.#rest = this.#rest.subarray(missing);
    return length <= limit ? Buffer.concat(parts) : undefined;
  }

  async #more(): Promise<void> {
    const { value, done } = await this.#chunks.next();
    if (done)
      throw new KsealError('IO', 'git ended before it had given every file', { hint: 'git fsck' });
    this.#rest = value;
  }
}
