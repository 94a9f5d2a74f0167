import { expect } from 'vitest';
import { looksSealed } from '../../src/jwe/detect.ts';
import { encryptCompact } from '../../src/jwe/encrypt.ts';
import { unsealData } from '../../src/unseal/unseal.ts';
import { makeJwe } from '../helpers/jwe.ts';
import { AskedKey, makePair } from './pairs.ts';

export type Outcome = (bytes: Buffer) => Promise<{ result: string; calls: number }>;

/** A bound and an unbound value, and a function that opens a changed one with their key. */
export async function sealedValues() {
  const pair = await makePair();
  const place = { namespace: 'hr', name: 'db' };
  const plaintext = Buffer.from('correct horse');
  const header = '{"alg":"RSA-OAEP-256","enc":"A128CBC-HS256","x":"?~"}';
  const binding = { scope: 'strict', ...place, key: 'password' } as const;

  /** The error of a value in a Secret, or else `opened` or `left`. */
  const outcome: Outcome = async (bytes) => {
    const key = new AskedKey(pair);
    const { opened, errors } = await unsealData({
      place,
      data: new Map([['password', bytes]]),
      keyring: [key],
      policy: { acceptUnbound: true, allowRevoked: true, maxScope: 'cluster-wide' },
    });
    const error = errors.get('password');
    const result = error && `${error.code}: ${error.message} (${error.hint})`;
    return { result: result ?? (opened.size > 0 ? 'opened' : 'left'), calls: key.asked.length };
  };
  const values: readonly (readonly [name: string, value: Buffer])[] = [
    ['sealed by kseal', Buffer.from(await encryptCompact(plaintext, binding, pair))],
    ['of another tool', Buffer.from(makeJwe(plaintext, pair.publicPem, header))],
  ];
  return { values, outcome };
}

const damaged =
  'DECRYPTION_FAILED: decryption failed (seal the value again; it is damaged or sealed to another key)';

/** Checks the outcome of a changed value, and counts its code in `seen`. */
export async function check(outcome: Outcome, changed: Buffer, seen: Map<string, number>) {
  const { result, calls } = await outcome(changed);
  const code = result.split(':')[0] ?? '';
  seen.set(code, (seen.get(code) ?? 0) + 1);
  if (code === 'DECRYPTION_FAILED') expect([result, calls]).toEqual([damaged, 1]);
  else if (code === 'left') expect([looksSealed(changed), calls]).toEqual([false, 0]);
  else expect([code, calls]).toEqual([expect.stringMatching(/^(JWE|KEY|BINDING)_/), 0]);
}

/** Changes each of the low `bits` bits of each character of a segment, one at a time. */
export async function checkBits(outcome: Outcome, value: Buffer, segment: number, bits: number) {
  const text = value.toString('latin1').split('.');
  const start = text.slice(0, segment).join('.').length + Math.min(segment, 1);
  const end = start + (text[segment]?.length ?? 0);
  const seen = new Map<string, number>();
  for (let at = start; at < end; at++) {
    for (let bit = 0; bit < bits; bit++) {
      const changed = Buffer.from(value);
      changed[at] = (changed[at] ?? 0) ^ (1 << bit);
      await check(outcome, changed, seen);
    }
  }
  // Each segment has changes that only the key or the tag can detect.
  if (segment !== 0) expect(seen.get('DECRYPTION_FAILED')).toBeGreaterThan(20);
  expect([...seen.values()].reduce((sum, n) => sum + n)).toBe((end - start) * bits);
}
