import { expect, test, vi } from 'vitest';
import { KsealError } from '../../../src/errors.ts';
import type { OpeningKey } from '../../../src/jwe/decrypt.ts';
import { askedFor, fairShare } from '../../../src/webhook/server/key-calls.ts';
import { createMetrics } from '../../../src/webhook/server/metrics.ts';
import { valueIn } from './served.ts';

const bytes = Buffer.from('encrypted key');

function asked(decryptKey: OpeningKey['decryptKey'], total = 2) {
  const metrics = createMetrics();
  const key: OpeningKey = { kid: 'k', modulusBytes: 256, state: 'deprecated', decryptKey };
  const [first] = askedFor('hr', [key], { share: fairShare(total), metrics });
  if (first === undefined) throw new Error('no key');
  const count = async (outcome: string) =>
    valueIn(
      await metrics.registry.metrics(),
      `kseal_key_request_duration_seconds_count{outcome="${outcome}"}`,
    );
  return { key: first, count };
}

test('passes on the question and its deadline, and the answer; the key stays what it is', async () => {
  const seen: unknown[] = [];
  const deadline = performance.now() + 60_000;
  const { key, count } = asked(async (...args) => {
    seen.push(args);
    return bytes;
  });
  expect(await key.decryptKey(bytes, deadline)).toBe(bytes);
  expect(seen).toEqual([[bytes, deadline]]);
  expect(key).toMatchObject({ kid: 'k', modulusBytes: 256, state: 'deprecated' });
  expect(await count('answered')).toBe(1);
});

test.each<[string, () => Promise<undefined>, string]>([
  ['is away', () => Promise.reject(new KsealError('KEY_UNAVAILABLE', 'x')), 'KEY_UNAVAILABLE'],
  ['has a bug', () => Promise.reject(new TypeError('CANARY')), 'failed'],
])('a key that %s is counted as such', async (_, decryptKey, outcome) => {
  const { key, count } = asked(decryptKey);
  await key.decryptKey(bytes).catch(() => {});
  expect(await count(outcome)).toBe(1);
});

test('a key that rejects what it is asked is counted as one that answers: who reads the metrics must not learn which', async () => {
  const { key, count } = asked(async () => undefined);
  expect(await key.decryptKey(bytes)).toBeUndefined();
  expect(await count('answered')).toBe(1);
});

test('W20: what has waited for its turn until the deadline is not asked any more', async () => {
  let asks = 0;
  let answer = (_: Uint8Array) => {};
  const { key } = asked(() => {
    asks += 1;
    return new Promise((resolve) => {
      answer = resolve;
    });
  });
  const first = key.decryptKey(bytes);
  await vi.waitFor(() => expect(asks).toBe(1), { interval: 1 });
  const second = key.decryptKey(bytes, performance.now());
  answer(bytes);
  await first;
  await expect(second).rejects.toMatchObject({ code: 'KEY_DEADLINE' });
  expect(asks).toBe(1);
});
