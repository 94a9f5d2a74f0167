// Measures rekey: values on a key in a KMS and on a local key, which are moved to a new key.
import { spawn } from 'node:child_process';
import { constants, publicEncrypt, randomBytes } from 'node:crypto';
import { cpSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { KeyManagementServiceClient } from '@google-cloud/kms';
import { credentials } from '@grpc/grpc-js';
import { bin, factor, kseal, median, plainSecret, writeManifests } from './measure.mjs';

const FILES = 1000;
const VALUES = 3;
/** The calls that kseal makes to one key at the same time. */
const PARALLEL = 16;
const KEY = 'projects/p/locations/l/keyRings/r/cryptoKeys/k';

const emulator = join(import.meta.dirname, '../kms-emulator/start.mjs');

/** A KMS in its own process. Returns its endpoint, and functions that call or stop it. */
async function startKms() {
  // Both old keys are short: the emulator shares the cores, and the local key uses them.
  const keys = { [KEY]: [{ algorithm: 'RSA_DECRYPT_OAEP_2048_SHA256' }] };
  const kms = spawn(process.execPath, [emulator, JSON.stringify({ keys })], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const lines = createInterface({ input: kms.stdout })[Symbol.asyncIterator]();
  const { value: endpoint } = await lines.next();
  const call = async (...words) => {
    kms.stdin.write(`${JSON.stringify(words)}\n`);
    await lines.next();
  };
  return { endpoint, call, stop: () => kms.stdin.end() };
}

/** A function that sends as many encrypted keys as rekey does; resolves to the time in milliseconds. */
function callsAlone(endpoint, publicKey) {
  const [servicePath, port] = endpoint.split(':');
  // Google's client would look for the metadata server of a Google machine.
  process.env.METADATA_SERVER_DETECTION = 'none';
  const sslCreds = credentials.createInsecure();
  const client = new KeyManagementServiceClient({ servicePath, port: Number(port), sslCreds });
  const key = { key: publicKey, padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash: 'sha256' };
  const sent = Array.from({ length: (FILES / 2) * VALUES }, () =>
    publicEncrypt(key, randomBytes(32)),
  );
  const name = `${KEY}/cryptoKeyVersions/1`;
  const measure = async () => {
    const queue = sent.values();
    const lane = async () => {
      for (const ciphertext of queue) await client.asymmetricDecrypt({ name, ciphertext });
    };
    const start = performance.now();
    await Promise.all(Array.from({ length: PARALLEL }, lane));
    return performance.now() - start;
  };
  return { measure, close: () => client.close() };
}

/** Runs kseal without blocking this process; resolves to the time in milliseconds. */
function timeOf(args, env) {
  const start = performance.now();
  const child = spawn(process.execPath, [bin, ...args], {
    env: { ...process.env, ...env },
    stdio: 'ignore',
  });
  return new Promise((resolve, reject) => {
    child.on('close', (code) => {
      if (code === 0) resolve(performance.now() - start);
      else reject(new Error(`kseal ${args.join(' ')}: exit ${code}`));
    });
  });
}

async function rekeyRatio() {
  const kms = await startKms();
  const env = { KSEAL_KMS_ENDPOINT: kms.endpoint };
  kseal(`fetch-pubkey gcpkms://${KEY} -o kms.pub`, { env });
  kseal('keygen -o old --bits 2048');
  for (const [folder, key] of [
    ['sealed/kms', 'kms.pub'],
    ['sealed/local', 'old.pub'],
  ]) {
    writeManifests(folder, FILES / 2, (i) => plainSecret(`s${i}`, VALUES));
    kseal(`seal -f ${folder} -i -k ${key}`);
  }
  await kms.call('fault', 'AsymmetricDecrypt', { delay: 50 });
  const alone = callsAlone(kms.endpoint, readFileSync('kms.pub'));
  const from = ['--from', 'old.pem', '--from', `gcpkms://${KEY}`];
  const ratios = [];
  // The first round loads and compiles code.
  for (let round = 0; round < 6; round++) {
    rmSync('moved', { recursive: true, force: true });
    cpSync('sealed', 'moved', { recursive: true });
    const baseline = await alone.measure();
    const time = await timeOf(['rekey', 'moved', '--to', 'k.pub', ...from], env);
    if (round > 0) ratios.push(time / baseline);
  }
  await alone.close();
  kms.stop();
  return factor(median(ratios));
}

export default {
  name: 'rekey',
  columns: ['result', 'aim'],
  rows: [
    {
      title: 'rekey of 1000 files (3 values each, half under a KMS of 50 ms) / the KMS calls alone',
      aim: '<= 1.3 x',
      measure: rekeyRatio,
    },
  ],
};
