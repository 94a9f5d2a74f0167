import { createPublicKey } from 'node:crypto';
import { importJWK } from 'jose';
import { expect, test } from 'vitest';
import { publicKeyText } from '../../src/keys/key-file.ts';
import { makePair } from '../jwe/pairs.ts';

const pair = await makePair();

test('PEM is SPKI and ends with a line break', () => {
  const text = publicKeyText(pair, 'pem');
  expect(text).toBe(pair.publicPem);
  expect(text).toMatch(/^-----BEGIN PUBLIC KEY-----\n[\s\S]*\n-----END PUBLIC KEY-----\n$/);
});

test('a JWK has kid, use and alg, and no private member', async () => {
  const text = publicKeyText(pair, 'jwk');
  expect(text.endsWith('}\n')).toBe(true);
  const jwk = JSON.parse(text);
  expect(jwk).toEqual({
    kty: 'RSA',
    n: expect.any(String),
    e: 'AQAB',
    use: 'enc',
    alg: 'RSA-OAEP-256',
    kid: pair.kid,
  });
  expect(createPublicKey({ key: jwk, format: 'jwk' }).equals(pair.key)).toBe(true);
  await expect(importJWK(jwk)).resolves.toBeDefined();
});

test('only the public key of a pair is written', () => {
  const both = { ...pair, pem: pair.privatePem };
  for (const format of ['pem', 'jwk'] as const)
    expect(publicKeyText(both, format)).not.toContain('PRIVATE');
});
