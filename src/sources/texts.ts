import { resolve } from 'node:path';
import { errorsOf, KsealError } from '../errors.ts';
import { readFile } from '../files.ts';
import { filesAt, type GitFile, type LocalGit, readFiles, stagedFiles } from '../git/objects.ts';
import { isFolder, isManifestName, manifestsIn } from './folder.ts';

/** The largest manifest that is read, in octets: many Secrets of 1 MiB, but not a disk image. */
export const MAX_MANIFEST = 32 * 1024 * 1024;

/** A text to judge, or why it could not be read. */
export interface NamedText {
  /** How messages call it, with `/`: `main:deploy/db.yaml` at a ref. */
  readonly path: string;
  /** Where it stands in the work tree, or would: absolute, for the configuration. */
  readonly file: string;
  readonly content: Uint8Array | KsealError;
}

/** The manifests of files and folders. A named path that does not exist throws IO at once. */
export async function* textsInFiles(
  cwd: string,
  paths: readonly string[],
): AsyncGenerator<NamedText> {
  for (const path of paths) {
    const walked = isFolder(resolve(cwd, path)) ? manifestsIn(resolve(cwd, path), path) : undefined;
    for (const name of walked ?? [path]) {
      const file = resolve(cwd, name);
      yield {
        path: name.replaceAll('\\', '/'),
        file,
        content: readOrError(file, name, walked !== undefined),
      };
    }
  }
}

/** A file that a folder holds and that cannot be read is a finding; one that was named is an error. */
function readOrError(file: string, name: string, walked: boolean): Uint8Array | KsealError {
  try {
    return readFile(file, name, MAX_MANIFEST);
  } catch (thrown) {
    const [error] = errorsOf(thrown);
    if (walked && error instanceof KsealError) return error;
    throw thrown;
  }
}

/** The manifests that the next commit changes, as the index has them. */
export function textsInIndex(git: LocalGit, paths: readonly string[]): AsyncGenerator<NamedText> {
  return textsOf(git, stagedFiles(git, paths), '');
}

/** The manifests of a branch, tag or commit. */
export function textsAtRef(
  git: LocalGit,
  ref: string,
  paths: readonly string[],
): AsyncGenerator<NamedText> {
  return textsOf(git, filesAt(git, ref, paths), `${ref}:`);
}

async function* textsOf(
  git: LocalGit,
  files: readonly GitFile[],
  prefix: string,
): AsyncGenerator<NamedText> {
  const manifests = files.filter(({ path }) => isManifestName(path));
  for await (const { path, octets } of readFiles(git, manifests)) {
    yield { path: prefix + path, file: resolve(git.folder, path), content: octets };
  }
}
