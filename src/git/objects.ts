import { posix } from 'node:path';
import { ask, type LocalGit } from './ask.ts';

/** A file that a repository holds. */
export interface GitFile {
  /** Relative to the folder that was asked, with `/`. */
  readonly path: string;
  readonly blob: string;
}

/**
 * The files of the index that differ from HEAD: what the next commit adds or changes at or below
 * `paths`, by default the folder that is asked.
 */
export function stagedFiles(git: LocalGit, paths: readonly string[]): readonly GitFile[] {
  const prefix = ask(git, ['rev-parse', '--show-prefix']).toString().replace(/\n$/, '');
  const listing = [
    'diff',
    '--cached',
    '--raw',
    '-z',
    '--no-relative',
    '--no-renames',
    '--no-abbrev',
  ];
  const wanted = paths.length > 0 ? paths : ['.'];
  const fields = ask(git, [...listing, '--diff-filter=ACMTU', '--', ...wanted])
    .toString()
    .split('\0');
  const files: GitFile[] = [];
  // `:OLD-MODE MODE OLD-BLOB BLOB STATUS`, NUL, the path from the top, NUL.
  for (let i = 0; i + 1 < fields.length; i += 2) {
    const [, mode = '', , blob = '', status] = (fields[i] ?? '').split(' ');
    const path = posix.relative(prefix, fields[i + 1] ?? '');
    // A file in conflict has no content yet; that it is lost is told where it is read.
    if (isRegular(mode) || status === 'U') files.push({ path, blob });
  }
  return files;
}

/** The files of a commit at or below `paths`, by default those below the folder that is asked. */
export function filesAt(
  git: LocalGit,
  commit: string,
  paths: readonly string[],
): readonly GitFile[] {
  const listing = ask(git, ['ls-tree', '-r', '-z', commit, '--', ...paths]).toString();
  return listing.split('\0').flatMap((line) => {
    const [, mode = '', blob = '', path = ''] = /^(\d+) \w+ (\w+)\t(.*)$/s.exec(line) ?? [];
    return isRegular(mode) ? [{ path, blob }] : [];
  });
}

/** What a commit has at a path: a regular file, or what it is instead. */
export type FoundFile =
  | { readonly octets: Buffer }
  | { readonly octets: undefined; readonly at: string; readonly kind: string };

const links: Readonly<Record<string, string>> = {
  '120000': 'a symbolic link, and links are not followed there',
  '160000': 'a submodule',
};

/**
 * What a commit has at `path`, relative to the folder that is asked; undefined where there is
 * nothing. `at` is `path` itself, or a folder above it that is none.
 */
export function fileAt(git: LocalGit, commit: string, path: string): FoundFile | undefined {
  const slashes = [...path.matchAll(/(?<=[^./])\//g)].map(({ index }) => path.slice(0, index));
  const listing = ask(git, ['ls-tree', '-z', commit, '--', ...slashes, path]).toString();
  let found: FoundFile | undefined;
  for (const line of listing.split('\0')) {
    const [, mode = '', id = '', at = ''] = /^(\d+) \w+ (\w+)\t(.*)$/s.exec(line) ?? [];
    const kind = links[mode];
    if (kind !== undefined) return { octets: undefined, at, kind };
    if (at !== path) continue;
    found = isRegular(mode)
      ? { octets: ask(git, ['cat-file', 'blob', id]) }
      : { octets: undefined, at, kind: 'a folder' };
  }
  return found;
}

/** From the folder that is asked to the top of its work tree: `../../`, or empty. */
export function wayToTop(git: LocalGit): string {
  return ask(git, ['rev-parse', '--show-cdup']).toString().replace(/\n$/, '');
}

/** Regular files and executables; no links, no submodules. */
function isRegular(mode: string): boolean {
  return mode.startsWith('100');
}
