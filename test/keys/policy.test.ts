import { createPublicKey, generateKeyPairSync, type JsonWebKey, randomBytes } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { parseKey } from '../../src/keys/key-file.ts';
import { makePair } from '../jwe/pairs.ts';
import { rejectionOf } from '../jwe/thrown.ts';

const pair = await makePair();
const good = pair.key.export({ format: 'jwk' });

/** A public key as two files: SPKI PEM and JWK. */
function written(jwk: JsonWebKey): Buffer[] {
  const pem = createPublicKey({ key: jwk, format: 'jwk' }).export({ type: 'spki', format: 'pem' });
  return [Buffer.from(pem), Buffer.from(JSON.stringify(jwk))];
}

const bitsOf = async (bytes: Buffer) => (await parseKey(bytes, 'prod.pub')).bits;
const refusal = (bytes: Buffer) => rejectionOf(parseKey(bytes, 'prod.pub'));

/** An odd modulus of exactly so many bits. */
function modulus(bits: number): string {
  const bytes = randomBytes(Math.ceil(bits / 8));
  const top = (bits - 1) % 8;
  bytes[0] = ((bytes[0] ?? 0) & ((1 << top) - 1)) | (1 << top);
  bytes[bytes.length - 1] = (bytes.at(-1) ?? 0) | 1;
  return bytes.toString('base64url');
}

describe('the public exponent', () => {
  test('65537 is accepted', async () => {
    for (const bytes of written(good)) expect(await bitsOf(bytes)).toBe(2048);
  });

  // With exponent 1 the encrypted key is the padded CEK itself.
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
  ])('%i is refused and named', async (exponent, e) => {
    for (const bytes of written({ ...good, e })) {
      expect(await refusal(bytes)).toEqual({
        code: 'KEY_INVALID',
        message: `prod.pub: RSA public exponent is ${exponent}, must be 65537`,
        hint: 'use an RSA key of 3072 or 4096 bits',
      });
    }
  });

  test('3 is refused for the public and the private key of a pair', async () => {
    const { publicKey, privateKey } = generateKeyPairSync('rsa', {
      modulusLength: 2048,
      publicExponent: 3,
    });
    const pems = [
      publicKey.export({ type: 'spki', format: 'pem' }),
      privateKey.export({ type: 'pkcs8', format: 'pem' }),
    ];
    for (const pem of pems)
      expect((await refusal(Buffer.from(pem))).message).toBe(
        'prod.pub: RSA public exponent is 3, must be 65537',
      );
  });
});

describe('the modulus', () => {
  test.each([2048, 2049, 3072, 4096, 8191, 8192])('of %i bits is accepted', async (bits) => {
    for (const bytes of written({ ...good, n: modulus(bits) }))
      expect(await bitsOf(bytes)).toBe(bits);
  });

  test.each([512, 1024, 2040, 2047, 8193, 16384])('of %i bits is refused', async (bits) => {
    for (const bytes of written({ ...good, n: modulus(bits) })) {
      expect(await refusal(bytes)).toMatchObject({
        code: 'KEY_INVALID',
        message: `prod.pub: RSA modulus has ${bits} bits, must have 2048 to 8192`,
      });
    }
  });

  test('with leading zeros is refused, because they would make it look longer', async () => {
    const n = Buffer.concat([Buffer.alloc(128), Buffer.from(modulus(1024), 'base64url')]);
    const bytes = Buffer.from(JSON.stringify({ ...good, n: n.toString('base64url') }));
    expect((await refusal(bytes)).message).toContain('not canonical base64url');
  });
});

describe('another kind of key', () => {
  test.each([
    ['ec', () => generateKeyPairSync('ec', { namedCurve: 'P-256' })],
    ['ed25519', () => generateKeyPairSync('ed25519')],
    ['x25519', () => generateKeyPairSync('x25519')],
    ['rsa-pss', () => generateKeyPairSync('rsa-pss', { modulusLength: 2048 })],
  ] as const)('%s is refused and named', async (type, generate) => {
    const pem = generate().publicKey.export({ type: 'spki', format: 'pem' });
    expect(await refusal(Buffer.from(pem))).toMatchObject({
      code: 'KEY_INVALID',
      message: `prod.pub: key type is ${type}, must be rsa`,
    });
  });
});
