import { constants, createPrivateKey, createPublicKey, privateDecrypt } from 'node:crypto';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { compactDecrypt } from 'jose';
import { describe, expect, test } from 'vitest';
import { readCompact } from '../../src/jwe/compact.ts';
import { kidOf } from '../../src/jwe/thumbprint.ts';
import { unsealData } from '../../src/unseal/unseal.ts';
import { AskedKey } from './pairs.ts';
import { thrownBy } from './thrown.ts';
import { type JweVector, readVector } from './vectors.ts';

test.each([
  ['rfc7516-a.2', 'refused'],
  ['rfc7518-b.1', 'opens'],
  ['rfc7520-5.1', 'refused'],
  ['rfc7520-5.2', 'refused'],
  ['rfc7638-3.1', 'thumbprint'],
])('%s names its source and its outcome: %s', (name, outcome) => {
  const vector = readVector<{ title: string; outcome: string }>(name);
  const [rfc = '', part = ''] = name.slice(3).split('-');
  const section = /^\d/.test(part) ? `section-${part}` : `appendix-${part.toUpperCase()}`;
  expect(vector.title).toBe(`https://www.rfc-editor.org/rfc/rfc${rfc}#${section}`);
  expect(vector.outcome).toBe(outcome);
});

test('every vector is tested', () => {
  const folder = join(import.meta.dirname, '../../fixtures/vectors');
  expect(readdirSync(folder)).toHaveLength(5);
});

// Sound published values with algorithms that kseal refuses even with the right key.
describe.each(['rfc7516-a.2', 'rfc7520-5.1', 'rfc7520-5.2'])('%s', (name) => {
  const vector = readVector<JweVector>(name);
  const privateKey = createPrivateKey({ key: vector.key, format: 'jwk' });
  const bytes = Buffer.from(vector.jwe);

  test('opens by the RFC', async () => {
    const [header = '', encryptedKey = ''] = vector.jwe.split('.');
    expect(Buffer.from(header, 'base64url').toString()).toBe(vector.header);
    if (vector.header.includes('"RSA-OAEP"')) {
      const { plaintext } = await compactDecrypt(vector.jwe, privateKey);
      expect(Buffer.from(plaintext).toString()).toBe(vector.plaintext);
      return;
    }
    // RFC 8017 §7.2.2, because jose no longer supports RSA1_5: EM = 00 || 02 || PS || 00 || M.
    const key = { key: privateKey, padding: constants.RSA_NO_PADDING };
    const em = privateDecrypt(key, Buffer.from(encryptedKey, 'base64url'));
    expect([em[0], em[1], em.indexOf(0, 2)]).toEqual([0, 2, em.length - 33]);
    expect(em.subarray(-32)).toEqual(Buffer.from(vector.cek, 'base64url'));
  });

  test('is refused, and the message names the member', () => {
    expect(thrownBy(() => readCompact(bytes))).toMatchObject({
      code: 'JWE_REFUSED',
      message: 'protected header member alg must be RSA-OAEP-256',
    });
  });

  test('is refused with its own key, which is never used', async () => {
    const publicKey = createPublicKey({ key: vector.key, format: 'jwk' });
    const bits = publicKey.asymmetricKeyDetails?.modulusLength ?? 0;
    const kid = kidOf(publicKey);
    const key = new AskedKey({ privateKey, kid, bits });
    const { opened, errors } = await unsealData({
      place: { namespace: 'hr', name: 'db' },
      data: new Map([['password', bytes]]),
      keyring: [key],
      policy: { acceptUnbound: true, allowRevoked: true, maxScope: 'cluster-wide' },
    });
    expect(errors.get('password')?.code).toBe('JWE_REFUSED');
    expect([opened.size, key.asked.length]).toEqual([0, 0]);
  });
});
