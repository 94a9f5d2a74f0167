import { readdirSync } from 'node:fs';
import { join, relative, resolve, sep } from 'node:path';
import { expectedErrors, KsealError } from '../errors.ts';
import { fileError, readFile, statOf } from '../fs/read.ts';
import {
  commitOf,
  contentsOf,
  filesAt,
  type GitFile,
  type LocalGit,
  stagedFiles,
} from '../git/local.ts';

/** The largest manifest that is read, in bytes: many Secrets of 1 MiB, but not a disk image. */
const MAX_MANIFEST = 32 * 1024 * 1024;

/**
 * How many bytes are read in one turn of the event loop: files are read without waiting, and
 * Ctrl-C is heard only between two turns.
 */
const UNBROKEN = 64 * 1024;

/** A text to judge, or why it could not be read. */
export interface NamedText {
  /** How messages call it, with `/`: `main:deploy/db.yaml` at a ref. */
  readonly path: string;
  /** How a command line calls it: `-` is stdin, and no ref stands in front. */
  readonly typed: string;
  /** Where it stands in the work tree, or would: absolute, for the configuration. */
  readonly file: string;
  /** It was found in a folder, and not named itself. */
  readonly walked: boolean;
  readonly content: Uint8Array | KsealError;
}

/**
 * The manifests of files and folders, each once; `-` is what `readStdin` gives. A named path
 * that does not exist throws IO at once.
 */
export async function* textsInFiles(
  cwd: string,
  paths: readonly string[],
  readStdin: () => Promise<Uint8Array>,
): AsyncGenerator<NamedText> {
  // One path leads to no file twice, and there may be many files.
  const seen = paths.length > 1 ? new Set<string>() : undefined;
  let read = 0;
  for (const path of paths) {
    if (path === '-') {
      yield { ...stdin, file: resolve(cwd, 'stdin'), content: await readStdin() };
      continue;
    }
    const walked = isFolder(resolve(cwd, path));
    for (const name of walked ? manifestsIn(resolve(cwd, path), path) : [path]) {
      const file = resolve(cwd, name);
      if (seen !== undefined && seen.size === seen.add(file).size) continue;
      const shown = slashed(name);
      const content = readOrError(file, name, walked);
      yield { path: shown, typed: shown, file, walked, content };
      if (content instanceof Uint8Array) read += content.length;
      if (read < UNBROKEN) continue;
      await new Promise((next) => setImmediate(next));
      read = 0;
    }
  }
}

const stdin = { path: 'stdin', typed: '-', walked: false };

/** A file that a folder holds and that cannot be read is a finding; one that was named is an error. */
function readOrError(file: string, name: string, walked: boolean): Uint8Array | KsealError {
  try {
    return readFile(file, name, MAX_MANIFEST);
  } catch (thrown) {
    const [error] = expectedErrors(thrown);
    if (walked && error !== undefined) return error;
    throw thrown;
  }
}

/** The manifests that the next commit adds or changes, as the index has them. */
export function textsInIndex(git: LocalGit, paths: readonly string[]): AsyncGenerator<NamedText> {
  const wanted = fromFolder(git, paths);
  return textsOf(git, stagedFiles(git, wanted), wanted, '');
}

/** The manifests of branches, tags or commits. A path that none of them has throws IO. */
export async function* textsAtRefs(
  git: LocalGit,
  refs: readonly string[],
  paths: readonly string[],
): AsyncGenerator<NamedText> {
  const wanted = fromFolder(git, paths);
  const trees = refs.map((ref) => ({ ref, files: filesAt(git, commitOf(git, ref), wanted) }));
  const found = trees.flatMap(({ files }) => files.map(({ path }) => resolve(git.folder, path)));
  const absent = wanted.find((path) => !found.some(isBelow(resolve(git.folder, path))));
  if (absent !== undefined) {
    throw new KsealError('IO', `${absent}: no such file at ${refs.join(', ')}`, {
      hint: 'check the path',
    });
  }
  for (const { ref, files } of trees) yield* textsOf(git, files, wanted, `${ref}:`);
}

function isBelow(path: string): (file: string) => boolean {
  return (file) => file === path || file.startsWith(path.endsWith(sep) ? path : path + sep);
}

/** Paths as git prints them: from the folder that is asked, with `/`. */
function fromFolder({ folder }: LocalGit, paths: readonly string[]): readonly string[] {
  return paths.map((path) => slashed(relative(folder, resolve(folder, path))) || '.');
}

async function* textsOf(
  git: LocalGit,
  files: readonly GitFile[],
  named: readonly string[],
  prefix: string,
): AsyncGenerator<NamedText> {
  const names = new Set(named);
  const manifests = files.filter(({ path }) => names.has(path) || isManifestName(path));
  for await (const { file, bytes } of contentsOf(git, manifests, MAX_MANIFEST)) {
    const path = prefix + file.path;
    const content =
      bytes ?? new KsealError('IO', `larger than ${MAX_MANIFEST} bytes`, { thing: path });
    const absolute = resolve(git.folder, file.path);
    yield { path, typed: file.path, file: absolute, walked: !names.has(file.path), content };
  }
}

function slashed(path: string): string {
  return sep === '/' ? path : path.replaceAll(sep, '/');
}

/** What holds no manifests. */
const skipped = new Set(['.git', 'node_modules']);
// Whatever its case: to Windows there is no difference.
const manifestName = /\.(?:ya?ml|json)$/i;

/** Whether a folder's file of this path is taken for a manifest. */
function isManifestName(path: string): boolean {
  return manifestName.test(path) && !path.split('/').some((part) => skipped.has(part));
}

/** Whether `path` is a folder; what does not exist or cannot be reached is none. */
export function isFolder(path: string): boolean {
  return statOf(path)?.isDirectory() ?? false;
}

/**
 * The manifests below a folder, sorted: files that end in `.yaml`, `.yml` or `.json`. Links to
 * folders are not followed, so no loop has an end to look for, and neither are links to pipes and
 * devices, whose end would be looked for in vain. `shown` is the folder as the user wrote it; each
 * name begins with it. Throws IO for a folder that cannot be read.
 */
export function manifestsIn(path: string, shown: string): readonly string[] {
  return entriesOf(path, shown).flatMap((entry) => {
    if (skipped.has(entry.name)) return [];
    if (entry.isDirectory()) return manifestsIn(join(path, entry.name), join(shown, entry.name));
    // A link that leads nowhere is kept, so that reading it says so.
    const isFile = entry.isSymbolicLink()
      ? (statOf(join(path, entry.name))?.isFile() ?? true)
      : entry.isFile();
    return isFile && manifestName.test(entry.name) ? [join(shown, entry.name)] : [];
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
