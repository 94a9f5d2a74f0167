import { execFileSync } from 'node:child_process';
import { KsealError } from '../errors.ts';

/** Where the user's git is asked: in `folder`, with the user's environment, so that a hook's index counts. */
export interface LocalGit {
  readonly folder: string;
  readonly env: Readonly<Record<string, string | undefined>>;
}

/** The most that an answer may have: the paths of some hundred thousand files. */
const MAX_ANSWER = 256 * 1024 * 1024;

/**
 * The environment of every call. Paths are paths, never patterns; what a partial clone lacks is
 * not fetched behind our back; and git speaks the language that `reasons` knows.
 */
export function gitEnv({ env }: LocalGit): NodeJS.ProcessEnv {
  return { ...env, LC_ALL: 'C', GIT_LITERAL_PATHSPECS: '1', GIT_NO_LAZY_FETCH: '1' };
}

const reasons: readonly {
  readonly said: RegExp;
  readonly meaning: string;
  readonly hint: string;
}[] = [
  {
    said: /not a git repository/,
    meaning: 'is in no git repository',
    hint: 'run it within a repository',
  },
  {
    said: /dubious ownership|unsafe repository/,
    meaning: 'belongs to another user, so git does not trust it',
    hint: 'if you do: git config --global --add safe.directory FOLDER',
  },
  {
    said: /outside repository/,
    meaning: 'a path leads out of the repository',
    hint: 'name paths within it',
  },
  {
    said: /ENOENT/,
    meaning: 'git could not be started',
    hint: 'install git (https://git-scm.com), and see that it is on the PATH',
  },
];

/** What git answers. Throws IO, saying why, where it fails. */
export function ask(git: LocalGit, args: readonly string[]): Buffer {
  try {
    return execFileSync('git', ['--no-pager', '-c', 'core.fsmonitor=false', ...args], {
      cwd: git.folder,
      env: gitEnv(git),
      maxBuffer: MAX_ANSWER,
      stdio: ['ignore', 'pipe', 'pipe'],
      windowsHide: true,
    });
  } catch (cause) {
    const { stderr, code } = cause as { stderr?: Buffer | null; code?: string };
    const said = `${stderr ?? ''} ${code ?? ''}`;
    const reason = reasons.find((row) => row.said.test(said));
    throw new KsealError('IO', `${git.folder}: ${reason?.meaning ?? 'git failed'}`, {
      hint: reason?.hint ?? `to see what it says: git ${args[0]}`,
      cause,
    });
  }
}
