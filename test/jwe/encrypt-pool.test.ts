import { createPublicKey, generateKeyPairSync } from 'node:crypto';
import { syncBuiltinESMExports } from 'node:module';
import workerThreads from 'node:worker_threads';
import { compactDecrypt } from 'jose';
import { expect, onTestFinished, test } from 'vitest';
import { readCompact } from '../../src/jwe/compact.ts';
import { decryptCompact } from '../../src/jwe/decrypt.ts';
import { type EncryptPool, newEncryptPool } from '../../src/jwe/encrypt-pool.ts';
import { AskedKey, makePair } from './pairs.ts';
import { rejectionOf } from './thrown.ts';

const [pair, other] = await Promise.all([makePair(), makePair()]);

function newPool(): EncryptPool {
  const pool = newEncryptPool();
  onTestFinished(pool.end);
  return pool;
}

/** Values of different lengths, the first of which is empty. */
const values = (count: number, name: string) =>
  Array.from({ length: count }, (_, at) => ({
    bytes: Buffer.from(`CANARY ${name} `.repeat(at % 7)),
    binding: { scope: 'strict', namespace: 'hr', name, key: `k${at}` } as const,
  }));

test('threads seal the values of several calls, to several keys, each in its order', async () => {
  const pool = newPool();
  const calls = [1, 2, 300, 0, 5].map((count, at) => ({
    all: values(count, `s${at}`),
    to: at % 2 === 0 ? pair : other,
  }));
  const sealed = await Promise.all(calls.map(({ all, to }) => pool.encrypt(all, to)));
  for (const [at, { all, to }] of calls.entries()) {
    const jwes = (sealed[at] ?? []).map((jwe) => readCompact(Buffer.from(jwe)));
    expect(jwes.map(({ header }) => header.binding)).toEqual(all.map(({ binding }) => binding));
    expect(new Set(jwes.map(({ header }) => header.kid)).size).toBe(all.length > 0 ? 1 : 0);
    const key = new AskedKey(to);
    const opened = await Promise.all(jwes.map((jwe) => decryptCompact(jwe, [key])));
    expect(opened.map(({ plaintext }) => `${plaintext}`)).toEqual(
      all.map(({ bytes }) => `${bytes}`),
    );
  }
  const { plaintext } = await compactDecrypt(sealed[2]?.[299] ?? '', pair.privateKey);
  expect(Buffer.from(plaintext)).toEqual(values(300, 's2')[299]?.bytes);
});

test('the caller keeps its plaintexts', async () => {
  const all = values(3, 'db');
  await newPool().encrypt(all, pair);
  expect(all).toEqual(values(3, 'db'));
});

test('a thread that fails fails every value, without a plaintext in the error', async () => {
  const { publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const wrong = {
    ...pair,
    key: createPublicKey(publicKey.export({ format: 'pem', type: 'spki' })),
  };
  const pool = newPool();
  const failed = await Promise.all([
    rejectionOf(pool.encrypt(values(5, 'db'), wrong)),
    rejectionOf(pool.encrypt(values(200, 'web'), pair)),
  ]);
  // Later values fail as well.
  failed.push(await rejectionOf(pool.encrypt(values(1, 'late'), pair)));
  for (const error of failed)
    expect(error).toEqual({
      code: 'IO',
      message: 'a thread that seals values has failed',
      hint: 'run the command again',
    });
});

test.each([0, 1])('values are sealed even if only %i threads can be started', async (allowed) => {
  const { Worker } = workerThreads;
  const replaceWorker = (replacement: typeof Worker) => {
    workerThreads.Worker = replacement;
    syncBuiltinESMExports();
  };
  onTestFinished(() => replaceWorker(Worker));
  let started = 0;
  replaceWorker(
    class extends Worker {
      constructor(...args: ConstructorParameters<typeof Worker>) {
        if (started === allowed) throw new Error('EAGAIN');
        started += 1;
        super(...args);
      }
    },
  );
  const all = values(500, 'db');
  const jwes = await newPool().encrypt(all, pair);
  const bindings = jwes.map((jwe) => readCompact(Buffer.from(jwe)).header.binding);
  expect(bindings).toEqual(all.map(({ binding }) => binding));
  expect(started).toBe(allowed);
});
