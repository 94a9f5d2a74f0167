import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { KsealError } from '../errors.ts';

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

interface Surroundings {
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

/** A temporary folder, and what must be stopped before it can be removed. */
export interface Folder {
  readonly path: string;
  readonly atEnd: Set<() => void>;
}

/** The folders in use: a process that ends in the midst of it must leave none behind. */
const inUse = new Set<Folder>();

/** These end a process without its `exit` event. */
const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/**
 * Runs `use` with a fresh folder that only this user can enter. The folder is gone afterwards:
 * when `use` fails, when the process exits, and when a signal ends it.
 */
export async function withFolder<T>(use: (folder: Folder) => Promise<T>): Promise<T> {
  const folder = { path: mkdtempSync(join(tmpdir(), 'kseal-git-')), atEnd: new Set<() => void>() };
  if (inUse.size === 0) watch();
  inUse.add(folder);
  try {
    return await use(folder);
  } finally {
    inUse.delete(folder);
    if (inUse.size === 0) unwatch();
    remove(folder);
  }
}

function remove({ path, atEnd }: Folder): void {
  for (const stop of atEnd) stop();
  try {
    // A process that was stopped a moment ago may still have made a file.
    rmSync(path, { recursive: true, force: true, maxRetries: 3, retryDelay: 20 });
  } catch {
    // What is left holds nothing confidential, and must not hide why the work failed.
  }
}

function removeAll(): void {
  for (const folder of inUse) remove(folder);
  inUse.clear();
}

function watch(): void {
  process.on('exit', removeAll);
  for (const signal of signals) process.on(signal, endBy);
}

function unwatch(): void {
  process.off('exit', removeAll);
  for (const signal of signals) process.off(signal, endBy);
}

/** Cleans up, and lets the signal do what it would have done without us. */
function endBy(signal: NodeJS.Signals): void {
  removeAll();
  unwatch();
  if (process.listenerCount(signal) === 0) process.kill(process.pid, signal);
}
