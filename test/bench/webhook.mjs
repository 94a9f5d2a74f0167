// The webhook's rows of the bench: a server as a process, loaded by another process.
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { parse } from 'yaml';

const bin = join(import.meta.dirname, '../../bin/kseal.js');
const load = join(import.meta.dirname, 'load.mjs');
const emulator = join(import.meta.dirname, '../kms-emulator/start.mjs');

const median = (numbers) => numbers.toSorted((a, b) => a - b)[numbers.length >> 1];

function makeTls(cwd) {
  const subject = ['-subj', '/CN=webhook', '-addext', 'subjectAltName=IP:127.0.0.1'];
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'];
  const files = ['-keyout', 'tls.key', '-out', 'tls.crt'];
  execFileSync('openssl', ['req', '-x509', '-days', '2', ...key, ...files, ...subject], {
    cwd,
    stdio: 'ignore',
  });
  return readFileSync(join(cwd, 'tls.crt'), 'utf8');
}

/** Starts a server on `key`; it says on stderr where it listens. */
async function serve(cwd, key, env = {}) {
  const flags = ['--tls-cert', 'tls.crt', '--tls-key', 'tls.key', '--allow-any-client'];
  const ports = ['--host', '127.0.0.1', '--port', '0', '--metrics-port', '0', '--drain', '0'];
  const args = [bin, 'webhook', 'serve', '-k', key, ...flags, ...ports];
  const child = spawn(process.execPath, args, {
    cwd,
    env: { ...process.env, ...env },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  for await (const line of createInterface({ input: child.stderr })) {
    const [, port, metricsPort] = /reviews on port (\d+), .*? on (\d+)/.exec(line) ?? [];
    if (port === undefined) continue;
    child.stderr.resume();
    return { port: Number(port), metricsPort: Number(metricsPort), stop: () => child.kill() };
  }
  throw new Error('the webhook did not start');
}

/** The review of a Secret of so many values, sealed to a public key file. */
function reviewOf(cwd, publicKey, values) {
  const literals = Array.from({ length: values }, (_, i) => `key-${i}=value-${i}-abcdef`);
  writeFileSync(join(cwd, 'values.env'), literals.join('\n'));
  const args = ['seal', 'db', '-n', 'hr', '-k', publicKey, '--from-env-file', 'values.env'];
  const secret = parse(
    execFileSync(process.execPath, [bin, ...args], {
      cwd,
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    }),
  );
  const kind = { group: '', version: 'v1', kind: 'Secret' };
  const request = {
    uid: 'u',
    kind,
    operation: 'CREATE',
    namespace: 'hr',
    name: 'db',
    object: secret,
  };
  return JSON.stringify({ apiVersion: 'admission.k8s.io/v1', kind: 'AdmissionReview', request });
}

/** Posts a review so many times; returns the milliseconds. */
function loaded(options) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [load], {
    input: JSON.stringify(options),
    encoding: 'utf8',
  });
  if (status !== 0) throw new Error(`the load: ${stderr}`);
  return Number(stdout);
}

/** RSA-4096 private operations a second, on all cores, as openssl counts them. */
function rawPrivateOperations() {
  const multi = ['-multi', String(cpus().length)];
  const args = ['speed', '-seconds', '3', ...multi, 'rsa4096'];
  const { stdout } = spawnSync('openssl', args, { encoding: 'utf8' });
  const line = stdout.split('\n').find((text) => /^rsa\s*4096/.test(text)) ?? '';
  return Number(line.trim().split(/\s+/)[5]);
}

/** Values opened a second with a local key, as a part of the private operations there could be. */
export async function localKeyRatio(cwd) {
  const ca = makeTls(cwd);
  const review = reviewOf(cwd, 'k.pub', 8);
  // Node decrypts on four threads unless it is told that there are more cores.
  const server = await serve(cwd, 'k.pem', { UV_THREADPOOL_SIZE: `${Math.max(4, cpus().length)}` });
  const ratios = Array.from({ length: 5 }, () => {
    const before = rawPrivateOperations();
    const count = 150;
    const rate = (count * 8) / (loaded({ ...server, ca, review, count, parallel: 8 }) / 1000);
    return rate / ((before + rawPrivateOperations()) / 2);
  });
  server.stop();
  return median(ratios);
}

/** How much longer a Secret of 20 values takes than one of one, with a KMS that takes 50 ms. */
export async function kmsRatio(cwd) {
  const ca = makeTls(cwd);
  const key = 'projects/p/locations/l/keyRings/r/cryptoKeys/k';
  const kms = spawn(process.execPath, [emulator, JSON.stringify({ keys: { [key]: [{}] } })], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const lines = createInterface({ input: kms.stdout })[Symbol.asyncIterator]();
  const env = { KSEAL_KMS_ENDPOINT: (await lines.next()).value };
  execFileSync(process.execPath, [bin, 'fetch-pubkey', `gcpkms://${key}`, '-o', 'kms.pub'], {
    cwd,
    env: { ...process.env, ...env },
    stdio: 'ignore',
  });
  const server = await serve(cwd, `gcpkms://${key}`, env);
  kms.stdin.write('["fault","AsymmetricDecrypt",{"delay":50}]\n');
  await lines.next();
  const [one, twenty] = [1, 20].map((values) => reviewOf(cwd, 'kms.pub', values));
  const time = (review) => loaded({ ...server, ca, review, count: 10, parallel: 1 });
  const ratios = Array.from({ length: 5 }, () => time(twenty) / time(one));
  server.stop();
  kms.stdin.end();
  return median(ratios);
}

/** The resident memory of a server after 10,000 reviews, and after 10,000 more; MB. */
export async function memoryOverReviews(cwd) {
  const ca = makeTls(cwd);
  execFileSync(process.execPath, [bin, 'keygen', '-o', 'small', '--bits', '2048'], {
    cwd,
    stdio: 'ignore',
  });
  const review = reviewOf(cwd, 'small.pub', 1);
  // As in a small container: otherwise V8 lets garbage lie for long.
  const server = await serve(cwd, 'small.pem', { NODE_OPTIONS: '--max-old-space-size=64' });
  const memory = async () => {
    const page = await (await fetch(`http://127.0.0.1:${server.metricsPort}/metrics`)).text();
    return Math.round(Number(/^process_resident_memory_bytes (\d+)/m.exec(page)?.[1]) / 1e6);
  };
  const reviews = async (count) => {
    loaded({ ...server, ca, review, count, parallel: 16 });
    return memory();
  };
  const figures = [await reviews(10_000), await reviews(10_000)];
  server.stop();
  return figures;
}
