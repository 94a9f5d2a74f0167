import { readdirSync } from 'node:fs';
import { join, relative, resolve, sep } from 'node:path';
import { expected, KsealError } from '../errors.ts';
import { fileError, folderWith, MAX_MANIFEST, readFile, statOf } from '../fs/read.ts';
import {
  addableFiles,
  commitOf,
  contentsOf,
  fileAt,
  filesAt,
  type GitFile,
  inPlaceOfFolder,
  type LocalGit,
  stagedFiles,
} from '../git/local.ts';
import { type BesideFile, readBeside, readBesideInGit } from './beside.ts';

/** After so many bytes the event loop gets a turn, because reading blocks it and so Ctrl-C. */
const UNBROKEN = 64 * 1024;

/** A text to examine, or the error that prevents it. */
export interface NamedText {
  /** The path in messages, with `/`, and at a ref `main:deploy/db.yaml`. */
  readonly path: string;
  /** The path on a command line, without a ref; `-` is stdin. */
  readonly typed: string;
  /** The absolute path that it has, or would have, in the working tree; for the configuration. */
  readonly file: string;
  /** Whether it was found in a folder, rather than named. */
  readonly walked: boolean;
  /** Whether its name is that of a key file, so that it is not read as a manifest. */
  readonly isKeyFile: boolean;
  /**
   * Whether a commit can contain it. In a folder, git may ignore a file; outside of a repository, key
   * files stay where they are.
   */
  readonly mayBeCommitted: () => boolean;
  readonly content: Uint8Array | KsealError;
  /** The number of files that follow; large ones with the name of a key are skipped. */
  readonly left: number;
  /** Reads the files that this one names, from the same source. */
  readonly beside: (name: string) => BesideFile;
}

/**
 * Reads manifests from files and folders, each once; `readStdin` is called for `-`. With `git`, the
 * key files in folders as well. Throws IO for a named path that cannot be read.
 */
export async function* textsInFiles(
  cwd: string,
  paths: readonly string[],
  readStdin: () => Promise<Uint8Array>,
  git?: LocalGit,
): AsyncGenerator<NamedText> {
  const listings = listFiles(cwd, paths, git);
  let left = listings.reduce((sum, { names }) => sum + names.length, 0);
  let read = 0;
  for (const { folder, walked, names, isCommittable } of listings) {
    for (const name of names) {
      left--;
      const file = walked ? resolve(cwd, name) : folder;
      const beside = (other: string) => readBeside(file, other);
      if (name === '-') {
        yield { ...stdin, file, content: await readStdin(), beside, left };
        continue;
      }
      const shown = slashed(name);
      const isKeyFile = isKeyName(name);
      const content = readOrError(file, name, walked);
      if (walked && isKeyFile && isTooLarge(content)) continue;
      const mayBeCommitted = () => !walked || isCommittable(slashed(relative(folder, file)));
      const facts = { file, walked, isKeyFile, mayBeCommitted, beside };
      yield { path: shown, typed: shown, ...facts, content, left };
      if (content instanceof Uint8Array) read += content.length;
      if (read < UNBROKEN) continue;
      await new Promise((next) => setImmediate(next));
      read = 0;
    }
  }
}

/**
 * The repository around a folder: the nearest one with `.git`, or else the folder itself. Returns a
 * path for a command line in `cwd`.
 */
export function repositoryAround(cwd: string, folder: string): string {
  return slashed(relative(cwd, folderWith('.git', folder) ?? folder)) || '.';
}

/** Reads all manifests of the repository around `folder`; their paths start from `cwd`. */
export function textsInRepository(cwd: string, folder: string): AsyncGenerator<NamedText> {
  return textsInFiles(cwd, [repositoryAround(cwd, folder)], async () => Buffer.alloc(0));
}

/** The files of one path on the command line. */
interface Listing {
  /** The absolute path. */
  readonly folder: string;
  /** Whether it is a folder. */
  readonly walked: boolean;
  /** The paths as the user wrote them; `-` is stdin. */
  readonly names: readonly string[];
  /** Whether a commit can contain a path below the folder. */
  readonly isCommittable: (path: string) => boolean;
}

/**
 * Lists named files and the wanted files in named folders, each once. Keeps little for each file,
 * because all are listed before the first is read.
 */
