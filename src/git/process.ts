import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { KsealError } from '../errors.ts';
import { notInstalled } from './errors.ts';

export type Env = Readonly<Record<string, string | undefined>>;

interface Ended {
  /** -1 if a signal ended it. */
  readonly code: number;
  readonly stdout: Buffer;
  /** In English. May contain credentials and a server's output. */
  readonly stderr: string;
}

/** Our own repository, in the temporary folder. */
export const REPOSITORY = 'repository';

/** Runs the user's git with these arguments in our own repository. */
export type Git = (...args: readonly string[]) => Promise<Ended>;

interface GitOptions {
  readonly folder: Folder;
  readonly env: Env;
  /** The transports that git may use, regardless of its configuration. */
  readonly protocols: readonly string[];
  /** More `name=value` settings for every call. */
  readonly settings: readonly string[];
  /** Ends a running call. */
  readonly deadline: AbortSignal;
}

/**
 * The settings of every call. A commit can embed a bare repository with its own configuration and
 * branches, which git must not discover. No hooks of a repository may run, and nothing in the
 * background.
 */
export const always: readonly string[] = [
  'safe.bareRepository=explicit',
  'core.hooksPath=/dev/null',
  'core.fsmonitor=false',
  'gc.auto=0',
  'maintenance.auto=false',
  'protocol.ext.allow=never',
].flatMap((setting) => ['-c', setting]);

/**
 * The variables that are needed to reach a server. Others could point git at the surrounding
 * repository (GIT_DIR in a hook), or mix credentials into the output (GIT_TRACE_CURL).
 */
const kept = /^(?!GIT_)|^GIT_(?:ASKPASS|CONFIG_|EXEC_PATH|HTTP_|PROXY_|SSH|SSL_|TERMINAL_PROMPT)/;

export function gitIn(options: GitOptions): Git {
  const { folder, deadline } = options;
  const settings = [...always, ...options.settings.flatMap((setting) => ['-c', setting])];
  const env = environment(options);
  const ownGroup = process.platform !== 'win32' && !mayAsk(env);
  return async (...args) => {
    if (deadline.aborted) throw tooLate();
    const child = start([...settings, ...args], folder, env, ownGroup);
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

function environment({ folder, env, protocols }: GitOptions): NodeJS.ProcessEnv {
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
 * stderr is a file: an SSH connection that stays open (ControlPersist) would keep a pipe open, and
 * we would wait for it. The temporary folder is the current one, so that git finds no configuration
 * or program in the folder in which kseal runs.
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
    throw new KsealError('KEY_UNAVAILABLE', notInstalled.meaning, {
      hint: notInstalled.hint,
      cause,
    });
  }
}

/**
 * Whether git and ssh may ask for a password. If so they share our terminal and get its Ctrl-C.
 * If not they get their own process group, which is killed as a whole, because git's helper for
 * https would outlive git.
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
  // SIGTERM lets git restore the terminal's echo.
  child.kill(group ? 'SIGKILL' : 'SIGTERM');
  child.stdout?.destroy();
  if (!group || child.pid === undefined) return;
  try {
    process.kill(-child.pid, 'SIGKILL');
  } catch {
    // The group has ended already.
  }
}

function tooLate(): KsealError {
  return new KsealError('KEY_DEADLINE', 'git did not finish in time', {
    hint: 'try again, or get the key file another way and give its path',
  });
}

/** A temporary folder, with functions that stop what uses it. */
export interface Folder {
  readonly path: string;
  readonly atEnd: Set<() => void>;
}

/** Removed when the process ends. */
const inUse = new Set<Folder>();

/** The signals that end a process without an `exit` event. */
const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/**
 * Runs `use` with a new folder that only this user can enter, and removes it afterwards, also if
 * `use` fails, the process exits, or a signal ends it.
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
    // A dying process may still create a file.
    rmSync(path, { recursive: true, force: true, maxRetries: 3, retryDelay: 20 });
  } catch {
    // The rest is not confidential, and must not hide the error of the command.
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

/** Cleans up, then lets the signal take its usual effect. */
function endBy(signal: NodeJS.Signals): void {
  removeAll();
  unwatch();
  const others = process.listenerCount(signal);
  if (others === 0) process.kill(process.pid, signal);
  // The handler of bin/kseal.js leaves the exit to others, and was called before this one.
  if (others === 1) process.emit(signal, signal);
}
