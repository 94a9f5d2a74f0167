// Shared by the measurements: programs, their durations and memory, and the baseline of openssl.
// All of them run in the current folder, which is temporary and has the key pair k.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { delimiter, dirname, join } from 'node:path';

const root = join(import.meta.dirname, '../..');
const { version, bin: commands } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));

export const bin = join(root, commands.kseal);

/** The path of the executable that `npm run build:standalone` makes. */
export const executable = join(
  root,
  'standalone',
  `kseal-${version}-${process.platform}-${process.arch}`,
);

/** Why a program cannot be measured, or undefined. */
export function absence(program) {
  if (program === executable) return existsSync(executable) ? undefined : 'not built';
  const folders = process.env.PATH.split(delimiter);
  const isThere = folders.some((folder) => existsSync(join(folder, program)));
  return isThere ? undefined : `${program} not on PATH`;
}

/** Runs a program. Returns `{ stdout, stderr }` as texts, and throws if it fails. */
export function run(program, args, { input = '', env } = {}) {
  const options = { input, env: { ...process.env, ...env }, encoding: 'utf8' };
  const { status, stdout, stderr, error } = spawnSync(program, args, options);
  if (status !== 0) throw error ?? new Error(`${program} ${args.join(' ')}: ${stderr}`);
  return { stdout, stderr };
}

export const node = (args, options) => run(process.execPath, args, options);

export const kseal = (line, options) => node([bin, ...line.split(' ')], options);

export const median = (numbers) => numbers.toSorted((a, b) => a - b)[numbers.length >> 1];

function milliseconds(action) {
  const start = performance.now();
  action();
  return performance.now() - start;
}

/**
 * The durations of the actions in milliseconds, one list for each round. A round runs all of them,
 * so that they see the same load of the machine. `before` prepares a round, and is not measured.
 */
export function durations(rounds, actions, before = () => {}) {
  return Array.from({ length: rounds }, () => {
    before();
    return actions.map(milliseconds);
  });
}

/** The median ratio of an action to its baseline, such as `0.58 x`. */
export function ratio(rounds, action, baseline, before) {
  const pairs = durations(rounds, [action, baseline], before);
  return factor(median(pairs.map(([one, other]) => one / other)));
}

export const factor = (number) => `${number.toFixed(2)} x`;
export const percent = (number) => `${(100 * number).toFixed(0)} %`;

/** The peak memory of kseal in MB, with options of Node.js. */
export function peakMemory(line, ...nodeOptions) {
  // Worker threads import it, too.
  const printPeak =
    "data:text/javascript,import{isMainThread}from'node:worker_threads';" +
    "isMainThread&&process.on('exit',()=>console.error(process.resourceUsage().maxRSS))";
  const { stderr } = node([...nodeOptions, '--import', printPeak, bin, ...line.split(' ')]);
  return Math.round(Number(stderr.trim().split('\n').at(-1)) / 1024);
}

/** RSA-4096 operations per second on all cores, as measured by openssl for some seconds. */
export function rawOperations(seconds) {
  const args = ['speed', '-seconds', `${seconds}`, '-multi', `${cpus().length}`, 'rsa4096'];
  const { stdout } = run('openssl', args);
  const line = stdout.split('\n').find((text) => /^rsa\s*4096/.test(text)) ?? '';
  // Times end with "s". Newer versions print more of them, and the rates of other operations at the end.
  const columns = line.trim().split(/\s+/).slice(3);
  const [privateKey, publicKey] = columns.filter((column) => !column.endsWith('s'));
  return { privateKey: Number(privateKey), publicKey: Number(publicKey) };
}

/** A Secret with plaintext values. */
export function plainSecret(name, values) {
  const lines = Array.from(
    { length: values },
    (_, i) => `  key-${i}: value-of-${name}-${i}-abcdef\n`,
  );
  const head = `apiVersion: v1\nkind: Secret\nmetadata:\n  name: ${name}\n  namespace: bench\n`;
  return `${head}stringData:\n${lines.join('')}`;
}

/** Writes one manifest per file, in folders of 100 files. */
export function writeManifests(folder, count, textOf) {
  for (let i = 0; i < count; i++) {
    const path = join(folder, `${Math.floor(i / 100)}`, `${i}.yaml`);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, textOf(i));
  }
}
