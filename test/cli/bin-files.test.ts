import { randomInt } from 'node:crypto';
import {
  chmodSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  watch,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { leaksOf } from '../helpers/canary.ts';
import { folderOfUser, folderWithKeys } from '../helpers/folder.ts';
import { bin, runBin, type Spawned, startBin, unprivileged } from '../helpers/spawn.ts';

// A file that is sealed in place is the old one or the new one, whatever happens meanwhile.

const canary = 'CANARY-in-a-large-file';
const args = ['seal', '-f', 'big.yaml', '-i', '-k', 'k.pub'];

/** Some 1 MB of Secrets, so that writing them takes a while. */
const plain = Array.from({ length: 10 }, (_, i) => secret(i)).join('---\n');

function secret(i: number): string {
  const value = JSON.stringify(`${canary} `.repeat(400));
  const values = Array.from({ length: 10 }, (_, k) => `  key${k}: ${value} # kept\n`);
  const head = `apiVersion: v1\nkind: Secret\nmetadata:\n  name: s${i}\n  namespace: hr\n`;
  return `${head}stringData:\n${values.join('')}`;
}

function folderWithBig(): string {
  const cwd = folderWithKeys();
  writeFileSync(join(cwd, 'big.yaml'), plain);
  return cwd;
}

/** A sealed manifest with its values out of sight: they differ each time. */
function skeleton(text: string): string {
  return text.replace(/ZXlK[A-Za-z0-9+/]+=*/g, 'SEALED');
}

interface Reference {
  readonly skeleton: string;
  /** How long it took, in milliseconds. */
  readonly duration: number;
}

/** An undisturbed run: what the others are compared with. */
async function sealWhole(): Promise<Reference> {
  const cwd = folderWithBig();
  const start = performance.now();
  const { code } = await runBin(args, { cwd });
  const duration = performance.now() - start;
  const reference = skeleton(readFileSync(join(cwd, 'big.yaml'), 'utf8'));
  expect([code, reference.match(/SEALED/g)?.length]).toEqual([0, 100]);
  return { skeleton: reference, duration };
}

/** Ways to choose the moment at which a process dies. */
const kills: Record<string, (spawned: Spawned, cwd: string, reference: Reference) => void> = {
  'at a random moment': ({ child, ended }, _, { duration }) => {
    const timer = setTimeout(() => child.kill('SIGKILL'), randomInt(Math.ceil(duration)));
    ended.finally(() => clearTimeout(timer));
  },
  'as soon as it touches the folder': ({ child, ended }, cwd) => {
    const watcher = watch(cwd, () => child.kill('SIGKILL'));
    ended.finally(() => watcher.close());
  },
};

test.each(Object.keys(kills))(
  'killed ten times, %s: the file is whole',
  async (moment) => {
    const reference = await sealWhole();
    const signals: unknown[] = [];
    for (let i = 0; i < 10; i++) {
      const cwd = folderWithBig();
      const spawned = startBin(args, { cwd });
      kills[moment]?.(spawned, cwd, reference);
      signals.push((await spawned.ended).signal);
      expectOldOrNew(cwd, reference);
    }
    expect(signals).toContain('SIGKILL');
  },
  60_000,
);

function expectOldOrNew(cwd: string, reference: Reference): void {
  const text = readFileSync(join(cwd, 'big.yaml'), 'utf8');
  if (text !== plain) expect(skeleton(text)).toBe(reference.skeleton);
  for (const name of leftovers(cwd)) {
    expect(leaksOf(Buffer.from(canary), readFileSync(join(cwd, name)))).toEqual([]);
  }
}

function leftovers(cwd: string): string[] {
  return readdirSync(cwd).filter((name) => name.startsWith('.'));
}

test('decrypt -o, killed as soon as it touches the folder, leaves the old file or the new, whole', async () => {
  const reference = await sealWhole();
  const made = folderWithBig();
  await runBin(args, { cwd: made });
  const sealed = readFileSync(join(made, 'big.yaml'));
  const opened = `${(await runBin(['decrypt', 'big.yaml', '-k', 'k.pem'], { cwd: made })).stdout}`;
  const signals: unknown[] = [];
  for (let i = 0; i < 10; i++) {
    const cwd = folderWithKeys();
    writeFileSync(join(cwd, 'big.yaml'), sealed);
    writeFileSync(join(cwd, 'out.yaml'), 'old\n');
    const decrypt = ['decrypt', 'big.yaml', '-k', 'k.pem', '-o', 'out.yaml', '--force'];
    const spawned = startBin(decrypt, { cwd });
    kills['as soon as it touches the folder']?.(spawned, cwd, reference);
    signals.push((await spawned.ended).signal);
    const text = readFileSync(join(cwd, 'out.yaml'), 'utf8');
    expect(['old\n', opened]).toContain(text);
    for (const name of leftovers(cwd)) expect(statSync(join(cwd, name)).mode & 0o777).toBe(0o600);
  }
  expect(signals).toContain('SIGKILL');
}, 60_000);

test('a file that outgrows the limit stays as it was', async () => {
  const cwd = folderWithBig();
  const command = ['sh', '-c', 'ulimit -f 1; exec "$@"', 'sh', process.execPath, bin];
  const { code, stderr } = await runBin(args, { cwd, command });
  expect(`${stderr}`).toMatch(/^kseal: error: big\.yaml: cannot write: file too large$/m);
  expect(code).toBe(2);
  expect(readFileSync(join(cwd, 'big.yaml'), 'utf8')).toBe(plain);
  expect(leftovers(cwd)).toEqual([]);
});

test('a folder that is read-only stays as it was', async () => {
  const { cwd, give } = folderOfUser();
  const folder = join(cwd, 'read-only');
  mkdirSync(folder);
  writeFileSync(join(folder, 'big.yaml'), plain);
  give('read-only', 0o555);
  const { code, stderr } = await runBin(['seal', '-f', 'big.yaml', '-i', '-k', '../k.pub'], {
    cwd: folder,
    uid: unprivileged,
  });
  chmodSync(folder, 0o755);
  expect(`${stderr}`).toMatch(/^kseal: error: big\.yaml: cannot write: permission denied$/m);
  expect(code).toBe(2);
  expect(readFileSync(join(folder, 'big.yaml'), 'utf8')).toBe(plain);
  expect(leftovers(folder)).toEqual([]);
});

test('of several files none is written if one of them is read-only', async () => {
  const { cwd, give } = folderOfUser();
  const names = ['a.yaml', 'read-only.yaml', 'z.yaml'];
  for (const name of names) writeFileSync(join(cwd, name), secret(1));
  for (const name of names) give(name, name.startsWith('read-only') ? 0o444 : 0o644);
  const { code, stderr } = await runBin(['seal', '-f', ...names, '-i', '-k', 'k.pub'], {
    cwd,
    uid: unprivileged,
  });
  expect(`${stderr}`).toMatch(/^kseal: error: read-only\.yaml: cannot write: permission denied$/m);
  expect(code).toBe(2);
  const changed = names.filter((name) => readFileSync(join(cwd, name), 'utf8') !== secret(1));
  expect(changed).toEqual([]);
});
