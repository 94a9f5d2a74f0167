import { join, relative, resolve, sep } from 'node:path';
import type { Config } from '../config/config.ts';
import { expected } from '../errors.ts';
import { isFile, readIfThere, statOf } from '../fs/read.ts';
import { gitFiles, type LocalGit, settingOf, wayToTop, withoutAttribute } from '../git/local.ts';
import { diffDriver, HOOK, type HookPlace, hookPlace, isHooked } from '../git/setup.ts';
import { counted, listOf, MAX_LISTED, shellWord } from '../text.ts';
import { type CheckId, type Finding, failed, failure, ok, skipped, warning } from './check.ts';
import { isPrivateKeyFile, type PrivateKeyFile, type Survey } from './repository.ts';

/** A working tree. */
export interface WorkingTree {
  readonly cwd: string;
  readonly env: LocalGit['env'];
  /** Its top; undefined outside of a repository. */
  readonly top: string | undefined;
}

/** Checks git, the hook before a commit, how `git diff` shows sealed values, and private keys. */
export function* gitFindings(tree: WorkingTree, survey: Survey | undefined): Generator<Finding> {
  const { cwd, env, top = cwd } = tree;
  const first = gitFinding(tree);
  yield first;
  if (first.outcome !== 'ok') {
    const why = first.outcome === 'skipped' ? first.message : 'git cannot be asked';
    for (const check of ['git-hook', 'git-diff', 'private-keys'] as const)
      yield skipped(check, why);
    return;
  }
  yield attempt('git-hook', () => hookFinding({ folder: top, env }, cwd));
  yield attempt('git-diff', () => diffFinding({ folder: cwd, env }, survey));
  if (survey === undefined) yield skipped('private-keys', 'the files cannot be read');
  else yield* leaks(survey.privateKeys.filter(({ mayBeCommitted }) => mayBeCommitted));
}

function gitFinding({ env, top }: WorkingTree): Finding {
  if (top === undefined) return skipped('git', 'not in a git repository');
  return attempt('git', () => {
    wayToTop({ folder: top, env });
    return ok('git', 'git is installed, and trusts this folder');
  });
}

function attempt(check: CheckId, find: () => Finding): Finding {
  try {
    return find();
  } catch (thrown) {
    return failure(check, expected(thrown));
  }
}

/**
 * The hook of a tool, and the command that installs it in a clone. Only husky has hooks that are not in
 * the place of the hook that it runs.
 */
const installers: Readonly<Record<HookPlace['kind'], readonly [RegExp, string]>> = {
  'pre-commit': [/pre[-_]commit/, 'pre-commit install'],
  lefthook: [/lefthook/, 'lefthook install'],
  hook: [/^/, 'npx husky'],
};

function hookFinding(git: LocalGit, cwd: string): Finding {
  const shownOf = (path: string) => relative(cwd, path);
  const textAt = (path: string) => readIfThere(path, shownOf(path))?.toString('latin1') ?? '';
  const place = hookPlace(git, shownOf);
  const { kind, path, runsKseal } = place;
  const [own, command] = installers[kind];
  const inactive = (file: string) =>
    warning('git-hook', `${shownOf(file)}: not activated in this clone`, command);
  if (!runsKseal) {
    // In a new clone, git does not know the folder of husky yet.
    const husky = join(git.folder, '.husky', 'pre-commit');
    if (kind === 'hook' && isHooked.test(textAt(husky))) return inactive(husky);
    const hint = hookHint(place, shownOf(path));
    return warning('git-hook', 'no hook checks a commit for plaintext', hint);
  }
  const hook = join(gitFiles(git).hooks, 'pre-commit');
  const text = textAt(hook);
  if (!isFile(hook) || !(own.test(text) || isHooked.test(text))) return inactive(path);
  if (!isExecutable(hook)) {
    const hint = `chmod +x ${shellWord(shownOf(hook))}`;
    return warning('git-hook', `${shownOf(hook)}: not executable, so git ignores it`, hint);
  }
  return ok('git-hook', `${shownOf(path)} runs kseal verify`);
}

