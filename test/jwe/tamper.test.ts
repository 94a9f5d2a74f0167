import { describe, expect, test } from 'vitest';
import { check, checkBits, sealedValues } from './tampering.ts';

const { values, outcome } = await sealedValues();

describe.each(values)('a value %s', (_, value) => {
  test('opens unchanged', async () => {
    expect(await outcome(value)).toEqual({ result: 'opened', calls: 1 });
  });

  // Using the key is slow; the lowest bit turns most characters into others of base64url.
  test.each([
    [0, 'header', 8],
    [1, 'encrypted key', 1],
    [2, 'initialization vector', 8],
    [3, 'ciphertext', 8],
    [4, 'authentication tag', 8],
  ])('does not open with a bit of segment %i, the %s, changed', (segment, _name, bits) =>
    checkBits(outcome, value, segment, bits),
  );

  test('does not open with a character removed or inserted', async () => {
    const seen = new Map<string, number>();
    for (let at = 0; at < value.length; at += 7) {
      const [before, after] = [value.subarray(0, at), value.subarray(at)];
      await check(outcome, Buffer.concat([before, after.subarray(1)]), seen);
      await check(outcome, Buffer.concat([before, Buffer.from('A'), after]), seen);
    }
    expect(seen.get('JWE_MALFORMED')).toBeGreaterThan(50);
  });

  test('does not open with two segments swapped', async () => {
    const parts = value.toString().split('.');
    const seen = new Map<string, number>();
    for (let a = 0; a < 5; a++) {
      for (let b = a + 1; b < 5; b++) {
        const order = parts.map((part, at) => (at === a ? parts[b] : at === b ? parts[a] : part));
        await check(outcome, Buffer.from(order.join('.')), seen);
      }
    }
    // The IV, the tag and the shortest ciphertext have the same length.
    expect(seen.get('DECRYPTION_FAILED')).toBe(3);
  });
});
