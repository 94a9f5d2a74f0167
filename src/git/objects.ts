import { posix } from 'node:path';
import { KsealError } from '../errors.ts';
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
  const fields = ask(git, [...listing, '--diff-filter=ACMT', '--', ...wanted])
    .toString()
    .split('\0');
  const files: GitFile[] = [];
  // `:OLD-MODE MODE OLD-BLOB BLOB STATUS`, NUL, the path from the top, NUL.
  for (let i = 0; i + 1 < fields.length; i += 2) {
    const [, mode = '', , blob = ''] = (fields[i] ?? '').split(' ');
    const path = posix.relative(prefix, fields[i + 1] ?? '');
    if (isRegular(mode)) files.push({ path, blob });
  }
  return files;
}

/** The commit that a branch, a tag or another name of it stands for. Throws USAGE for none. */
export function commitOf(git: LocalGit, ref: string): string {
  ask(git, ['rev-parse', '--git-dir']);
  try {
    const args = ['rev-parse', '--verify', '--quiet', '--end-of-options', `${ref}^{commit}`];
    return ask(git, args).toString().trim();
  } catch {
    throw new KsealError('USAGE', `${ref}: no such branch, tag or commit here`, {
      hint: 'check the name, or get it first: git fetch',
    });
  }
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

/** What a commit has at `path`, relative to the folder that is asked; undefined for no file. */
export function fileAt(git: LocalGit, commit: string, path: string): Buffer | undefined {
  const [file] = filesAt(git, commit, [path]);
  return file?.path === path ? ask(git, ['cat-file', 'blob', file.blob]) : undefined;
}

/** From the folder that is asked to the top of its work tree: `../../`, or empty. */
export function wayToTop(git: LocalGit): string {
  return ask(git, ['rev-parse', '--show-cdup']).toString().replace(/\n$/, '');
}

/** Regular files and executables; no links, no submodules. */
function isRegular(mode: string): boolean {
  return mode.startsWith('100');
}
