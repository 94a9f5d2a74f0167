import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { leaksOf } from '../helpers/canary.ts';
import { folderWithKeys } from '../helpers/folder.ts';
import { cekOf, jwesIn } from '../helpers/jwe.ts';
import { type Ended, runBin } from '../helpers/spawn.ts';
import { type KmsEmulator, startKmsEmulator } from '../kms-emulator/emulator.ts';
import { HR, versionOf } from '../kms-emulator/harness.ts';

// What ships, as a process of its own: a key in Cloud KMS, with its real client.

const canary = 'CANARY-by-the-kms';
const one = versionOf(HR, 1);
let emulator: KmsEmulator;

beforeAll(async () => {
  emulator = await startKmsEmulator({ keys: { [HR]: [{}] } });
}, 30_000);
beforeEach(() => {
  emulator.clearFaults();
  emulator.calls.length = 0;
});
afterAll(() => emulator.stop());

/** Every switch with which node, gRPC and Google's packages say more. */
const noise = {
  DEBUG: '*',
  DEBUG_AUTH: '1',
  GOOGLE_SDK_NODE_LOGGING: '*',
  GRPC_TRACE: 'all',
  GRPC_NODE_TRACE: 'all',
  GRPC_VERBOSITY: 'DEBUG',
  GRPC_NODE_VERBOSITY: 'DEBUG',
  NODE_DEBUG: 'http2,net,tls,http,https,fs,timer,child_process',
  KSEAL_DEBUG: '1',
};

function kseal(cwd: string, line: string, { stdin = '', env = {} } = {}): Promise<Ended> {
  const surroundings = { KSEAL_KMS_ENDPOINT: emulator.endpoint, ...env };
  return runBin(line.split(' '), { cwd, stdin, env: surroundings });
}

/** A folder with db.yaml, sealed to the key in the KMS. */
async function folderWithSecret(): Promise<string> {
  const cwd = folderWithKeys();
  const fetched = await kseal(cwd, `fetch-pubkey gcpkms://${one} -o hr.pub`);
  expect(fetched).toMatchObject({ code: 0, signal: null });
  const seal = 'seal db -n hr -k hr.pub --stdin password -o db.yaml';
  expect(await kseal(cwd, seal, { stdin: canary })).toMatchObject({ code: 0, signal: null });
  emulator.calls.length = 0;
  return cwd;
}

test('opens a value, and with every switch that makes packages talk shows no secret', async () => {
  const cwd = await folderWithSecret();
  const opened = await kseal(cwd, `decrypt db.yaml -k gcpkms://${one} -o opened.yaml`, {
    env: noise,
  });
  expect([opened.code, opened.signal]).toEqual([0, null]);
  const plaintext = Buffer.from(canary);
  expect(leaksOf(plaintext, readFileSync(join(cwd, 'opened.yaml')))).not.toEqual([]);
  const [jwe = ''] = jwesIn(readFileSync(join(cwd, 'db.yaml'), 'latin1'));
  const pem = emulator.version(one)?.privateKey?.export({ type: 'pkcs8', format: 'pem' });
  const cek = cekOf(jwe, `${pem}`);
  for (const secret of [plaintext, cek ?? plaintext]) {
    expect(leaksOf(secret, Buffer.concat([opened.stdout, opened.stderr]))).toEqual([]);
  }
  expect(cek).toHaveLength(32);
});

test.each([
  ['PERMISSION_DENIED', 1],
  ['NOT_FOUND', 1],
  ['UNAVAILABLE', 3],
  ['UNAUTHENTICATED', 1],
] as const)('%s while it opens: exit 4, no stack trace, nothing written', async (status, calls) => {
  const cwd = await folderWithSecret();
  emulator.fault('AsymmetricDecrypt', { status, message: 'CANARY-words-of-the-kms' });
  const failed = await kseal(cwd, `decrypt db.yaml -k gcpkms://${one}`);
  expect([failed.code, failed.signal, `${failed.stdout}`]).toEqual([4, null, '']);
  expect(`${failed.stderr}`).toMatch(/^kseal: error: db\.yaml:\d+:\d+: Secret hr\/db, data key /m);
  expect(`${failed.stderr}`).toMatch(/^kseal: hint: /m);
  expect(`${failed.stderr}`).not.toMatch(/^\s+at |CANARY/m);
  expect(emulator.calls).toHaveLength(1 + calls);
});

test('another host is asked only where the flag names it, and that is said', async () => {
  const cwd = folderWithKeys();
  // There are no credentials, so nothing goes out to it.
  const env = { GOOGLE_APPLICATION_CREDENTIALS: join(cwd, 'none.json') };
  const fetch = `fetch-pubkey gcpkms://${one}`;
  const flag = await kseal(cwd, `${fetch} --kms-endpoint kms.example.com`, { env });
  expect([flag.code, `${flag.stdout}`]).toEqual([4, '']);
  expect(`${flag.stderr}`).toMatch(/^kseal: using Cloud KMS at kms\.example\.com:443$/m);
  expect(`${flag.stderr}`).toMatch(/error: GOOGLE_APPLICATION_CREDENTIALS names .*none\.json/);
  const variable = await kseal(cwd, fetch, {
    env: { ...env, KSEAL_KMS_ENDPOINT: 'kms.example.com' },
  });
  expect([variable.code, `${variable.stdout}`]).toEqual([2, '']);
  expect(`${variable.stderr}`).toMatch(/hint: --kms-endpoint kms\.example\.com:443$/m);
  expect(emulator.calls).toEqual([]);
});

/** Says what a process has loaded and where it has tried to connect to, when it ends. */
const watcher = `
  import { Module } from 'node:module';
  import { Socket } from 'node:net';
  import { writeFileSync } from 'node:fs';
  const connections = [];
  const { connect } = Socket.prototype;
  Socket.prototype.connect = function (...args) {
    connections.push(String(args.flat()[0]?.host));
    return connect.apply(this, args);
  };
  process.on('exit', () => {
    const loaded = Object.keys(Module._cache).filter((path) => /google|grpc/.test(path)).length;
    writeFileSync('watched.json', JSON.stringify({ loaded, connections }));
  });`;

async function watched(cwd: string, line: string, stdin = '') {
  writeFileSync(join(cwd, 'watch.mjs'), watcher);
  const env = { NODE_OPTIONS: `--import=${join(cwd, 'watch.mjs')}` };
  const { code } = await kseal(cwd, line, { stdin, env });
  const seen = JSON.parse(readFileSync(join(cwd, 'watched.json'), 'utf8'));
  return { code, ...seen };
}

test('with key files there is no network, and the client of the KMS is not even loaded', async () => {
  const cwd = folderWithKeys();
  const nothing = { code: 0, loaded: 0, connections: [] };
  const seal = 'seal db -n hr -k k.pub --stdin password -o db.yaml';
  expect(await watched(cwd, seal, canary)).toEqual(nothing);
  expect(await watched(cwd, 'inspect db.yaml')).toEqual(nothing);
  expect(await watched(cwd, 'decrypt db.yaml -k k.pem -o opened.yaml')).toEqual(nothing);
  expect(emulator.calls).toEqual([]);
  // And that this would be seen:
  const fetch = await watched(cwd, `fetch-pubkey gcpkms://${one} -o hr.pub`);
  expect(fetch).toMatchObject({ code: 0, connections: ['127.0.0.1'] });
  expect(fetch.loaded).toBeGreaterThan(0);
});
