import { lstatSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';

export interface Entry {
  /** The kind, with the mode or the target of a link. */
  readonly state: string;
  /** Empty unless it is a file. */
  readonly content: Buffer;
}

/** Everything below a folder, by relative path. */
export type Snapshot = ReadonlyMap<string, Entry>;

export function snapshot(folder: string): Snapshot {
  return new Map(namesIn(folder, '').map((name) => [name, entryAt(join(folder, name))]));
}

/** Unlike `readdirSync` with `recursive`, does not follow links to folders. */
function namesIn(folder: string, path: string): string[] {
  const entries = readdirSync(join(folder, path), { withFileTypes: true });
  return entries.flatMap((entry) => {
    const name = join(path, entry.name);
    return entry.isDirectory() ? [name, ...namesIn(folder, name)] : [name];
  });
}

function entryAt(path: string): Entry {
  const stats = lstatSync(path);
  const mode = (stats.mode & 0o7777).toString(8);
  const content = Buffer.alloc(0);
  if (stats.isSymbolicLink()) return { state: `link to ${readlinkSync(path)}`, content };
  if (stats.isFile()) return { state: `file ${mode}`, content: readFileSync(path) };
  return { state: stats.isDirectory() ? `folder ${mode}` : 'special', content };
}

/** The paths that were added, removed or changed. */
export function changedPaths(before: Snapshot, after: Snapshot): string[] {
  const paths = new Set([...before.keys(), ...after.keys()]);
  return [...paths].filter((path) => {
    const [old, now] = [before.get(path), after.get(path)];
    if (old === undefined || now === undefined) return true;
    return old.state !== now.state || !old.content.equals(now.content);
  });
}

/** The names of the temporary files of src/fs/write.ts. */
const TEMPORARY = /(?:^|\/)\.kseal-[0-9a-f-]+$/;

export function temporaryFiles(files: Snapshot): string[] {
  return [...files.keys()].filter((path) => TEMPORARY.test(path));
}
