import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { fileError } from '../files.ts';

const skipped = new Set(['.git', 'node_modules']);
const manifestName = /\.(?:ya?ml|json)$/;

/** Whether a folder's file of this path is taken for a manifest. */
export function isManifestName(path: string): boolean {
  return manifestName.test(path) && !path.split('/').some((part) => skipped.has(part));
}

/** Whether `path` is a folder; what does not exist or cannot be reached is none. */
export function isFolder(path: string): boolean {
  try {
    return statSync(path).isDirectory();
  } catch {
    return false;
  }
}

/**
 * The manifests below a folder, sorted: files that end in `.yaml`, `.yml` or `.json`. Links to
 * folders are not followed, so no loop has an end to look for. `shown` is the folder as the user
 * wrote it; each name begins with it. Throws IO for a folder that cannot be read.
 */
export function manifestsIn(path: string, shown: string): readonly string[] {
  return entriesOf(path, shown).flatMap((entry) => {
    if (entry.isDirectory()) {
      return skipped.has(entry.name)
        ? []
        : manifestsIn(join(path, entry.name), join(shown, entry.name));
    }
    const isFile = entry.isFile() || (entry.isSymbolicLink() && !isFolder(join(path, entry.name)));
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
