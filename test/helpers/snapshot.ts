import { lstatSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';

export interface Entry {
  /** Its kind, and for a file its mode, or a link's target. */
  readonly state: string;
  /** What a file holds; empty for anything else. */
  readonly content: Buffer;
}

/** Everything below a folder, by path from there. */
export type Snapshot = ReadonlyMap<string, Entry>;

export function snapshot(folder: string): Snapshot {
  return new Map(namesIn(folder, '').map((name) => [name, entryAt(join(folder, name))]));
}

/** `readdirSync` with `recursive` follows links to folders, round and round. */
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

/** The paths that came, went or changed. */
export function changedPaths(before: Snapshot, after: Snapshot): string[] {
  const paths = new Set([...before.keys(), ...after.keys()]);
  return [...paths].filter((path) => {
    const [old, now] = [before.get(path), after.get(path)];
    if (old === undefined || now === undefined) return true;
    return old.state !== now.state || !old.content.equals(now.content);
  });
}

/** What src/files.ts calls the file that it writes beside its target, or the one it sets aside. */
const TEMPORARY = /(?:^|\/)\.kseal-[0-9a-f]+$/;

export function temporaryFiles(files: Snapshot): string[] {
  return [...files.keys()].filter((path) => TEMPORARY.test(path));
}
