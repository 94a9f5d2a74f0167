import { createPublicKey, type JsonWebKey } from 'node:crypto';
import fc from 'fast-check';
import { calculateJwkThumbprint } from 'jose';
import { expect, test } from 'vitest';
import { describeKid, kidOf, shortFingerprints } from '../../src/jwe/thumbprint.ts';
import { makePair } from './pairs.ts';
import { readVector } from './vectors.ts';

const vector = readVector<{ key: JsonWebKey; thumbprint: string }>('rfc7638-3.1');

test('the key of RFC 7638 §3.1 has the published thumbprint', () => {
  const key = createPublicKey({ key: vector.key, format: 'jwk' });
  expect(kidOf(key)).toBe(vector.thumbprint);
});

test('a kid is the thumbprint that jose computes', async () => {
  const modulus = fc.uint8Array({ minLength: 256, maxLength: 512 });
  await fc.assert(
    fc.asyncProperty(modulus, async (bytes) => {
      const n = Buffer.from(bytes).toString('base64url');
      const key = createPublicKey({ key: { kty: 'RSA', n, e: 'AQAB' }, format: 'jwk' });
      const jwk = key.export({ format: 'jwk' }) as { kty: string };
      expect(kidOf(key)).toBe(await calculateJwkThumbprint(jwk, 'sha256'));
    }),
  );
});

test('a kid has 43 characters and does not depend on how the key is written', async () => {
  const pair = await makePair();
  const jwk = { ...pair.key.export({ format: 'jwk' }), kid: 'x', use: 'enc', alg: 'RSA-OAEP-256' };
  const pkcs1 = pair.key.export({ type: 'pkcs1', format: 'pem' });
  const keys = [pair.key, createPublicKey(pkcs1), createPublicKey({ key: jwk, format: 'jwk' })];
  for (const key of keys) expect(kidOf(key)).toBe(pair.kid);
  expect(kidOf(createPublicKey(pair.privateKey))).toBe(pair.kid);
  expect(pair.kid).toMatch(/^[A-Za-z0-9_-]{43}$/);
});

test('a fingerprint is 16 groups of four hex digits, then the kid', () => {
  const hex = Buffer.from(vector.thumbprint, 'base64url').toString('hex');
  const shown = describeKid(vector.thumbprint);
  expect(shown).toMatch(/^([0-9a-f]{4} ){16}\(NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs\)$/);
  expect(shown.replaceAll(' ', '').slice(0, 64)).toBe(hex);
});

test('a short fingerprint has as many groups as tell the keys apart, and one at least', () => {
  const kid = (hex: string) => Buffer.from(hex.padEnd(64, '0'), 'hex').toString('base64url');
  const [a, b, c] = [kid('14f9e4391'), kid('14f9e4392'), kid('15f9')];
  expect([a, c].map(shortFingerprints([a, c, a, 'x', 'y']))).toEqual(['14f9…', '15f9…']);
  expect([a, b].map(shortFingerprints([a, b, c]))).toEqual(['14f9 e439 1000…', '14f9 e439 2000…']);
});
