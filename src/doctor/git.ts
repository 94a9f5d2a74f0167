import { join, relative, resolve, sep } from 'node:path';
import type { Config } from '../config/config.ts';
import { expected } from '../errors.ts';
import { isFile, readIfThere, statOf } from '../fs/read.ts';
import { gitFiles, type LocalGit, settingOf, wayToTop, withoutAttribute } from '../git/local.ts';
import { diffDriver, type HookPlace, hookPlace, isHooked } from '../git/setup.ts';
import { counted, listOf, MAX_LISTED, shellWord } from '../text.ts';
import { type CheckId, type Finding, failed, failure, ok, skipped, warning } from './check.ts';
import type { PrivateKeyFile, Survey } from './repository.ts';

/** A working tree. */
export interface WorkingTree {
  readonly cwd: string;
  readonly env: LocalGit['env'];
  /** Its top; undefined outside of a repository. */
  readonly top: string | undefined;
}

/** Checks git, the hook before a commit, and how `git diff` shows sealed values. */
export function* gitFindings({ cwd, env, top }: WorkingTree, survey: Survey | undefined) {
  if (top === undefined) {
    for (const check of ['git', 'git-hook', 'git-diff'] as const)
      yield skipped(check, 'not in a git repository');
    return;
  }
  const git = { folder: top, env };
  const shownOf = (path: string) => relative(cwd, path);
  try {
    wayToTop(git);
    yield ok('git', 'git is installed, and trusts this folder');
  } catch (thrown) {
    yield failure('git', expected(thrown));
    for (const check of ['git-hook', 'git-diff'] as const)
      yield skipped(check, 'git cannot be asked');
    return;
  }
  yield attempt('git-hook', () => hookFinding(git, shownOf));
  yield attempt('git-diff', () => diffFinding({ folder: cwd, env }, survey));
}

function attempt(check: CheckId, find: () => Finding): Finding {
  try {
    return find();
  } catch (thrown) {
    return failure(check, expected(thrown));
  }
}

/** The tools that install a hook of their own, by which it is recognized, and the command for that. */
const installers: Readonly<Record<HookPlace['kind'], readonly [RegExp, string] | undefined>> = {
  'pre-commit': [/pre[-_]commit/, 'pre-commit install'],
  lefthook: [/lefthook/, 'lefthook install'],
  hook: undefined,
};

function hookFinding(git: LocalGit, shownOf: (path: string) => string): Finding {
  const { kind, path, runsKseal } = hookPlace(git, shownOf);
  const shown = shownOf(path);
  const hook = join(gitFiles(git).hooks, 'pre-commit');
  if (!runsKseal) {
    // husky makes git use its hooks in each clone, once it has been installed there.
    const husky = join(git.folder, '.husky', 'pre-commit');
    if (kind === 'hook' && path !== husky && isFile(husky))
      return warning('git-hook', `${shownOf(husky)}: not activated in this clone`, 'npx husky');
    return warning('git-hook', 'no hook checks a commit for plaintext', 'kseal init --pre-commit');
  }
  const [own, command = ''] = installers[kind] ?? [];
  const installed = readIfThere(hook, shownOf(hook))?.toString('latin1') ?? '';
  if (own !== undefined && ![own, isHooked].some((pattern) => pattern.test(installed)))
    return warning('git-hook', `${shown}: not activated in this clone`, command);
  if (isFile(hook) && !isExecutable(hook)) {
    const hint = `chmod +x ${shellWord(shownOf(hook))}`;
    return warning('git-hook', `${shownOf(hook)}: not executable, so git ignores it`, hint);
  }
  return ok('git-hook', `${shown} runs kseal verify`);
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
  if (settingOf(git, diffDriver.setting) === '')
    return warning('git-diff', `${diffDriver.setting}: not set in this clone`, hint);
  return ok('git-diff', 'git diff describes sealed values');
}

/** Checks that private keys stay on this machine, and that only their owner can read them. */
export function* privateKeyFindings(
  { cwd, top }: WorkingTree,
  config: Config | undefined,
  survey: Survey | undefined,
): Generator<Finding> {
  const found = survey?.privateKeys ?? [];
  if (top === undefined) yield skipped('private-keys', 'not in a git repository');
  else if (survey === undefined) yield skipped('private-keys', 'the files cannot be read');
  else yield* leaks(found.filter(({ mayBeCommitted }) => mayBeCommitted));
  const configured = [...(config?.keys.values() ?? [])].flatMap(({ private: file }) =>
    file === undefined ? [] : resolve(config?.folder ?? '', file),
  );
  const paths = new Set([...found.map(({ file }) => file), ...configured]);
  const open = [...paths].filter((path) => hasModes && ((statOf(path)?.mode ?? 0) & 0o077) !== 0);
  const shown = open.map((path) => relative(cwd, path));
  if (open.length > 0) {
    const hint = `chmod go= ${shown.map(shellWord).join(' ')}`;
    yield warning('private-key-mode', `${listOf(shown)}: other users can read it`, hint);
  } else if (paths.size === 0) yield ok('private-key-mode', 'no private key files');
  else
    yield ok(
      'private-key-mode',
      `${counted(paths.size, 'private key file')}, not readable by other users`,
    );
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
