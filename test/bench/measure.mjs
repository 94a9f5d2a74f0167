// Shared by the measurements: a temporary folder, commands that run in it, and the baseline.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';

export const bin = join(import.meta.dirname, '../../bin/kseal.cjs');
export const folder = mkdtempSync(join(tmpdir(), 'kseal-bench-'));
process.on('exit', () => rmSync(folder, { recursive: true, force: true }));

export const median = (numbers) => numbers.toSorted((a, b) => a - b)[numbers.length >> 1];

/** Runs Node in the folder. Returns `{ stdout, stderr }` as texts, and throws if it fails. */
export function node(args, { input = '', env } = {}) {
  const options = { cwd: folder, input, env: { ...process.env, ...env }, encoding: 'utf8' };
  const { status, stdout, stderr } = spawnSync(process.execPath, args, options);
  if (status !== 0) throw new Error(`node ${args.join(' ')}: ${stderr}`);
  return { stdout, stderr };
}

export const kseal = (line, options) => node([bin, ...line.split(' ')], options);

/** RSA-4096 operations per second on all cores, as measured by openssl for some seconds. */
export function rawOperations(seconds) {
  const args = ['speed', '-seconds', `${seconds}`, '-multi', `${cpus().length}`, 'rsa4096'];
  const { stdout } = spawnSync('openssl', args, { encoding: 'utf8' });
  const line = stdout.split('\n').find((text) => /^rsa\s*4096/.test(text)) ?? '';
  const [privateKey, publicKey] = line.trim().split(/\s+/).slice(5);
  return { privateKey: Number(privateKey), publicKey: Number(publicKey) };
}
