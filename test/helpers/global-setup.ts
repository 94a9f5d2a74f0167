import { execFile } from 'node:child_process';
import { generateKeyPair } from 'node:crypto';
import { chmod, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { TestProject } from 'vitest/node';

declare module 'vitest' {
  export interface ProvidedContext {
    /** A folder with NAME.pem (PKCS#8) and NAME.pub (SPKI) for each name in keySizes. */
    keys: string;
    /** A folder that every user may read, for files that are used until the end of the run. */
    scratch: string;
    /** The output of a failed build, or empty; only tests of the built files check it. */
    buildError: string;
  }
}

/** The key pairs of a test run: name and modulus length. */
export const keySizes = { k: 3072, other: 3072, small: 2048, big: 4096 } as const;

const root = join(import.meta.dirname, '../..');

/** Runs once before all tests, and returns a function that runs once after them. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const scratch = await mkdtemp(join(tmpdir(), 'kseal-tests-'));
  await chmod(scratch, 0o755);
  const folder = join(scratch, 'keys');
  await mkdir(folder);
  const pairs = Object.entries(keySizes).map(([name, bits]) => writePair(folder, name, bits));
  const [buildError] = await Promise.all([buildDist(), ...pairs]);
  project.provide('buildError', buildError);
  project.provide('scratch', scratch);
  project.provide('keys', folder);
  return () => rm(scratch, { recursive: true });
}

async function writePair(folder: string, name: string, modulusLength: number): Promise<void> {
  const pair = await promisify(generateKeyPair)('rsa', {
    modulusLength,
    publicKeyEncoding: { type: 'spki', format: 'pem' },
    privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
  });
  await writeFile(join(folder, `${name}.pem`), pair.privateKey, { mode: 0o600 });
  await writeFile(join(folder, `${name}.pub`), pair.publicKey);
}

/** Builds dist/, so that tests of bin/kseal.js run the current code. */
function buildDist(): Promise<string> {
  return promisify(execFile)(process.execPath, ['build.config.mjs'], { cwd: root }).then(
    () => '',
    (error) => String(error.stderr || error),
  );
}
