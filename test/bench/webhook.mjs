// Measures the webhook: a server process, under load from another process.
import { execFileSync, spawn } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { parse } from 'yaml';
import { bin, factor, kseal, median, node, percent, rawOperations } from './measure.mjs';

const load = join(import.meta.dirname, 'load.mjs');
const emulator = join(import.meta.dirname, '../kms-emulator/start.mjs');

function makeTls() {
  const subject = ['-subj', '/CN=webhook', '-addext', 'subjectAltName=IP:127.0.0.1'];
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'];
  const files = ['-keyout', 'tls.key', '-out', 'tls.crt'];
  const args = ['req', '-x509', '-days', '2', ...key, ...files, ...subject];
  execFileSync('openssl', args, { stdio: 'ignore' });
}

/** Starts a server with a key. Resolves to its ports, its CA, and a function that stops it. */
async function serve(key, env) {
  makeTls();
  const flags = ['--tls-cert', 'tls.crt', '--tls-key', 'tls.key', '--allow-any-client'];
  const ports = ['--host', '127.0.0.1', '--port', '0', '--metrics-port', '0', '--drain', '0'];
  const child = spawn(process.execPath, [bin, 'webhook', 'serve', '-k', key, ...flags, ...ports], {
    env: { ...process.env, ...env },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  const stop = () => child.kill();
  process.once('exit', stop);
  for await (const line of createInterface({ input: child.stderr })) {
    // The line with the fingerprints of the keys names the ports, too.
    const { kids, msg } = JSON.parse(line);
    if (kids === undefined) continue;
    child.stderr.resume();
    const [port, metricsPort] = msg.match(/\d+/g);
    return { port, metricsPort, ca: readFileSync('tls.crt', 'utf8'), stop };
  }
  throw new Error('the webhook did not start');
}

/** A review of a Secret with this many values, sealed to a public key file. */
function reviewOf(publicKey, values) {
  const lines = Array.from({ length: values }, (_, i) => `key-${i}=value-${i}-abcdef`);
  writeFileSync('values.env', lines.join('\n'));
  const { stdout } = kseal(`seal db -n hr -k ${publicKey} --from-env-file values.env`);
  const kind = { group: '', version: 'v1', kind: 'Secret' };
  const secret = { operation: 'CREATE', namespace: 'hr', name: 'db', object: parse(stdout) };
  return JSON.stringify({
    apiVersion: 'admission.k8s.io/v1',
    kind: 'AdmissionReview',
    request: { uid: 'u', kind, ...secret },
  });
}

/** Posts a review `count` times. Returns the duration in milliseconds. */
function post({ port, ca }, review, count, parallel) {
  const input = JSON.stringify({ port, ca, review, count, parallel });
  return Number(node([load], { input }).stdout);
}

/** Values opened per second with a local key, as a share of the raw private operations. */
async function localKeyRatio() {
  const review = reviewOf('k.pub', 8);
  // By default Node decrypts on four threads, however many cores there are.
  const server = await serve('k.pem', { UV_THREADPOOL_SIZE: `${Math.max(4, cpus().length)}` });
  const ratios = Array.from({ length: 3 }, () => {
    const before = rawOperations(2).privateKey;
    const count = 150;
    const rate = (count * 8) / (post(server, review, count, 8) / 1000);
    return rate / ((before + rawOperations(2).privateKey) / 2);
  });
  server.stop();
  return percent(median(ratios));
}

/** The ratio of the times for 20 values and for one value, with a KMS that takes 50 ms. */
async function kmsRatio() {
  const key = 'projects/p/locations/l/keyRings/r/cryptoKeys/k';
  const kms = spawn(process.execPath, [emulator, JSON.stringify({ keys: { [key]: [{}] } })], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const lines = createInterface({ input: kms.stdout })[Symbol.asyncIterator]();
  const env = { KSEAL_KMS_ENDPOINT: (await lines.next()).value };
  kseal(`fetch-pubkey gcpkms://${key} -o kms.pub`, { env });
  const server = await serve(`gcpkms://${key}`, env);
  kms.stdin.write('["fault","AsymmetricDecrypt",{"delay":50}]\n');
  await lines.next();
  const [one, twenty] = [1, 20].map((values) => reviewOf('kms.pub', values));
  const time = (review) => post(server, review, 10, 1);
  const ratios = Array.from({ length: 5 }, () => time(twenty) / time(one));
  server.stop();
  kms.stdin.end();
  return factor(median(ratios));
}

/** The resident memory of a server after 10,000 and after 20,000 reviews; MB. */
async function memoryOverReviews() {
  kseal('keygen -o small --bits 2048');
  const review = reviewOf('small.pub', 1);
  // Without a limit, as in a small container, V8 would keep garbage for long.
  const server = await serve('small.pem', { NODE_OPTIONS: '--max-old-space-size=64' });
  const figures = [];
  for (let i = 0; i < 2; i++) {
    post(server, review, 10_000, 16);
    const metrics = await fetch(`http://127.0.0.1:${server.metricsPort}/metrics`);
    const [, bytes] = /^process_resident_memory_bytes (\d+)/m.exec(await metrics.text());
    figures.push(Math.round(Number(bytes) / 1e6));
  }
  server.stop();
  return `${figures.join('/')} MB`;
}

export default {
  name: 'webhook',
  columns: ['result', 'aim'],
  rows: [
    {
      title: 'webhook with a local RSA-4096 key / raw private operations',
      aim: '>= 90 %',
      measure: localKeyRatio,
    },
    {
      title: 'webhook with a KMS latency of 50 ms: 20 values / one value',
      aim: '<= 3 x',
      measure: kmsRatio,
    },
    {
      title: 'memory of the webhook after 10000/20000 reviews',
      aim: 'the same',
      measure: memoryOverReviews,
    },
  ],
};
