/** An entry of a Git tree. */
interface TreeEntry {
  readonly mode: string;
  readonly id: string;
  readonly path: string;
}

/** Parses the output of `git ls-tree -z`. */
export function treeEntries(listing: Buffer): readonly TreeEntry[] {
  const lines = `${listing}`.matchAll(/(\d{6}) [a-z]+ ([0-9a-f]+)\t([^\0]+)\0/g);
  return [...lines].map(([, mode = '', id = '', path = '']) => ({ mode, id, path }));
}

/** Regular files and executables, but not links or submodules. */
export function isRegular(mode: string): boolean {
  return mode.startsWith('100');
}

export const FOLDER = '040000';

/** Names the kind of an entry that is not the expected one. */
export function kindOf(mode: string): string {
  return kinds[mode] ?? 'a file, not a folder';
}

const kinds: Readonly<Record<string, string>> = {
  [FOLDER]: 'a folder',
  '120000': 'a symbolic link, which is not followed',
  '160000': 'a submodule',
};
