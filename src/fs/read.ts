import * as fs from 'node:fs';
import { KsealError } from '../errors.ts';

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
  return new KsealError('IO', `cannot ${action}: ${reason}`, {
    thing: path,
    hint: code === 'ENOENT' && action === 'read' ? 'check the path' : undefined,
    cause: error,
  });
}

const MIN_CHUNK = 4096;

/** Reads a whole file of at most `limit` bytes. `path` is absolute, `shown` as the user wrote it. */
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

/** A device may have no end, so no more than `most` bytes are read. */
function readToEnd(file: number, most: number): Buffer {
  const stats = fs.fstatSync(file);
  // One byte more than the system says a regular file has shows its end: it is there when fewer
  // come than are asked for. Of all else it knows no size.
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

/** How a file is read: `readFile`, or `readRegularFile`. */
export type ReadFile = typeof readFile;

/**
 * The same for a file that nobody named on the command line, but a configuration: it must be a
 * regular one, through links too. A pipe or a terminal would be waited for without end.
 */
export function readRegularFile(path: string, shown: string, limit: number): Buffer {
  const found = statOf(path);
  if (found === undefined || found.isFile() || found.isDirectory())
    return readFile(path, shown, limit);
  throw new KsealError('IO', 'cannot read: is a pipe or a device, not a file', {
    thing: shown,
    hint: 'put a regular file in its place',
  });
}

/** What is at `path`, through links too; undefined for nothing, and for what cannot be reached. */
export function statOf(path: string): fs.Stats | undefined {
  try {
    return fs.statSync(path);
  } catch {
    return undefined;
  }
}

/** Whether there is a regular file at `path`, through links too. */
export function isFile(path: string): boolean {
  return statOf(path)?.isFile() ?? false;
}

/** Whether two paths lead to one file, through links too. */
export function isSameFile(a: string, b: string): boolean {
  const [x, y] = [statOf(a), statOf(b)];
  return x !== undefined && y !== undefined && x.dev === y.dev && x.ino === y.ino;
}
