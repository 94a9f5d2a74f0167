import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { KeyManagementServiceClient } from '@google-cloud/kms';
import * as grpc from '@grpc/grpc-js';
import { expect, onTestFinished, test } from 'vitest';
import { fetchPublicKey } from '../../src/keys/gcpkms/provider.ts';
import { startKmsEmulator } from './emulator.ts';
import { HR, optionsFor, versionOf } from './harness.ts';

test("answers GetCryptoKey and GetCryptoKeyVersion of Google's own client", async () => {
  const emulator = await startKmsEmulator({
    keys: { [HR]: [{ id: 3, state: 'DESTROYED', protectionLevel: 'HSM' }] },
  });
  onTestFinished(() => emulator.stop());
  const [, port = ''] = emulator.endpoint.split(':');
  const client = new KeyManagementServiceClient({
    apiEndpoint: '127.0.0.1',
    port: Number(port),
    universeDomain: 'googleapis.com',
    grpc,
    sslCreds: grpc.credentials.createInsecure(),
  });
  onTestFinished(() => client.close());
  const [key] = await client.getCryptoKey({ name: HR });
  expect(key).toMatchObject({ name: HR, purpose: 'ASYMMETRIC_DECRYPT' });
  const [version] = await client.getCryptoKeyVersion({ name: versionOf(HR, 3) });
  expect(version).toMatchObject({
    name: versionOf(HR, 3),
    state: 'DESTROYED',
    algorithm: 'RSA_DECRYPT_OAEP_2048_SHA256',
    protectionLevel: 'HSM',
  });
  await expect(client.getCryptoKey({ name: 'hr' })).rejects.toMatchObject({ code: 3 });
  await expect(client.getCryptoKey({ name: `${HR}2` })).rejects.toMatchObject({ code: 5 });
}, 30_000);

test('runs in its own process, obeys commands on stdin, and exits when stdin ends', async () => {
  const options = JSON.stringify({ keys: { [HR]: [{}, { id: 10 }] } });
  const child = spawn(process.execPath, [join(import.meta.dirname, 'start.mjs'), options], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  onTestFinished(() => void child.kill());
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const read = async () => (await lines.next()).value ?? '';
  const tell = async (...command: readonly unknown[]) => {
    child.stdin.write(`${JSON.stringify(command)}\n`);
    return JSON.parse(await read());
  };
  const provider = optionsFor({ endpoint: await read() });
  expect((await fetchPublicKey(`gcpkms://${HR}`, provider)).origin).toBe(versionOf(HR, 10));
  await tell('setState', versionOf(HR, 10), 'DISABLED');
  expect((await fetchPublicKey(`gcpkms://${HR}`, provider)).origin).toBe(versionOf(HR, 1));
  await tell('fault', 'GetPublicKey', { status: 'NOT_FOUND' }, 1);
  await expect(fetchPublicKey(`gcpkms://${HR}`, provider)).rejects.toMatchObject({
    code: 'KEY_NOT_FOUND',
  });
  expect(await tell('calls')).toHaveLength(6);
  child.stdin.end();
  const code = await new Promise((resolve) => child.once('close', resolve));
  expect(code).toBe(0);
}, 30_000);
