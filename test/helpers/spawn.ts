import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, cpSync, existsSync, mkdtempSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join, relative } from 'node:path';
import { inject } from 'vitest';

const root = join(import.meta.dirname, '../..');
export const bin = join(root, 'bin/kseal.cjs');

export interface Surroundings {
  readonly cwd: string;
  readonly stdin?: string | Buffer;
  readonly env?: Readonly<Record<string, string>>;
  /** Another program to run, with its arguments; without it node runs bin/kseal.cjs. */
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
  const own = uid === undefined ? bin : readableBin(args[0] === 'webhook' ? external : none);
  const { command = [process.execPath, own] } = surroundings;
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

const copies = new Map<readonly string[], string>();

/** The packages that the webhook loads, without the client of Cloud KMS, which is large. */
const external = ['fastify', 'pino', 'prom-client'];
const none: readonly string[] = [];

/** The folders of packages and their dependencies, as Node finds them from `folder`. */
function packagesBehind(
  names: readonly string[],
  folder = root,
  found = new Set<string>(),
): Set<string> {
  for (const name of names) {
    const places = createRequire(join(folder, 'package.json')).resolve.paths(name) ?? [];
    const own = places.map((place) => join(place, name)).find((place) => existsSync(place));
    if (own === undefined) throw new Error(`${folder} lacks ${name}`);
    if (found.has(own)) continue;
    found.add(own);
    const { dependencies = {} } = JSON.parse(readFileSync(join(own, 'package.json'), 'utf8'));
    packagesBehind(Object.keys(dependencies), own, found);
  }
  return found;
}

/** A copy of the built kseal that every user may read; the project may be in a private folder. */
function readableBin(packages: readonly string[]): string {
  const known = copies.get(packages);
  const folder = known ?? mkdtempSync(join(inject('scratch'), 'bin-'));
  copies.set(packages, folder);
  if (known === undefined) {
    chmodSync(folder, 0o755);
    const own = [...packagesBehind(packages)].map((path) => relative(root, path));
    for (const part of ['bin', 'dist', 'package.json', ...own])
      cpSync(join(root, part), join(folder, part), { recursive: true });
  }
  return join(folder, 'bin/kseal.cjs');
}

/** The user for tests of permissions, which do not bind root. */
export const unprivileged = process.getuid?.() === 0 ? 65534 : undefined;
