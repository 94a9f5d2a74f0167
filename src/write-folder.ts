import { mkdirSync, rmdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { KsealError } from './errors.ts';
import { fileError, statOf } from './files.ts';
import { refuseExisting, replaceFiles } from './write-files.ts';

/** A file of a folder that is written. */
export interface FolderFile {
  readonly name: string;
  readonly octets: Uint8Array;
  /** A private key: 0600, whatever was there. */
  readonly confidential?: boolean;
}

/**
 * Writes files into a folder, which is made if there is none: all of them or none. Without
 * `force` an existing file is an error. Throws OUTPUT_EXISTS or IO.
 */
export function writeFolder(
  folder: string,
  shown: string,
  files: readonly FolderFile[],
  force: boolean,
): void {
  const replacements = files.map(({ name, ...rest }) => ({
    path: join(folder, name),
    shown: join(shown, name),
    ...rest,
  }));
  if (!force) for (const { path, shown } of replacements) refuseExisting(path, shown);
  const made = makeFolder(folder, shown);
  try {
    replaceFiles(replacements);
  } catch (error) {
    if (made !== undefined) removeFolders(folder, made);
    throw error;
  }
}

/** Returns the uppermost folder that had to be made. */
function makeFolder(folder: string, shown: string): string | undefined {
  if (statOf(folder)?.isDirectory() === false) {
    throw new KsealError('IO', `${shown}: is a file, not a folder`, { hint: 'name a folder' });
  }
  try {
    return mkdirSync(folder, { recursive: true });
  } catch (error) {
    throw fileError(shown, 'write', error);
  }
}

/** Removes `folder` and those above it up to `first`, all of them empty. */
function removeFolders(folder: string, first: string): void {
  for (let at = folder; at.length >= first.length; at = dirname(at)) rmdirSync(at);
}
