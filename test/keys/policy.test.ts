import { createPublicKey, generateKeyPairSync, type JsonWebKey, randomBytes } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { checkRsa, readKeyText } from '../../src/keys/key-file.ts';
import { makePair } from '../jwe/pairs.ts';
import { thrownBy } from '../jwe/thrown.ts';

const pair = await makePair();
const good = pair.key.export({ format: 'jwk' });

/** A public key as a file would bring it, both as SPKI PEM and as JWK. */
function written(jwk: JsonWebKey): Buffer[] {
  const pem = createPublicKey({ key: jwk, format: 'jwk' }).export({ type: 'spki', format: 'pem' });
  return [Buffer.from(pem), Buffer.from(JSON.stringify(jwk))];
}

const check = (bytes: Buffer) => checkRsa(readKeyText(bytes, 'prod.pub').key, 'prod.pub');

/** An odd modulus of exactly so many bits; nobody knows its factors. */
function modulus(bits: number): string {
  const bytes = randomBytes(Math.ceil(bits / 8));
  const top = (bits - 1) % 8;
  bytes[0] = ((bytes[0] ?? 0) & ((1 << top) - 1)) | (1 << top);
  bytes[bytes.length - 1] = (bytes.at(-1) ?? 0) | 1;
  return bytes.toString('base64url');
}

describe('the public exponent', () => {
  test('65537 is accepted', () => {
    for (const bytes of written(good)) expect(check(bytes)).toBe(2048);
  });

  // With exponent 1 the encrypted key is the padded CEK itself, for anyone to read.
  test.each([
    [0, 'AA'],
    [1, 'AQ'],
    [1, 'AAAB'],
    [2, 'Ag'],
    [3, 'Aw'],
    [17, 'EQ'],
    [65535, '__8'],
    [65536, 'AQAA'],
    [65538, 'AQAC'],
    [4294967297, 'AQAAAAE'],
  ])('%i is refused by its name', (exponent, e) => {
    for (const bytes of written({ ...good, e })) {
      expect(thrownBy(() => check(bytes))).toEqual({
        code: 'KEY_INVALID',
        message: `prod.pub: RSA public exponent ${exponent}, not 65537`,
        hint: 'use an RSA key of 3072 or 4096 bits',
      });
    }
  });

  test('3 is refused on a whole pair that node made, also on its private half', () => {
    const { publicKey, privateKey } = generateKeyPairSync('rsa', {
      modulusLength: 2048,
      publicExponent: 3,
    });
    for (const key of [publicKey, privateKey]) {
      expect(thrownBy(() => checkRsa(key, 'k')).message).toBe(
        'k: RSA public exponent 3, not 65537',
      );
    }
  });
});

describe('the modulus', () => {
  test.each([2048, 2049, 3072, 4096, 8191, 8192])('of %i bits is accepted', (bits) => {
    for (const bytes of written({ ...good, n: modulus(bits) })) expect(check(bytes)).toBe(bits);
  });

  test.each([512, 1024, 2040, 2047, 8193, 16384])('of %i bits is refused by its length', (bits) => {
    for (const bytes of written({ ...good, n: modulus(bits) })) {
      expect(thrownBy(() => check(bytes))).toMatchObject({
        code: 'KEY_INVALID',
        message: `prod.pub: RSA modulus of ${bits} bits, outside 2048 to 8192`,
      });
    }
  });

  test('zeros in front are refused, so they do not make it longer', () => {
    const n = Buffer.concat([Buffer.alloc(128), Buffer.from(modulus(1024), 'base64url')]);
    const bytes = Buffer.from(JSON.stringify({ ...good, n: n.toString('base64url') }));
    expect(thrownBy(() => check(bytes)).message).toContain('not canonical base64url');
  });
});

describe('another kind of key', () => {
  test.each([
    ['ec', () => generateKeyPairSync('ec', { namedCurve: 'P-256' })],
    ['ed25519', () => generateKeyPairSync('ed25519')],
    ['x25519', () => generateKeyPairSync('x25519')],
    ['rsa-pss', () => generateKeyPairSync('rsa-pss', { modulusLength: 2048 })],
  ] as const)('%s is refused by its name', (type, generate) => {
    const pem = generate().publicKey.export({ type: 'spki', format: 'pem' });
    expect(thrownBy(() => check(Buffer.from(pem)))).toMatchObject({
      code: 'KEY_INVALID',
      message: `prod.pub: is not an RSA encryption key but ${type}`,
    });
  });
});
