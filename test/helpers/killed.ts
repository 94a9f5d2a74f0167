import { randomInt } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, statSync, watch, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';
import { leaksOf } from './canary.ts';
import { folderWithKeys } from './folder.ts';
import { runBin, type Spawned, startBin } from './spawn.ts';

// Processes that are killed while they write a file: it must have its old or its new content.

const canary = 'CANARY-in-a-large-file';
export const sealArgs = ['seal', '-f', 'big.yaml', '-i', '-k', 'k.pub'];

/** Secrets of 1 MB in all, so that writing them takes a while; each value costs an RSA operation. */
export const plain = Array.from({ length: 10 }, (_, i) => secret(i)).join('---\n');

export function secret(i: number): string {
  const value = JSON.stringify(`${canary} `.repeat(2000));
  const values = Array.from({ length: 2 }, (_, k) => `  key${k}: ${value} # kept\n`);
  const head = `apiVersion: v1\nkind: Secret\nmetadata:\n  name: s${i}\n  namespace: hr\n`;
  return `${head}stringData:\n${values.join('')}`;
}

export function folderWithBig(): string {
  const cwd = folderWithKeys();
  writeFileSync(join(cwd, 'big.yaml'), plain);
  return cwd;
}

export function leftovers(cwd: string): string[] {
  return readdirSync(cwd).filter((name) => name.startsWith('.'));
}

/** A sealed manifest without its values, which differ each time. */
function skeleton(text: string): string {
  return text.replace(/ZXlK[A-Za-z0-9+/]+=*/g, 'SEALED');
}

interface Reference {
  readonly skeleton: string;
  /** In milliseconds. */
  readonly duration: number;
}

/** Seals without interruption, to compare the others with. */
export async function sealWhole(): Promise<Reference> {
  const cwd = folderWithBig();
  const start = performance.now();
  const { code } = await runBin(sealArgs, { cwd });
  const duration = performance.now() - start;
  const reference = skeleton(readFileSync(join(cwd, 'big.yaml'), 'utf8'));
  expect([code, reference.match(/SEALED/g)?.length]).toEqual([0, 20]);
  return { skeleton: reference, duration };
}

type Kill = (spawned: Spawned, cwd: string, reference: Reference) => void;

/** When a process is killed. */
export const kills = {
  'at a random moment': ({ child, ended }, _, { duration }) => {
    const timer = setTimeout(() => child.kill('SIGKILL'), randomInt(Math.ceil(duration)));
    ended.finally(() => clearTimeout(timer));
  },
  'as soon as it touches the folder': ({ child, ended }, cwd) => {
    const watcher = watch(cwd, () => child.kill('SIGKILL'));
    ended.finally(() => watcher.close());
  },
} satisfies Record<string, Kill>;

/** Seals in place, kills the process, and checks the file. Returns the signal that ended it. */
export async function sealKilled(kill: Kill, reference: Reference) {
  const cwd = folderWithBig();
  const spawned = startBin(sealArgs, { cwd });
  kill(spawned, cwd, reference);
  const { signal } = await spawned.ended;
  const text = readFileSync(join(cwd, 'big.yaml'), 'utf8');
  if (text !== plain) expect(skeleton(text)).toBe(reference.skeleton);
  for (const name of leftovers(cwd))
    expect(leaksOf(Buffer.from(canary), readFileSync(join(cwd, name)))).toEqual([]);
  return signal;
}

/** The same for `decrypt -o` of a folder: each file in it has its old or its new content. */
export async function decryptFolderKilled(sealed: Buffer, opened: string) {
  const cwd = folderWithKeys();
  const out = join(cwd, 'out');
  const names = ['a.yaml', 'b.yaml', 'c.yaml'];
  mkdirSync(out);
  for (const name of names) {
    writeFileSync(join(cwd, name), sealed);
    writeFileSync(join(out, name), 'old\n');
  }
  const args = ['decrypt', ...names, '-k', 'k.pem', '-o', 'out', '--force'];
  const spawned = startBin(args, { cwd });
  kills['as soon as it touches the folder'](spawned, out);
  const { signal } = await spawned.ended;
  for (const name of names)
    expect(['old\n', opened]).toContain(readFileSync(join(out, name), 'utf8'));
  for (const name of leftovers(out)) expect(statSync(join(out, name)).mode & 0o777).toBe(0o600);
  return signal;
}

/** The same for `decrypt -o`, which is killed as soon as it touches the folder. */
export async function decryptKilled(sealed: Buffer, opened: string) {
  const cwd = folderWithKeys();
  writeFileSync(join(cwd, 'big.yaml'), sealed);
  writeFileSync(join(cwd, 'out.yaml'), 'old\n');
  const args = ['decrypt', 'big.yaml', '-k', 'k.pem', '-o', 'out.yaml', '--force'];
  const spawned = startBin(args, { cwd });
  kills['as soon as it touches the folder'](spawned, cwd);
  const { signal } = await spawned.ended;
  expect(['old\n', opened]).toContain(readFileSync(join(cwd, 'out.yaml'), 'utf8'));
  for (const name of leftovers(cwd)) expect(statSync(join(cwd, name)).mode & 0o777).toBe(0o600);
  return signal;
}