function listFiles(
  cwd: string,
  paths: readonly string[],
  git: LocalGit | undefined,
): readonly Listing[] {
  const seen = new Set<string>();
  const isNew = (file: string) => seen.size !== seen.add(file).size;
  return paths.map((path) => {
    const folder = resolve(cwd, path === '-' ? 'stdin' : path);
    const walked = path !== '-' && isFolder(folder);
    const wanted = git === undefined ? manifestName : anyName;
    const found = walked ? filesIn(folder, path, wanted) : [path];
    // One path has each file once.
    const names =
      paths.length === 1
        ? found
        : found.filter((name) => isNew(walked ? resolve(cwd, name) : folder));
    return { folder, walked, names, isCommittable: committable(git && { ...git, folder }) };
  });
}

const always = () => true;

const stdin = {
  ...{ path: 'stdin', typed: '-' },
  ...{ walked: false, isKeyFile: false, mayBeCommitted: always },
};

/** The largest text that can be a key file, in bytes; Keynote presentations end in .key as well. */
const MAX_KEY_FILE = 256 * 1024;

function isTooLarge(content: NamedText['content'] | undefined): boolean {
  return content instanceof Uint8Array && content.length > MAX_KEY_FILE;
}

/** Returns the error for a file in a folder, and throws it for a named file. */
function readOrError(file: string, name: string, walked: boolean): Uint8Array | KsealError {
  try {
    return readFile(file, name, MAX_MANIFEST);
  } catch (error) {
    if (walked) return expected(error);
    throw error;
  }
}

/**
 * Reads the manifests in the index that the next commit adds or changes. Throws IO for a path beyond
 * a link, below which the index has no files.
 */
export function textsInIndex(git: LocalGit, paths: readonly string[]): AsyncGenerator<NamedText> {
  const wanted = fromFolder(git, paths);
  const files = stagedFiles(git, wanted);
  const found = files.map(({ path }) => resolve(git.folder, path));
  for (const path of wanted) {
    if (found.some(isBelow(resolve(git.folder, path)))) continue;
    const other = inPlaceOfFolder(git, path);
    if (other !== undefined) throw notAFile(other.at, other.kind);
  }
  return textsOf(git, wantedAmong(files, wanted), wanted, undefined, 0);
}

/** Reads the manifests at branches, tags or commits. Throws IO for a path that none of them has. */
export async function* textsAtRefs(
  git: LocalGit,
  refs: readonly string[],
  paths: readonly string[],
): AsyncGenerator<NamedText> {
  const wanted = fromFolder(git, paths);
  const trees = refs.map((ref) => {
    const commit = commitOf(git, ref);
    return { ref, commit, files: filesAt(git, commit, wanted) };
  });
  const found = trees.flatMap(({ files }) => files.map(({ path }) => resolve(git.folder, path)));
  const absent = wanted.find((path) => !found.some(isBelow(resolve(git.folder, path))));
  if (absent !== undefined) {
    for (const { commit } of trees) {
      const found = fileAt(git, commit, absent);
      if (found !== undefined && found.bytes === undefined) throw notAFile(found.at, found.kind);
    }
    throw new KsealError('IO', `no such file at ${refs.join(', ')}`, {
      thing: absent,
      hint: 'check the path',
    });
  }
  const texts = trees.map(({ ref, files }) => ({ ref, files: wantedAmong(files, wanted) }));
  let later = texts.reduce((sum, { files }) => sum + files.length, 0);
  for (const { ref, files } of texts) {
    later -= files.length;
    yield* textsOf(git, files, wanted, ref, later);
  }
}

/** The named files, and those whose names are those of manifests or keys. */
function wantedAmong(files: readonly GitFile[], named: readonly string[]): readonly GitFile[] {
  const names = new Set(named);
  return files.filter(
    ({ path, kind }) =>
      names.has(path) || isManifestName(path) || (kind === undefined && isKeyName(path)),
  );
}

function isBelow(path: string): (file: string) => boolean {
  return (file) => file === path || file.startsWith(path.endsWith(sep) ? path : path + sep);
}

/** The paths as git prints them: relative to the folder of `git`, with `/`. */
function fromFolder({ folder }: LocalGit, paths: readonly string[]): readonly string[] {
  return paths.map((path) => slashed(relative(folder, resolve(folder, path))) || '.');
}

