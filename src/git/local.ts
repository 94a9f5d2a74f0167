import { execFileSync, spawn } from 'node:child_process';
import { existsSync, realpathSync } from 'node:fs';
import { isAbsolute, posix, relative, resolve, sep } from 'node:path';
import type { Readable } from 'node:stream';
import { expected, KsealError } from '../errors.ts';
import { embedded, notInstalled, otherOwner, withoutCredentials } from './errors.ts';
import { always, type Env } from './process.ts';
import { FOLDER, isRegular, kindOf, treeEntries } from './tree.ts';

/** A folder for the user's git. The environment is the user's, so a hook's index is used. */
export interface LocalGit {
  readonly folder: string;
  readonly env: Env;
}

/** A file in a repository, or a link or submodule in its place. */
export interface GitFile {
  /** Relative to the folder of LocalGit, with `/`. */
  readonly path: string;
  readonly blob: string;
  /** Names a link or a submodule; undefined for a regular file. */
  readonly kind?: string | undefined;
}

/**
 * The files in the index that differ from HEAD, at or below `paths` or else the folder: what the
 * next commit adds or changes.
 */
export function stagedFiles(git: LocalGit, paths: readonly string[]): readonly GitFile[] {
  refuseEmbedded(git);
  const prefix = line(git, ['rev-parse', '--show-prefix']);
  const options = ['--cached', '--raw', '-z', '--no-relative', '--no-renames', '--no-abbrev'];
  const wanted = paths.length > 0 ? paths : ['.'];
  const listing = ask(git, ['diff', ...options, '--diff-filter=ACMTU', '--', ...wanted]);
  const fields = listing.toString().split('\0');
  const files: GitFile[] = [];
  // `:OLD-MODE MODE OLD-BLOB BLOB STATUS`, NUL, the path from the top, NUL.
  for (let i = 0; i + 1 < fields.length; i += 2) {
    const [, mode = '', , blob = '', status] = (fields[i] ?? '').split(' ');
    const path = posix.relative(prefix, fields[i + 1] ?? '');
    // A file in conflict (U) has no content; reading it reports that.
    const kind = status === 'U' ? undefined : oddKind(mode);
    files.push({ path, blob, kind });
  }
  return files;
}

/** The files of a commit at or below `paths`, or else the folder. */
export function filesAt(
  git: LocalGit,
  commit: string,
  paths: readonly string[],
): readonly GitFile[] {
  const entries = treeEntries(ask(git, ['ls-tree', '-r', '-z', commit, '--', ...paths]));
  return entries.map(({ mode, id, path }) => ({ path, blob: id, kind: oddKind(mode) }));
}

/** The exit code of git grep if no file matches; an error has another one. */
const NO_MATCH = 1;

/**
 * The files at or below the folder that git tracks or would add and that contain any of `texts`,
 * relative to it. Throws IO.
 */
export function filesContaining(git: LocalGit, texts: readonly string[]): readonly string[] {
  const options = ['--untracked', '--files-with-matches', '-z', '-I', '--no-color', '-F'];
  const patterns = texts.flatMap((text) => ['-e', text]);
  try {
    const listing = ask(git, ['-c', 'grep.fullName=false', 'grep', ...options, ...patterns]);
    return listing.toString().split('\0').filter(Boolean);
  } catch (error) {
    const { status } = expected(error).cause as { status?: number | null };
    if (status === NO_MATCH) return [];
    throw error;
  }
}

/** The files at or below the folder that git tracks or would add, relative to it. Throws IO. */
export function addableFiles(git: LocalGit): ReadonlySet<string> {
  const listing = ask(git, ['ls-files', '-z', '--cached', '--others', '--exclude-standard']);
  return new Set(listing.toString().split('\0'));
}

function oddKind(mode: string): string | undefined {
  return isRegular(mode) ? undefined : kindOf(mode);
}

/** A regular file, or what is at `at` instead: the path itself or a folder above it. */
export type FoundFile =
  | { readonly bytes: Buffer }
  | { readonly bytes: undefined; readonly at: string; readonly kind: string };

/** Looks up `path`, relative to the folder, in a commit; undefined if nothing is there. */
export function fileAt(git: LocalGit, commit: string, path: string): FoundFile | undefined {
  const way = [...foldersAbove(path), path];
  for (const { mode, id, path: at } of treeEntries(
    ask(git, ['ls-tree', '-z', commit, '--', ...way]),
  )) {
    // For a folder on the way, git lists everything in it.
    if (!way.includes(at)) continue;
    if (isRegular(mode) && at === path) return { bytes: ask(git, ['cat-file', 'blob', id]) };
    const isOnTheWay = isRegular(mode) || mode === FOLDER;
    if (at === path || !isOnTheWay) return { bytes: undefined, at, kind: kindOf(mode) };
  }
  return undefined;
}

