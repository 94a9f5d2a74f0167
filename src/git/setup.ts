import { existsSync, readdirSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { readIfThere } from '../fs/read.ts';
import { gitFiles, type LocalGit } from './local.ts';

// The parts of a repository and of its clones that `kseal init` sets up and `kseal doctor` checks.

/** The line of a pre-commit hook. */
export const HOOK = 'kseal verify --staged';

/** The setting with which `git diff` describes sealed values, its value, and the files it is for. */
export const diffDriver = {
  setting: 'diff.kseal.textconv',
  command: 'kseal inspect --textconv',
  attributes: ['*.yaml diff=kseal', '*.yml diff=kseal'],
} as const;

/** The file that decides what runs before a commit. */
export interface HookPlace {
  /** The configuration of a tool that installs its own hook, or the hook itself. */
  readonly kind: 'pre-commit' | 'lefthook' | 'hook';
  /** Absolute. */
  readonly path: string;
  /** Undefined if there is no such file yet. */
  readonly bytes: Buffer | undefined;
  readonly runsKseal: boolean;
  /** Whether it is outside of the repository, so that others may share it. */
  readonly isShared: boolean;
}

/** Matches a hook that runs kseal. */
export const isHooked = /^[^#\n]*\bkseal[ -]verify\b/m;

/**
 * Finds the place for a pre-commit hook in the repository whose working tree has its top at the
 * folder of `git`. `shownOf` returns the path in messages. Throws IO.
 */
export function hookPlace(git: LocalGit, shownOf: (path: string) => string): HookPlace {
  const placeAt = (kind: HookPlace['kind'], path: string, isShared = false): HookPlace => {
    const bytes = readIfThere(path, shownOf(path));
    return {
      kind,
      path,
      bytes,
      runsKseal: isHooked.test(bytes?.toString('latin1') ?? ''),
      isShared,
    };
  };
  const preCommit = placeAt('pre-commit', join(git.folder, '.pre-commit-config.yaml'));
  if (preCommit.bytes !== undefined) return preCommit;
  const lefthook = lefthookIn(git.folder);
  if (lefthook !== undefined) return placeAt('lefthook', lefthook);
  const { hooks, areShared } = gitFiles(git);
  // The hooks that husky generates in `_` run those beside that folder.
  const folder = basename(hooks) === '_' ? dirname(hooks) : hooks;
  return placeAt('hook', join(folder, 'pre-commit'), areShared);
}

/** The configuration of lefthook, which replaces all other hooks when it installs its own. */
function lefthookIn(folder: string): string | undefined {
  const name = /^\.?lefthook\.(?:ya?ml|jsonc?|toml)$/;
  for (const place of [folder, join(folder, '.config')]) {
    const file = namesIn(place).find((one) => name.test(one));
    if (file !== undefined) return join(place, file);
  }
  return undefined;
}

function namesIn(folder: string): readonly string[] {
  try {
    return existsSync(folder) ? readdirSync(folder) : [];
  } catch {
    return [];
  }
}
