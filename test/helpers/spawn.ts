import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, cpSync, mkdtempSync } from 'node:fs';
import { basename, join, resolve } from 'node:path';
import { inject } from 'vitest';

const root = join(import.meta.dirname, '../..');
export const bin = join(root, 'bin/kseal.js');

/** The executable, if the tests are run with it (`npm run test:standalone`). */
const { KSEAL_EXECUTABLE: executable } = process.env;

/** The built kseal as a command: the executable, or Node with bin/kseal.js. */
export const kseal: readonly string[] =
  executable === undefined ? [process.execPath, bin] : [executable];

export interface Surroundings {
  readonly cwd: string;
  readonly stdin?: string | Buffer;
  readonly env?: Readonly<Record<string, string>>;
  /** Another program to run than the built kseal, with its first arguments. */
  readonly command?: readonly string[];
  /** The user to run as. */
  readonly uid?: number | undefined;
}

export interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: Buffer;
  readonly stderr: Buffer;
}

export interface Spawned {
  readonly child: ChildProcess;
  readonly ended: Promise<Ended>;
}

/** Starts the built kseal without a controlling terminal, and with three variables. */
export function startBin(args: readonly string[], surroundings: Surroundings): Spawned {
  const { cwd, stdin, env = {}, uid } = surroundings;
  const { command = uid === undefined ? kseal : readableKseal() } = surroundings;
  const [program = '', ...before] = command;
  const child = spawn(program, [...before, ...args], {
    cwd,
    env: { PATH: process.env.PATH ?? '', HOME: cwd, NO_COLOR: '1', ...env },
    detached: true,
    ...(uid === undefined ? {} : { uid, gid: uid }),
  });
  // A command that fails early does not read all of its stdin.
  child.stdin.on('error', () => {});
  if (stdin !== undefined) child.stdin.end(stdin);
  const chunks = { stdout: [] as Buffer[], stderr: [] as Buffer[] };
  child.stdout.on('data', (chunk) => chunks.stdout.push(chunk));
  child.stderr.on('data', (chunk) => chunks.stderr.push(chunk));
  const ended = once(child, 'close').then(([code, signal]) => ({
    code,
    signal,
    stdout: Buffer.concat(chunks.stdout),
    stderr: Buffer.concat(chunks.stderr),
  }));
  return { child, ended };
}

/** Runs the built kseal to its end; by default stdin is empty. */
export function runBin(args: readonly string[], surroundings: Surroundings): Promise<Ended> {
  return startBin(args, { stdin: '', ...surroundings }).ended;
}

let copy: string | undefined;

/** A copy of the built kseal that every user may read; the project may be in a private folder. */
function readableKseal(): readonly string[] {
  const isNew = copy === undefined;
  const folder = copy ?? mkdtempSync(join(inject('scratch'), 'bin-'));
  copy = folder;
  chmodSync(folder, 0o755);
  const parts = executable === undefined ? ['bin', 'dist', 'package.json'] : [executable];
  for (const part of isNew ? parts : [])
    cpSync(resolve(root, part), join(folder, basename(part)), { recursive: true });
  return executable === undefined
    ? [process.execPath, join(folder, 'bin/kseal.js')]
    : [join(folder, basename(executable))];
}

/** The user for tests of permissions, which do not bind root. */
export const unprivileged = process.getuid?.() === 0 ? 65534 : undefined;
