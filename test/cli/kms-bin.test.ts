import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { leaksOf } from '../helpers/canary.ts';
import { debugVariables } from '../helpers/debug-variables.ts';
import { cekOf, jwesIn } from '../helpers/jwe.ts';
import { type Ended, runBin } from '../helpers/spawn.ts';
import { type KmsEmulator, startKmsEmulator } from '../kms-emulator/emulator.ts';
import { HR, versionOf } from '../kms-emulator/harness.ts';

// The built kseal as a process, with a key in Cloud KMS and the real client.

const canary = 'CANARY-by-the-kms';
const one = versionOf(HR, 1);
/** A folder with db.yaml, sealed to the key in the KMS. */
const cwd = mkdtempSync(join(tmpdir(), 'kseal-bin-'));
let emulator: KmsEmulator;

beforeAll(async () => {
  emulator = await startKmsEmulator({ keys: { [HR]: [{}] } });
  expect(await kseal(`fetch-pubkey gcpkms://${one} -o hr.pub`)).toMatchObject({ code: 0 });
  const seal = 'seal db -n hr -k hr.pub --stdin password -o db.yaml';
  expect(await kseal(seal, { stdin: canary })).toMatchObject({ code: 0, signal: null });
}, 60_000);
beforeEach(() => {
  emulator.clearFaults();
  emulator.calls.length = 0;
});
afterAll(() => {
  emulator.stop();
  rmSync(cwd, { recursive: true });
});

function kseal(line: string, { stdin = '', env = {} } = {}): Promise<Ended> {
  const variables = { KSEAL_KMS_ENDPOINT: emulator.endpoint, ...env };
  return runBin(line.split(' '), { cwd, stdin, env: variables });
}

test('opens a value, and prints no secret with all debug variables set', async () => {
  const opened = await kseal(`decrypt db.yaml -k gcpkms://${one} -o opened.yaml`, {
    env: debugVariables,
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

test('lists a key that the KMS refuses, and then its error', async () => {
  const config = join(cwd, 'keys.yaml');
  writeFileSync(config, `version: 1\nkeys: { hr: { file: hr.pub, source: 'gcpkms://${one}' } }\n`);
  emulator.fault('GetPublicKey', { status: 'PERMISSION_DENIED', message: 'CANARY-words' });
  const { code, stdout, stderr } = await kseal('keys --online --config keys.yaml');
  expect(code).toBe(4);
  expect(`${stdout}`).toMatch(/^hr +active +not pinned +\w{4}… +1 +access denied +hr\.pub /m);
  expect(`${stderr}`).toMatch(/^kseal: error: .*: access denied: no permission /m);
  expect(`${stderr}`).not.toMatch(/^\s+at |CANARY/m);
});

test.each([
  ['PERMISSION_DENIED', 1],
  ['UNAVAILABLE', 3],
] as const)('%s: exit code 4, a hint, no stack trace and no output', async (status, calls) => {
  emulator.fault('AsymmetricDecrypt', { status, message: 'CANARY-words-of-the-kms' });
  const failed = await kseal(`decrypt db.yaml -k gcpkms://${one}`);
  expect([failed.code, failed.signal, `${failed.stdout}`]).toEqual([4, null, '']);
  expect(`${failed.stderr}`).toMatch(/^kseal: error: db\.yaml:\d+:\d+: Secret hr\/db, data key /m);
  expect(`${failed.stderr}`).toMatch(/^kseal: hint: /m);
  expect(`${failed.stderr}`).not.toMatch(/^\s+at |CANARY/m);
  expect(emulator.calls).toHaveLength(1 + calls);
});

test('doctor opens a random value, and prints neither it nor its CEK', async () => {
  const key = `{ file: ../hr.pub, source: gcpkms://${one} }`;
  mkdirSync(join(cwd, 'hr'));
  writeFileSync(join(cwd, 'hr/key.yaml'), `version: 1\nkeys: { hr: ${key} }\n`);
  const ended = await kseal('doctor --online --config hr/key.yaml', { env: debugVariables });
  expect([ended.code, ended.signal]).toEqual([0, null]);
  expect(`${ended.stdout}`).toMatch(/^ok +source +key hr: /m);
  expect(`${ended.stdout}`).toMatch(/^ok +decrypt +key hr: /m);
  const [sent, ...others] = emulator.calls.flatMap(({ ciphertext }) => ciphertext ?? []);
  expect([sent?.length, others]).toEqual([256, []]);
  const pem = emulator.version(one)?.privateKey?.export({ type: 'pkcs8', format: 'pem' });
  const cek = cekOf(`.${sent?.toString('base64url')}`, `${pem}`);
  expect(cek).toHaveLength(32);
  if (cek !== undefined)
    expect(leaksOf(cek, Buffer.concat([ended.stdout, ended.stderr]))).toEqual([]);
});
