import * as fs from 'node:fs';
import { dirname, join } from 'node:path';
import { KsealError } from '../errors.ts';

/** The error codes of the system, in the words of other tools. */
const reasons: Readonly<Record<string, string>> = {
  ENOENT: 'no such file',
  ENOTDIR: 'no such file',
  EISDIR: 'is a folder, not a file',
  EACCES: 'permission denied',
  EPERM: 'permission denied',
  EROFS: 'read-only file system',
  ENOSPC: 'no space left on device',
  EFBIG: 'file too large',
  EDQUOT: 'disk quota exceeded',
  ELOOP: 'too many levels of symbolic links',
  ENAMETOOLONG: 'file name too long',
};

/** Wraps an error of the file system; `thing` is the path as the user wrote it. */
export function fileError(thing: string, action: 'read' | 'write', cause: unknown): KsealError {
  const code = (cause as NodeJS.ErrnoException).code ?? '';
  const reason = reasons[code] ?? `unexpected system error ${code}`.trimEnd();
  return new KsealError('IO', action === 'read' ? reason : `cannot write: ${reason}`, {
    thing,
    hint: code === 'ENOENT' && action === 'read' ? 'check the path' : undefined,
    cause,
  });
}

/** The largest manifest, in bytes: enough for many Secrets of 1 MiB, but not for a disk image. */
export const MAX_MANIFEST = 32 * 1024 * 1024;

/** How a file is read: with `readFile` or `readRegularFile`. */
export type ReadFile = typeof readFile;

/**
 * Reads a whole file of at most `limit` bytes. `path` is absolute, `shown` as the user wrote it.
 * Throws IO.
 */
export function readFile(path: string, shown: string, limit: number): Buffer {
  let content: Buffer;
  try {
    const file = fs.openSync(path, 'r');
    try {
      content = readToEnd(file, limit + 1);
    } finally {
      fs.closeSync(file);
    }
  } catch (error) {
    throw fileError(shown, 'read', error);
  }
  if (content.length > limit)
    throw new KsealError('IO', `larger than ${limit} bytes`, { thing: shown });
  return content;
}

const MIN_CHUNK = 4096;

/** Reads at most `most` bytes, because a device may be endless. */
function readToEnd(file: number, most: number): Buffer {
  const stats = fs.fstatSync(file);
  // One byte more than the size of a regular file: a short read then proves its end. For anything
  // else the size is unknown.
  let content = Buffer.allocUnsafe(Math.min(most, Math.max(stats.size + 1, MIN_CHUNK)));
  let bytes = 0;
  for (let ended = false; !ended && bytes < most; ) {
    if (bytes === content.length) content = Buffer.concat([content], Math.min(most, 2 * bytes));
    const read = fs.readSync(file, content, bytes, content.length - bytes, null);
    bytes += read;
    ended = read === 0 || (stats.isFile() && bytes === stats.size);
  }
  return content.subarray(0, bytes);
}

/**
 * The same, but only for regular files and links to them: for a path that comes from a
 * configuration and not from the command line, reading a pipe or a terminal would wait forever.
 */
export function readRegularFile(path: string, shown: string, limit: number): Buffer {
  const found = statOf(path);
  if (found === undefined || found.isFile() || found.isDirectory())
    return readFile(path, shown, limit);
  throw new KsealError('IO', 'is a pipe or a device, not a file', {
    thing: shown,
    hint: 'replace it with a regular file',
  });
}

/** Reads a regular file; undefined if nothing is there. A dangling link is an error. Throws IO. */
export function readIfThere(path: string, shown: string, limit = MAX_MANIFEST): Buffer | undefined {
  return isThere(path) ? readRegularFile(path, shown, limit) : undefined;
}

/** Whether anything is at `path`. A dangling link counts, so that reading it is an error. */
export function isThere(path: string): boolean {
  try {
    return fs.lstatSync(path) !== undefined;
  } catch {
    return false;
  }
}

/** The stats of a path, after links; undefined if nothing is there or it is unreachable. */
export function statOf(path: string): fs.Stats | undefined {
  try {
    return fs.statSync(path);
  } catch {
    return undefined;
  }
}

/** Whether a path leads to a regular file, after links. */
export function isFile(path: string): boolean {
  return statOf(path)?.isFile() ?? false;
}

/** The nearest folder with an entry `name`: `folder` or one above it; undefined without one. */
export function folderWith(name: string, folder: string): string | undefined {
  if (fs.existsSync(join(folder, name))) return folder;
  return dirname(folder) === folder ? undefined : folderWith(name, dirname(folder));
}

/** Whether two paths lead to one file, after links. */
export function isSameFile(a: string, b: string): boolean {
  const [x, y] = [statOf(a), statOf(b)];
  return x !== undefined && y !== undefined && x.dev === y.dev && x.ino === y.ino;
}
