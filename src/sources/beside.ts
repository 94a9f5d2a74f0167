import { existsSync, lstatSync, realpathSync } from 'node:fs';
import { basename, dirname, join, posix, relative, resolve, sep } from 'node:path';
import { CONFIG_NAME } from '../config/config.ts';
import { expected, KsealError } from '../errors.ts';
import { folderWith, MAX_MANIFEST, readRegularFile } from '../fs/read.ts';
import { commitOf, type FoundFile, fileAt, type LocalGit, stagedAt } from '../git/local.ts';

// Files that another file names, relative to itself. A request comes from somebody else, so its
// files must be in the same repository, even after links are followed.

/** The bytes of a file; undefined if it is missing; or the error of reading it. */
export type BesideFile = Uint8Array | KsealError | undefined;

/**
 * Returns the absolute path of a file that `file` names, relative to itself and with `/`; links are
 * resolved. Throws IO if it is outside of the repository around `file`, or outside of its folder if
 * there is none, or if it cannot be reached.
 */
export function pathBeside(file: string, name: string): string {
  return placeBeside(file, name).path;
}

/** The same for a manifest. Also throws IO if it is in a hidden folder, such as `.github`. */
export function manifestBeside(file: string, name: string): string {
  const { path, top } = placeBeside(file, name);
  // A link can have a name without a dot.
  if (
    relative(top, path)
      .split(sep)
      .some((part) => part.startsWith('.'))
  )
    throw refused(name, 'is a hidden file, or in a hidden folder');
  return path;
}

/** A path, and the folder that it must not leave. */
function placeBeside(file: string, name: string): { readonly path: string; readonly top: string } {
  const folder = realPathOf(dirname(file), name);
  const repository = folderWith('.git', folder) ?? folderWith(CONFIG_NAME, folder);
  const top = repository ?? folder;
  const direct = resolve(folder, ...name.split('/'));
  const path = isWithin(direct, top) ? realPathOf(direct, name) : direct;
  if (isWithin(path, top)) return { path, top };
  throw refused(name, `is outside of the ${repository ? 'repository' : 'folder'} of the request`);
}

function isWithin(path: string, folder: string): boolean {
  return path.startsWith(folder.endsWith(sep) ? folder : folder + sep);
}

/** The path after all links, of which the last parts need not exist. Throws IO about `name`. */
function realPathOf(path: string, name: string): string {
  try {
    return realpathSync(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT')
      throw refused(name, 'cannot be reached', error);
    if (lstatSync(path, { throwIfNoEntry: false }) !== undefined)
      throw refused(name, 'is a broken link');
    return join(realPathOf(dirname(path), name), basename(path));
  }
}

function refused(thing: string, problem: string, cause?: unknown): KsealError {
  const hint = 'ask the author of the request to correct this path';
  return new KsealError('IO', problem, { thing, hint, cause });
}

/** Reads a file beside `file` in the working tree. */
export function readBeside(file: string, name: string): BesideFile {
  return attempt(() => {
    const path = manifestBeside(file, name);
    return existsSync(path) ? readRegularFile(path, name, MAX_MANIFEST) : undefined;
  });
}

/**
 * Reads a file beside `path`, which is relative to the folder of `git`, in a branch, tag or commit,
 * or else in the index.
 */
export function readBesideInGit(
  git: LocalGit,
  ref: string | undefined,
  path: string,
  name: string,
): BesideFile {
  return attempt(() => {
    // As git prints it: relative to the folder.
    const file = resolve(git.folder, posix.dirname(path), name);
    const other = relative(git.folder, file).split(sep).join('/');
    const found = ref === undefined ? stagedAt(git, other) : fileAt(git, commitOf(git, ref), other);
    return found && contentOf(found, name);
  });
}

function contentOf(found: FoundFile, name: string): Uint8Array {
  if (found.bytes !== undefined) return found.bytes;
  throw refused(name, `is ${found.kind}`);
}

function attempt(read: () => Uint8Array | undefined): BesideFile {
  try {
    return read();
  } catch (thrown) {
    return expected(thrown);
  }
}