/** `kseal init` adds a hook, but never changes one, and none that several repositories share. */
function hookHint({ kind, bytes, isShared }: HookPlace, shown: string): string {
  if (kind === 'lefthook')
    return `add a command to pre-commit in ${shown}, with this line: run: ${HOOK}`;
  if (kind === 'hook' && (isShared || bytes !== undefined))
    return `add this line to ${shown}: ${HOOK} || exit 1`;
  return 'kseal init --pre-commit';
}

/** Windows has neither of these permissions. */
const hasModes = sep === '/';

function isExecutable(path: string): boolean {
  return !hasModes || ((statOf(path)?.mode ?? 0) & 0o111) !== 0;
}

function diffFinding(git: LocalGit, survey: Survey | undefined): Finding {
  const files = [...(survey?.usage.values() ?? [])].flatMap((used) => used.files);
  const yaml = [...new Set(files)].filter((path) => /\.ya?ml$/i.test(path));
  // Attributes apply to names, whether or not there is such a file.
  const named = yaml.length > 0 ? yaml : ['a.yaml'];
  const missing = withoutAttribute(git, named, 'diff', 'kseal');
  const hint = 'kseal init --diff';
  if (missing.length > 0) {
    const names = yaml.length > 0 ? listOf(missing) : '*.yaml';
    return warning('git-diff', `.gitattributes: no diff=kseal for ${names}`, hint);
  }
  const { setting, command } = diffDriver;
  const used = settingOf(git, setting);
  if (used === '') return warning('git-diff', `${setting}: not set in this clone`, hint);
  // The path to kseal may differ.
  if (!/\binspect --textconv$/.test(used))
    return warning('git-diff', `${setting}: another command`, `git config ${setting} '${command}'`);
  return ok('git-diff', 'git diff describes sealed values');
}

/** Checks that only their owner can read the private key files that were found or are configured. */
export function modeFinding(
  cwd: string,
  config: Config | undefined,
  survey: Survey | undefined,
): Finding {
  const configured = [...(config?.keys.values() ?? [])].flatMap(({ private: file }) =>
    file === undefined ? [] : resolve(config?.folder ?? '', file),
  );
  const found = survey?.privateKeys.map(({ file }) => file) ?? [];
  // A configuration may name any file, and no hint may change the mode of another one.
  const paths = [...new Set([...found, ...configured.filter(isPrivateKeyFile)])];
  const open = paths.filter((path) => hasModes && ((statOf(path)?.mode ?? 0) & 0o077) !== 0);
  const shown = open.map((path) => relative(cwd, path));
  if (open.length > 0) {
    // A name that begins with a hyphen would be an option.
    const words = shown.map((path) => shellWord(path.replace(/^-/, './-')));
    const hint = `chmod go= ${words.join(' ')}`;
    return warning('private-key-mode', `${listOf(shown)}: other users can read it`, hint);
  }
  if (paths.length === 0) return ok('private-key-mode', 'no private key files');
  const count = counted(paths.length, 'private key file');
  return ok('private-key-mode', `${count}, not readable by other users`);
}

function* leaks(found: readonly PrivateKeyFile[]): Generator<Finding> {
  for (const { path, finding } of found.slice(0, MAX_LISTED)) {
    const report = finding.severity === 'error' ? failed : warning;
    const message = `${path}: ${finding.message}, which git tracks or would add`;
    yield report('private-keys', message, finding.hint ?? 'kseal verify');
  }
  const more = found.length - MAX_LISTED;
  if (more > 0)
    yield failed('private-keys', `and ${counted(more, 'more private key')}`, 'kseal verify');
  if (found.length === 0)
    yield ok('private-keys', 'git tracks no private key file, and would add none');
}
