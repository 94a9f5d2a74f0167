import { existsSync, lstatSync, realpathSync } from 'node:fs';
import { dirname, join, posix, relative, resolve, sep } from 'node:path';
import { CONFIG_NAME } from '../config/config.ts';
import { expected, KsealError } from '../errors.ts';
import { folderWith, MAX_MANIFEST, readRegularFile } from '../fs/read.ts';
import { commitOf, type FoundFile, fileAt, type LocalGit, stagedAt } from '../git/local.ts';

// Files that another file names, relative to itself. A request comes from somebody else, so its
// files must be in the same repository, even after links are followed.

/** The bytes of a file; undefined if it is missing; or the error of reading it. */
export type BesideFile = Uint8Array | KsealError | undefined;

/**
 * Returns the absolute path of a file that `file` names, relative to itself and with `/`. Throws IO
 * if it is outside of the repository around `file`, or outside of its folder if there is none, or if
 * a link leads outside.
 */
export function pathBeside(file: string, name: string): string {
  const folder = realPathOf(dirname(file));
  const path = resolve(folder, ...name.split('/'));
  const repository = folderWith('.git', folder) ?? folderWith(CONFIG_NAME, folder);
  const top = repository ?? folder;
  if (!isWithin(path, top) || !isWithin(realPathOf(path), realpathSync(top)))
    throw outside(name, `is outside of the ${repository ? 'repository' : 'folder'} of the request`);
  return path;
}

function isWithin(path: string, folder: string): boolean {
  return path.startsWith(folder.endsWith(sep) ? folder : folder + sep);
}

/** The path after all links, of which the last parts need not exist. */
function realPathOf(path: string): string {
  if (lstatSync(path, { throwIfNoEntry: false }) !== undefined) {
    try {
      return realpathSync(path);
    } catch {
      throw outside(path, 'is a broken link');
    }
  }
  return join(realPathOf(dirname(path)), relative(dirname(path), path));
}

function outside(name: string, problem: string): KsealError {
  return new KsealError('IO', problem, {
    thing: name,
    hint: 'ask the author of the request to correct the file of the target',
  });
}

/** Reads a file beside `file` in the working tree. */
export function readBeside(file: string, name: string): BesideFile {
  return attempt(() => {
    const path = pathBeside(file, name);
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
  throw outside(name, `is ${found.kind}`);
}

function attempt(read: () => Uint8Array | undefined): BesideFile {
  try {
    return read();
  } catch (thrown) {
    return expected(thrown);
  }
}
