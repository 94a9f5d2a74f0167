import { describe, expect, test } from 'vitest';
import { looksSealed } from '../../src/jwe/detect.ts';
import { encryptCompact } from '../../src/jwe/encrypt.ts';
import { unsealData } from '../../src/unseal/unseal.ts';
import { makeJwe } from '../helpers/jwe.ts';
import { AskedKey, makePair } from './pairs.ts';

const pair = await makePair();
const place = { namespace: 'hr', name: 'db' };
const plaintext = Buffer.from('correct horse');

const values: Record<string, Buffer> = {
  'sealed by kseal': Buffer.from(
    await encryptCompact(plaintext, { scope: 'strict', ...place, key: 'password' }, pair),
  ),
  'of another tool': Buffer.from(
    makeJwe(plaintext, pair.publicPem, '{"alg":"RSA-OAEP-256","enc":"A128CBC-HS256","x":"?~"}'),
  ),
};

/** The error of a value in a Secret, or else `opened` or `left`. */
async function outcome(bytes: Buffer) {
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
}

const damaged =
  'DECRYPTION_FAILED: decryption failed (seal the value again; it is damaged or sealed to another key)';

/** Checks the outcome of `changed`, and counts its code in `seen`. */
async function check(changed: Buffer, seen: Map<string, number>) {
  const { result, calls } = await outcome(changed);
  const code = result.split(':')[0] ?? '';
  seen.set(code, (seen.get(code) ?? 0) + 1);
  if (code === 'DECRYPTION_FAILED') expect([result, calls]).toEqual([damaged, 1]);
  else if (code === 'left') expect([looksSealed(changed), calls]).toEqual([false, 0]);
  else expect([code, calls]).toEqual([expect.stringMatching(/^(JWE|KEY|BINDING)_/), 0]);
}

describe.each(Object.entries(values))('a value %s', (_, value) => {
  const starts = [0];
  for (let at = value.indexOf('.'); at >= 0; at = value.indexOf('.', at + 1)) starts.push(at + 1);
  const segments = starts.map((start, index) => [
    start,
    (starts[index + 1] ?? value.length + 1) - 1,
  ]);

  test('opens unchanged', async () => {
    expect(await outcome(value)).toEqual({ result: 'opened', calls: 1 });
  });

  test.each([
    [0, 'header'],
    [1, 'encrypted key'],
    [2, 'initialization vector'],
    [3, 'ciphertext'],
    [4, 'authentication tag'],
  ])('does not open with any one bit of segment %i, the %s, changed', async (segment, name) => {
    const [start = 0, end = 0] = segments[segment] ?? [];
    // Using the key is slow, and the low bits turn most characters into others of base64url.
    const bits = name === 'encrypted key' ? 3 : 8;
    const seen = new Map<string, number>();
    for (let at = start; at < end; at++) {
      for (let bit = 0; bit < bits; bit++) {
        const changed = Buffer.from(value);
        changed[at] = (changed[at] ?? 0) ^ (1 << bit);
        await check(changed, seen);
      }
    }
    // Each segment has changes that only the key or the tag can detect.
    if (name !== 'header') expect(seen.get('DECRYPTION_FAILED')).toBeGreaterThan(20);
    expect([...seen.values()].reduce((sum, n) => sum + n)).toBe((end - start) * bits);
  });

  test('does not open with a character removed or inserted', async () => {
    const seen = new Map<string, number>();
    for (let at = 0; at < value.length; at += 7) {
      await check(Buffer.concat([value.subarray(0, at), value.subarray(at + 1)]), seen);
      await check(
        Buffer.concat([value.subarray(0, at), Buffer.from('A'), value.subarray(at)]),
        seen,
      );
    }
    expect(seen.get('JWE_MALFORMED')).toBeGreaterThan(50);
  });

  test('does not open with two segments swapped', async () => {
    const parts = value.toString().split('.');
    const seen = new Map<string, number>();
    for (let a = 0; a < 5; a++) {
      for (let b = a + 1; b < 5; b++) {
        const order = parts.map((part, at) => (at === a ? parts[b] : at === b ? parts[a] : part));
        await check(Buffer.from(order.join('.')), seen);
      }
    }
    // The IV, the tag and the shortest ciphertext have the same length.
    expect(seen.get('DECRYPTION_FAILED')).toBe(3);
  });
});