/** Looks up `path`, relative to the folder, in the index; undefined if nothing is there. */
export function stagedAt(git: LocalGit, path: string): FoundFile | undefined {
  const listing = ask(git, ['ls-files', '--stage', '-z', '--', path]).toString();
  for (const [, mode = '', id = '', at] of listing.matchAll(/(\d{6}) ([0-9a-f]+) 0\t([^\0]+)\0/g)) {
    if (at !== path) continue;
    if (isRegular(mode)) return { bytes: ask(git, ['cat-file', 'blob', id]) };
    return { bytes: undefined, at, kind: kindOf(mode) };
  }
  return undefined;
}

/** Returns what the index has in place of a folder above `path`, such as a link. */
export function inPlaceOfFolder(
  git: LocalGit,
  path: string,
): { readonly at: string; readonly kind: string } | undefined {
  const folders = foldersAbove(path);
  if (folders.length === 0) return undefined;
  const listing = ask(git, ['ls-files', '--stage', '-z', '--', ...folders]).toString();
  for (const [, mode = '', at = ''] of listing.matchAll(/(\d{6}) [0-9a-f]+ \d\t([^\0]+)\0/g))
    if (folders.includes(at)) return { at, kind: kindOf(mode) };
  return undefined;
}

function foldersAbove(path: string): readonly string[] {
  return [...path.matchAll(/(?<=[^./])\//g)].map(({ index }) => path.slice(0, index));
}

/** The way from the folder to the top of its working tree: `../../`, or empty. */
export function wayToTop(git: LocalGit): string {
  return line(git, ['rev-parse', '--show-cdup']);
}

/** The names of all branches but the current one, local and remote. Throws IO. */
export function branchesOf(git: LocalGit): readonly string[] {
  const format = '%(if)%(HEAD)%(symref)%(then)%(else)%(refname:short)%(end)';
  const list = ask(git, ['for-each-ref', `--format=${format}`, 'refs/heads', 'refs/remotes']);
  return list.toString().split('\n').filter(Boolean);
}

/**
 * The commit that a branch, a tag or another name points to. Throws USAGE for an unknown name, and
 * for an ambiguous one: git would take the tag, and someone who may push a tag may not be trusted
 * with the branch.
 */
export function commitOf(git: LocalGit, ref: string): string {
  refuseEmbedded(git);
  const names = namesOf(git, ref);
  if (names.length > 1) {
    const branch = names.find((name) => name.startsWith('refs/heads/'));
    throw new KsealError('USAGE', `ambiguous: ${names.join(' or ')}`, {
      thing: ref,
      hint: `use ${branch ?? names[0]}`,
    });
  }
  try {
    // git would also find a branch whose name begins with refs/.
    if (ref.startsWith('refs/') && names.length === 0) throw new Error('no such ref');
    const args = ['rev-parse', '--verify', '--quiet', '--end-of-options', `${ref}^{commit}`];
    const id = line(git, args);
    // `^main` is a range.
    if (!/^[0-9a-f]+$/.test(id)) throw new Error('no single commit');
    return id;
  } catch {
    throw new KsealError('USAGE', 'no such branch, tag or commit', {
      thing: ref,
      hint: 'check the name, or run git fetch first',
    });
  }
}

const folders = ['refs/', 'refs/tags/', 'refs/heads/', 'refs/remotes/'];

/** Every meaning of a name in git; a full name has only one (gitrevisions(7)). */
function namesOf(git: LocalGit, ref: string): readonly string[] {
  // Without a suffix such as `~1` or `@{yesterday}`.
  const [name = ''] = ref.split(/[~^:]|@\{/);
  if (name === '') return [];
  const candidates = name.startsWith('refs/')
    ? [name]
    : [...folders.map((folder) => folder + name), `refs/remotes/${name}/HEAD`];
  const listing = ask(git, ['for-each-ref', '--format=%(refname)', '--', ...candidates]);
  const known = listing.toString().split('\n');
  const names = candidates.filter((candidate) => known.includes(candidate));
  return names.length > 0 && isShortId(git, name) ? [...names, `commit ${name}`] : names;
}

/** Whether a name is also the start of an object id; git parses a full id as an id anyway. */
function isShortId(git: LocalGit, name: string): boolean {
  if (!/^[0-9a-f]{4,39}$/i.test(name)) return false;
  return ask(git, ['rev-parse', `--disambiguate=${name}`]).length > 0;
}

/**
 * An identifier for the repository around `folder`: the address of its remote `origin`, which all
 * clones share, or else the folder.
 */
export function repositoryOf(folder: string, env: Env): string {
  const origin = originOf(folder, env);
  // A relative path could be the same in another repository.
  const isAddress = isAbsolute(origin) || /^[^/]+:/.test(origin);
  const name = isAddress ? withoutCredentials(origin) : realpathSync(folder);
  return name.replace(/\p{Cc}/gu, encodeURIComponent);
}

function originOf(folder: string, env: Env): string {
  const theirs = Object.entries(env).filter(([name]) => !name.startsWith('GIT_'));
  const git = { folder, env: Object.fromEntries(theirs) };
  try {
    refuseEmbedded(git);
    return line(git, ['config', '--get', 'remote.origin.url']);
  } catch {
    return '';
  }
}

/**
 * Throws IO if git takes a folder above the current one for a repository because of what is in it,
 * and not because of `.git`, which no commit can contain. Git 2.38 and newer refuse that themselves
 * (safe.bareRepository); older versions ignore the setting.
 */
function refuseEmbedded(git: LocalGit): void {
  const found = line(git, ['rev-parse', '--git-dir']);
  if (git.env.GIT_DIR || !isWithin(git.folder, resolve(git.folder, found))) return;
  throw new KsealError('IO', embedded.meaning, { thing: git.folder, hint: embedded.hint });
}

/** Places in a repository that no commit contains; absolute paths. */
interface GitFiles {
  readonly config: string;
  /** The folder of the hooks. */
  readonly hooks: string;
  /** Whether that folder is outside of the repository, so that others may share it. */
  readonly areShared: boolean;
}

/** The files of the repository whose working tree has its top at the folder of `git`. Throws IO. */
export function gitFiles(git: LocalGit): GitFiles {
  const args = ['rev-parse', '--git-common-dir', '--git-path', 'config', '--git-path', 'hooks'];
  // The other calls switch the hooks off, and would find none here.
  const answer = ask(git, args, ['-c', 'safe.bareRepository=explicit']).toString();
  const paths = answer.split('\n').map((path) => resolve(git.folder, path));
  const [common = '', config = '', hooks = ''] = paths;
  const isOwn = [common, git.folder].some((folder) => `${hooks}${sep}`.startsWith(folder + sep));
  return { config, hooks, areShared: !isOwn };
}

/** The value of a setting for the folder of `git`; empty if it has none. Throws IO. */
export function settingOf(git: LocalGit, name: string): string {
  return line(git, ['config', '--get', '--default', '', name]);
}

/**
 * The paths, relative to the folder of `git`, for which gitattributes do not give the attribute `name`
 * this value. Throws IO.
 */
export function withoutAttribute(
  git: LocalGit,
  paths: readonly string[],
  name: string,
  value: string,
): readonly string[] {
  const input = paths.map((path) => `${path}\0`).join('');
  const answer = ask(git, ['check-attr', '-z', '--stdin', name], always, input).toString();
  // PATH, NUL, ATTRIBUTE, NUL, VALUE, NUL.
  const fields = answer.split('\0');
  return paths.filter((_, index) => fields[3 * index + 2] !== value);
}

/**
 * The dates of the commits since which files have their present content, by the absolute paths in
 * `files`. The folder of `git` is the top of the working tree. Omits files that are outside, that
 * differ from the last commit, or that are as old as a shallow clone. Throws IO.
 */
export function committedSince(git: LocalGit, files: readonly string[]): ReadonlyMap<string, Date> {
  const names = files.flatMap((file) => nameInTree(git, file) ?? []);
  if (names.length === 0) return new Map();
  const blobs = line(git, ['hash-object', '--', ...names]).split('\n');
  const wanted = new Map(names.map((name, at) => [name, blobs[at]]));
  const dates = new Map<string, Date>();
  for (const { name, before, blob, date } of changesOf(git, names))
    if (blob === wanted.get(name) && !before.includes(blob) && !dates.has(name))
      dates.set(name, date);
  return new Map(
    files.flatMap((file) => {
      const date = dates.get(nameInTree(git, file) ?? '');
      return date === undefined ? [] : [[file, date] as const];
    }),
  );
}

/** The path from the top of the working tree, after links; undefined for a file outside or none. */
function nameInTree({ folder }: LocalGit, file: string): string | undefined {
  if (!existsSync(file) || !isWithin(file, folder)) return undefined;
  return relative(realpathSync(folder), realpathSync(file)).replaceAll(sep, '/');
}

/** A change of a file: the blob that a commit gave it, and those in the parents of the commit. */
interface Change {
  readonly name: string;
  readonly before: readonly string[];
  readonly blob: string;
  readonly date: Date;
}

/** The changes of files, the newest first. */
function changesOf(git: LocalGit, names: readonly string[]): readonly Change[] {
  const isShallow = line(git, ['rev-parse', '--is-shallow-repository']) === 'true';
  // The options undo settings of the user. -c also shows what only a merge changed.
  const form = ['--raw', '-z', '-c', '--root', '--no-abbrev', '--no-renames', '--no-follow'];
  const commit = ['--no-show-signature', '--format=%cI %p'];
  const fields = ask(git, ['log', ...form, ...commit, '--', ...names])
    .toString()
    .split('\0');
  const changes: Change[] = [];
  let [day = '', parents = ''] = ['', ''];
  for (let at = 0; at < fields.length; at++) {
    const field = fields[at] ?? '';
    // `DATE PARENTS`, for each file `:MODES BLOBS STATUS` and its path; a merge adds an empty field.
    if (/^\n?:/.test(field)) {
      const name = fields[++at] ?? '';
      const before = field.split(' ').filter((word) => word.length >= HASH_DIGITS);
      const blob = before.pop() ?? '';
      // The oldest commits of a shallow clone seem to add every file.
      if (!isShallow || parents !== '') changes.push({ name, before, blob, date: new Date(day) });
    } else if (field !== '') [day = '', parents = ''] = field.split(/ (.*)/);
  }
  return changes;
}

/** The hexadecimal digits of a SHA-1; a SHA-256 has more. */
const HASH_DIGITS = 40;

/** Whether one folder is the other or below it, after links. */
function isWithin(inner: string, outer: string): boolean {
  return `${realpathSync(inner)}${sep}`.startsWith(`${realpathSync(outer)}${sep}`);
}

/** The largest output in bytes: the paths of some hundred thousand files. */
const MAX_ANSWER = 256 * 1024 * 1024;

/**
 * The environment of every call: paths are not patterns, a partial clone does not fetch in the
 * background, and git prints the messages in `reasons`.
 */
function gitEnv({ env }: LocalGit): NodeJS.ProcessEnv {
  return { ...env, LC_ALL: 'C', GIT_LITERAL_PATHSPECS: '1', GIT_NO_LAZY_FETCH: '1' };
}

const reasons = [
  {
    said: /not a git repository/,
    meaning: 'not in a git repository',
    hint: 'run it inside a repository',
  },
  otherOwner,
  embedded,
  {
    said: /outside repository/,
    meaning: 'path outside of the repository',
    hint: 'name paths inside it',
  },
  { said: /ENOENT/, ...notInstalled },
];

/** The output of git without its final newline. Throws IO if git fails. */
function line(git: LocalGit, args: readonly string[]): string {
  return ask(git, args).toString().replace(/\n$/, '');
}

/** The output of git, which reads `input`. Throws IO if git fails. */
function ask(git: LocalGit, args: readonly string[], settings = always, input?: string): Buffer {
  try {
    return execFileSync('git', ['--no-pager', ...settings, ...args], {
      cwd: git.folder,
      env: gitEnv(git),
      maxBuffer: MAX_ANSWER,
      input,
      stdio: [input === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe'],
      windowsHide: true,
    });
  } catch (cause) {
    const { stderr, code } = cause as { stderr?: Buffer | null; code?: string };
    const text = `${stderr ?? ''} ${code ?? ''}`;
    const reason = reasons.find(({ said }) => said.test(text));
    // git prints the same command, in which the folder is quoted for the shell.
    const [, owned = 'FOLDER'] = /--add safe\.directory (.+)/.exec(text) ?? [];
    throw new KsealError('IO', reason?.meaning ?? 'git failed', {
      thing: git.folder,
      hint: reason?.hint.replace('FOLDER', () => owned) ?? `to see its output: git ${args[0]}`,
      cause,
    });
  }
}

/** The content of a file; undefined if it is larger than the limit. */
interface GitContent {
  readonly file: GitFile;
  readonly bytes: Buffer | undefined;
}

/** Reads files one by one with a single git process, and keeps only one in memory. */
export async function* contentsOf(
  git: LocalGit,
  files: readonly GitFile[],
  limit: number,
): AsyncGenerator<GitContent> {
  if (files.length === 0) return;
  const child = spawn('git', [...always, 'cat-file', '--batch'], {
    cwd: git.folder,
    env: gitEnv(git),
    stdio: ['pipe', 'pipe', 'ignore'],
    windowsHide: true,
  });
  // If git does not start or ends early, so does its output, and reading it reports that.
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
    // If the consumer stops early, git would wait forever.
    child.kill();
  }
}

function lost(path: string): KsealError {
  return new KsealError('IO', 'its content is missing in the git repository', {
    thing: path,
    hint: 'resolve its conflict; else run git fsck, or in a partial clone git fetch --refetch --no-filter',
  });
}

/** Reads a stream in pieces of known length. */
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

  /** The next bytes; if they are more than `limit`, they are skipped and the result is undefined. */
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
      throw new KsealError('IO', 'git ended before all files were read', { hint: 'git fsck' });
    this.#rest = value;
  }
}
