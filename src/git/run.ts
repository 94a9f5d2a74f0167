import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { KsealError } from '../errors.ts';
import type { Folder } from './folder.ts';

export type Env = Readonly<Record<string, string | undefined>>;

export interface Ended {
  /** -1 where a signal ended it. */
  readonly code: number;
  readonly stdout: Buffer;
  /** In the words of the C locale. It may hold credentials, and a server may have written it. */
  readonly stderr: string;
}

/** The repository of our own, in the temporary folder. */
export const REPOSITORY = 'repository';

/** Runs the user's git with these arguments in a repository of our own. */
export type Git = (...args: readonly string[]) => Promise<Ended>;

export interface Surroundings {
  readonly folder: Folder;
  readonly env: Env;
  /** The transports that git may use, whatever its configuration says. */
  readonly protocols: readonly string[];
  /** Further `name=value` settings for every call. */
  readonly settings: readonly string[];
  /** Ends whatever call is under way. */
  readonly deadline: AbortSignal;
}

/** Nothing of a repository may run (hooks), and nothing may run on behind our back. */
const always = [
  'core.hooksPath=/dev/null',
  'core.fsmonitor=false',
  'gc.auto=0',
  'maintenance.auto=false',
  'protocol.ext.allow=never',
];

/**
 * Of git's many variables those that say how the user reaches a server stay. The others would
 * bend our calls to a repository around us (GIT_DIR in a hook), or write what may hold
 * credentials (GIT_TRACE_CURL) to where we look for an answer.
 */
const kept = /^(?!GIT_)|^GIT_(?:ASKPASS|CONFIG_|EXEC_PATH|HTTP_|PROXY_|SSH|SSL_|TERMINAL_PROMPT)/;

export function gitIn(surroundings: Surroundings): Git {
  const { folder, settings, deadline } = surroundings;
  const options = [...always, ...settings].flatMap((setting) => ['-c', setting]);
  const env = environment(surroundings);
  const ownGroup = process.platform !== 'win32' && !mayAsk(env);
  return async (...args) => {
    if (deadline.aborted) throw tooLate();
    const child = start([...options, ...args], folder, env, ownGroup);
    const stop = () => kill(child, ownGroup);
    folder.atEnd.add(stop);
    deadline.addEventListener('abort', stop);
    try {
      const { code, stdout } = await ended(child);
      if (deadline.aborted) throw tooLate();
      return { code, stdout, stderr: readFileSync(join(folder.path, 'stderr'), 'utf8') };
    } finally {
      deadline.removeEventListener('abort', stop);
      folder.atEnd.delete(stop);
    }
  };
}

function environment({ folder, env, protocols }: Surroundings): NodeJS.ProcessEnv {
  const theirs = Object.entries(env).filter(([name]) => kept.test(name));
  const allowed = env.GIT_ALLOW_PROTOCOL?.split(':') ?? protocols;
  return {
    ...Object.fromEntries(theirs),
    LC_ALL: 'C',
    GIT_DIR: join(folder.path, REPOSITORY),
    GIT_LITERAL_PATHSPECS: '1',
    GIT_ALLOW_PROTOCOL: protocols.filter((name) => allowed.includes(name)).join(':'),
  };
}

/**
 * stderr goes to a file: an SSH connection that is kept open for later (ControlPersist) would
 * hold a pipe open, and us with it. The folder is the current one too, so that nothing is
 * found, configuration or program, because of where kseal was called.
 */
function start(args: string[], { path }: Folder, env: NodeJS.ProcessEnv, detached: boolean) {
  const stderr = openSync(join(path, 'stderr'), 'w');
  try {
    const stdio = ['ignore', 'pipe', stderr] as ['ignore', 'pipe', number];
    return spawn('git', args, { cwd: path, env, stdio, detached, windowsHide: true });
  } finally {
    closeSync(stderr);
  }
}

async function ended(child: ChildProcess): Promise<Omit<Ended, 'stderr'>> {
  const chunks: Buffer[] = [];
  child.stdout?.on('data', (chunk) => chunks.push(chunk));
  try {
    const [code] = await once(child, 'close');
    return { code: code ?? -1, stdout: Buffer.concat(chunks) };
  } catch (cause) {
    throw new KsealError('KEY_UNAVAILABLE', 'git could not be started', {
      hint: 'install git (https://git-scm.com), and see that it is on the PATH',
      cause,
    });
  }
}

/**
 * On a terminal git and ssh may ask for a password, so they share it, and Ctrl-C reaches them.
 * Where nobody can be asked they get a process group of their own, to be ended as a whole:
 * git's helper for https outlives it.
 */
function mayAsk(env: NodeJS.ProcessEnv): boolean {
  if (env.GIT_TERMINAL_PROMPT === '0') return false;
  try {
    closeSync(openSync('/dev/tty', 'r'));
    return true;
  } catch {
    return false;
  }
}

function kill(child: ChildProcess, group: boolean): void {
  // SIGTERM lets git give the terminal its echo back.
  child.kill(group ? 'SIGKILL' : 'SIGTERM');
  child.stdout?.destroy();
  if (!group || child.pid === undefined) return;
  try {
    process.kill(-child.pid, 'SIGKILL');
  } catch {
    // The whole group has ended by itself.
  }
}

function tooLate(): KsealError {
  return new KsealError('KEY_DEADLINE', 'git had no answer in time', {
    hint: 'try again, or get the key file another way and give its path',
  });
}
