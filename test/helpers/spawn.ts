import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, cpSync, existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { afterAll } from 'vitest';

const root = join(import.meta.dirname, '../..');
export const bin = join(root, 'bin/kseal.js');

export interface Surroundings {
  readonly cwd: string;
  readonly stdin?: string | Buffer;
  readonly env?: Readonly<Record<string, string>>;
  /** Another program to run, with its arguments; without it node runs bin/kseal.js. */
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

/** Starts the built kseal, without a controlling terminal and with three variables to know. */
export function startBin(args: readonly string[], surroundings: Surroundings): Spawned {
  const { cwd, stdin, env = {}, uid } = surroundings;
  const { command = [process.execPath, uid === undefined ? bin : readableBin()] } = surroundings;
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

/** Runs the built kseal to its end; stdin is empty unless it is given. */
export function runBin(args: readonly string[], surroundings: Surroundings): Promise<Ended> {
  return startBin(args, { stdin: '', ...surroundings }).ended;
}

let copy: string | undefined;

// A worker of the test runner is ended without an exit of its own.
const copied: string[] = [];
afterAll(() => {
  for (const folder of copied) rmSync(folder, { recursive: true, force: true });
});

/** What the webhook loads besides dist/. The client of the KMS is large, and left away. */
const external = ['fastify', 'pino', 'prom-client'];

/** The folders of packages, and of all that they depend on, as Node finds them from `folder`. */
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

/** The built kseal where every user may read it; the project itself may lie in a private folder. */
function readableBin(): string {
  if (copy === undefined) {
    const folder = mkdtempSync(join(tmpdir(), 'kseal-bin-'));
    copied.push(folder);
    chmodSync(folder, 0o755);
    const packages = [...packagesBehind(external)].map((own) => relative(root, own));
    for (const part of ['bin', 'dist', 'package.json', ...packages]) {
      cpSync(join(root, part), join(folder, part), { recursive: true });
    }
    copy = join(folder, 'bin/kseal.js');
  }
  return copy;
}

/** Root may write anywhere, so a test of permissions runs as nobody in its place. */
export const unprivileged = process.getuid?.() === 0 ? 65534 : undefined;
