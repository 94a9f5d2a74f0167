import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileError, statOf } from '../fs/read.ts';

/** What holds no manifests. */
const skipped = new Set(['.git', 'node_modules']);
// Whatever its case: to Windows there is no difference.
const manifestName = /\.(?:ya?ml|json)$/i;

/** Whether a folder's file of this path is taken for a manifest. */
export function isManifestName(path: string): boolean {
  return manifestName.test(path) && !path.split('/').some((part) => skipped.has(part));
}

/** Whether `path` is a folder; what does not exist or cannot be reached is none. */
export function isFolder(path: string): boolean {
  return statOf(path)?.isDirectory() ?? false;
}

/**
 * The manifests below a folder, sorted: files that end in `.yaml`, `.yml` or `.json`. Links to
 * folders are not followed, so no loop has an end to look for, and neither are links to pipes and
 * devices, whose end would be looked for in vain. `shown` is the folder as the user wrote it; each
 * name begins with it. Throws IO for a folder that cannot be read.
 */
export function manifestsIn(path: string, shown: string): readonly string[] {
  return entriesOf(path, shown).flatMap((entry) => {
    if (skipped.has(entry.name)) return [];
    if (entry.isDirectory()) return manifestsIn(join(path, entry.name), join(shown, entry.name));
    // A link that leads nowhere is kept, so that reading it says so.
    const isFile = entry.isSymbolicLink()
      ? (statOf(join(path, entry.name))?.isFile() ?? true)
      : entry.isFile();
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
