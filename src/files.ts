import * as fs from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { KsealError } from './errors.ts';

/** What the system's error codes mean to the person who named the file. */
const reasons: Record<string, string> = {
  ENOENT: 'no such file',
  ENOTDIR: 'no such file',
  EISDIR: 'is a folder, not a file',
  EACCES: 'permission denied',
  EPERM: 'permission denied',
  EROFS: 'the file system is read-only',
  ENOSPC: 'the disk is full',
  EFBIG: 'the file would be too large',
  EDQUOT: 'the disk quota is used up',
  ELOOP: 'its links go round in a circle',
  ENAMETOOLONG: 'the name is too long',
};

/** Wraps what the file system said about `path`. */
export function fileError(path: string, action: 'read' | 'write', error: unknown): KsealError {
  const code = (error as NodeJS.ErrnoException).code ?? '';
  const reason = reasons[code] ?? `the system answered ${code || 'with an error'}`;
  return new KsealError('IO', `${path}: cannot ${action}: ${reason}`, {
    hint: code === 'ENOENT' && action === 'read' ? 'check the path' : undefined,
    cause: error,
  });
}

/** Reads a whole file of at most `limit` octets. `path` is absolute, `shown` as the user wrote it. */
export function readFile(path: string, shown: string, limit: number): Buffer {
  try {
    const octets = fs.readFileSync(path);
    if (octets.length <= limit) return octets;
  } catch (error) {
    throw fileError(shown, 'read', error);
  }
  throw new KsealError('IO', `${shown}: larger than ${limit} octets`);
}

/** Whether two paths lead to one file, through links too. */
export function isSameFile(a: string, b: string): boolean {
  const [x, y] = [a, b].map((path) => fs.statSync(path, { throwIfNoEntry: false }));
  return x !== undefined && y !== undefined && x.dev === y.dev && x.ino === y.ino;
}

export interface WriteOptions {
  /** Overwrite what is there; without it an existing file is an error. */
  readonly force: boolean;
  /** The octets are plaintext or a private key: 0600, and never in a temporary file. */
  readonly confidential: boolean;
}

/**
 * Writes a whole file or nothing, following links. A regular file is replaced in one step and
 * keeps its mode; a pipe or a device is written to. Throws OUTPUT_EXISTS or IO.
 */
export function writeFile(
  path: string,
  shown: string,
  octets: Uint8Array,
  { force, confidential }: WriteOptions,
): void {
  try {
    const target = targetOf(path);
    const existing = fs.statSync(target, { throwIfNoEntry: false });
    if (existing !== undefined && !existing.isFile()) {
      fs.writeFileSync(target, octets);
      return;
    }
    if (!force) refuseExisting(target, shown);
    // Renaming over a file asks no leave of the file itself, so this does.
    if (existing !== undefined) fs.accessSync(target, fs.constants.W_OK);
    if (confidential) replaceAside(target, octets, existing !== undefined);
    else replaceByRename(target, octets, existing?.mode);
  } catch (error) {
    throw error instanceof KsealError ? error : fileError(shown, 'write', error);
  }
}

/** Throws OUTPUT_EXISTS where a regular file is; a pipe or a device may be written to. */
export function refuseExisting(path: string, shown: string): void {
  if (!fs.statSync(path, { throwIfNoEntry: false })?.isFile()) return;
  throw new KsealError('OUTPUT_EXISTS', `${shown}: exists already`, {
    hint: 'add --force to overwrite it',
  });
}

/** The path behind any links, also where the last one leads to a file still to be made. */
function targetOf(path: string): string {
  try {
    return fs.realpathSync(path);
  } catch {
    const link = isLink(path) ? fs.readlinkSync(path) : undefined;
    return link === undefined ? path : targetOf(resolve(dirname(path), link));
  }
}

function isLink(path: string): boolean {
  return fs.lstatSync(path, { throwIfNoEntry: false })?.isSymbolicLink() ?? false;
}

/** A reader sees the old content or the new, at every moment, whenever the process dies. */
function replaceByRename(target: string, octets: Uint8Array, mode: number | undefined): void {
  const temporary = siblingOf(target);
  try {
    createWhole(temporary, octets, 0o666);
    if (mode !== undefined) fs.chmodSync(temporary, mode & 0o7777);
    fs.renameSync(temporary, target);
  } catch (error) {
    fs.rmSync(temporary, { force: true });
    throw error;
  }
}

/**
 * Plaintext must not be left behind in a temporary file, so here it is the old file that steps
 * aside, and comes back if the new one cannot be written.
 */
function replaceAside(target: string, octets: Uint8Array, exists: boolean): void {
  const aside = siblingOf(target);
  if (exists) fs.renameSync(target, aside);
  try {
    createWhole(target, octets, 0o600);
  } catch (error) {
    if (exists) fs.renameSync(aside, target);
    throw error;
  }
  if (exists) fs.rmSync(aside);
}

/** A name that is unlikely to be taken; if it is, creating it fails and nothing is lost. */
function siblingOf(target: string): string {
  return join(dirname(target), `.${basename(target)}.${Math.random().toString(16).slice(2)}`);
}

/** Creates a file that must not exist yet; if it cannot be written whole, it is removed. */
function createWhole(path: string, octets: Uint8Array, mode: number): void {
  const file = fs.openSync(path, 'wx', mode);
  try {
    fs.writeFileSync(file, octets);
    fs.fsyncSync(file);
  } catch (error) {
    fs.rmSync(path, { force: true });
    throw error;
  } finally {
    fs.closeSync(file);
  }
}

/** Removes a file that may not be there. */
export function removeFile(path: string): void {
  fs.rmSync(path, { force: true });
}