/** Reads `files`; `later` is the number of texts that follow them. */
async function* textsOf(
  git: LocalGit,
  files: readonly GitFile[],
  named: readonly string[],
  ref: string | undefined,
  later: number,
): AsyncGenerator<NamedText> {
  const prefix = ref === undefined ? '' : `${ref}:`;
  const names = new Set(named);
  let left = files.length + later;
  const textAt = ({ path }: GitFile, content: NamedText['content']): NamedText => {
    const file = resolve(git.folder, path);
    const walked = !names.has(path);
    const facts = { file, walked, isKeyFile: isKeyName(path), mayBeCommitted: always };
    const beside = (name: string) => readBesideInGit(git, ref, path, name);
    left--;
    return { path: prefix + path, typed: path, ...facts, content, beside, left };
  };
  for (const file of files)
    if (file.kind !== undefined) yield textAt(file, notAFile(prefix + file.path, file.kind));
  const regular = files.filter(({ kind }) => kind === undefined);
  for await (const { file, bytes } of contentsOf(git, regular, MAX_MANIFEST)) {
    const tooLarge = { thing: prefix + file.path };
    if (isKeyName(file.path) && !names.has(file.path) && isTooLarge(bytes)) continue;
    yield textAt(
      file,
      bytes ?? new KsealError('IO', `larger than ${MAX_MANIFEST} bytes`, tooLarge),
    );
  }
}

/** The error for a link, whose target may be outside of the repository, or a submodule. */
function notAFile(path: string, kind: string): KsealError {
  return new KsealError('IO', `is ${kind}`, {
    thing: path,
    hint: 'to read it in the working tree, omit --staged and --ref',
  });
}

function slashed(path: string): string {
  return sep === '/' ? path : path.replaceAll(sep, '/');
}

/** Folders without manifests. */
const skipped = new Set(['.git', 'node_modules']);
// In any case, because Windows ignores case.
const manifestName = /\.(?:ya?ml|json)$/i;
/** The names that openssl, ssh-keygen, PuTTY, GnuPG, age and JOSE tools give to private keys. */
const keyName =
  /(?:\.(?:pem|key|p8|pkcs8|jwks?|ppk|asc|agekey)|(?:^|[\\/])(?:id_(?:rsa|dsa|ecdsa|ed25519)(?:_sk)?|keys?\.txt))$/i;

const anyName = new RegExp(`${manifestName.source}|${keyName.source}`, 'i');

/** Whether the path of a file in a folder looks like that of a manifest. */
export function isManifestName(path: string): boolean {
  return manifestName.test(path) && !isSkipped(path);
}

function isKeyName(path: string): boolean {
  return keyName.test(path) && !isSkipped(path);
}

function isSkipped(path: string): boolean {
  return path.split('/').some((part) => skipped.has(part));
}

/** Whether `path` leads to a folder that can be reached. */
export function isFolder(path: string): boolean {
  return statOf(path)?.isDirectory() ?? false;
}

/**
 * The manifests below a folder, sorted: files that end in `.yaml`, `.yml` or `.json`. Follows no
 * links to folders, which could form a loop, and none to pipes and devices, which may be endless.
 * `shown` is the folder as the user wrote it; each name begins with it. Throws IO for a folder that
 * cannot be read.
 */
export function manifestsIn(path: string, shown: string): readonly string[] {
  return filesIn(path, shown, manifestName);
}

/**
 * Returns whether a commit can contain a path below the folder of `git`. Git is asked once, about all
 * files, because few folders need it.
 */
function committable(git: LocalGit | undefined): (path: string) => boolean {
  let addable: ReadonlySet<string> | undefined;
  return (path) => {
    if (git === undefined || folderWith('.git', git.folder) === undefined) return !isKeyName(path);
    try {
      addable ??= addableFiles(git);
    } catch (error) {
      // Git is not installed, or does not trust the folder.
      expected(error);
      return true;
    }
    return addable.has(path);
  };
}

function filesIn(path: string, shown: string, wanted: RegExp): readonly string[] {
  return entriesOf(path, shown).flatMap((entry) => {
    if (skipped.has(entry.name)) return [];
    if (entry.isDirectory())
      return filesIn(join(path, entry.name), join(shown, entry.name), wanted);
    // A dangling link to a manifest counts, so that reading it is an error. Git does not store the
    // key that a link leads to.
    const isFile = entry.isSymbolicLink()
      ? manifestName.test(entry.name) && (statOf(join(path, entry.name))?.isFile() ?? true)
      : entry.isFile();
    return isFile && wanted.test(entry.name) ? [join(shown, entry.name)] : [];
  });
}

function entriesOf(path: string, shown: string) {
  try {
    const entries = readdirSync(path, { withFileTypes: true });
    return entries.sort((a, b) => (a.name < b.name ? -1 : 1));
  } catch (error) {
    throw fileError(shown, 'read', error);
  }
}
