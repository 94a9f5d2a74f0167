import { generateKeyPairSync } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { readCompact } from '../../src/jwe/compact.ts';
import { decryptCompact } from '../../src/jwe/decrypt.ts';
import { encryptCompact } from '../../src/jwe/encrypt.ts';
import { openingKeyFromFile, publicKeyFromFile, readKeyFile } from '../../src/keys/key-file.ts';
import { makePair, type Pair } from '../jwe/pairs.ts';
import { rejectionOf } from '../jwe/thrown.ts';

const folder = mkdtempSync(join(tmpdir(), 'kseal-keys-'));
afterAll(() => rmSync(folder, { recursive: true }));

const [pair, other, odd] = await Promise.all([makePair(), makePair(), makePair(2052)]);

function save(name: string, content: string | Buffer): string {
  writeFileSync(join(folder, name), content);
  return join(folder, name);
}

const paths = {
  pub: save('prod.pub', pair.publicPem),
  pem: save('prod.pem', pair.privatePem),
  pkcs1: save('pkcs1.pem', pair.privateKey.export({ type: 'pkcs1', format: 'pem' })),
  jwk: save('prod.jwk', JSON.stringify(pair.privateKey.export({ format: 'jwk' }))),
};

const seal = async (to: Pair) =>
  readCompact(Buffer.from(await encryptCompact(Buffer.from('P'), { scope: 'cluster-wide' }, to)));

describe('a public key file', () => {
  test('seals for its pair', async () => {
    const key = await publicKeyFromFile(paths.pub, 'prod.pub');
    expect(key).toMatchObject({ kid: pair.kid, bits: 2048 });
    expect(key.key.equals(pair.key)).toBe(true);
  });

  test.each(['pem', 'pkcs1', 'jwk'] as const)(
    'with a private key (%s) is refused, and not quoted',
    async (form) => {
      const { code, message, hint } = await rejectionOf(
        publicKeyFromFile(paths[form], 'a key.pem'),
      );
      expect(code).toBe('KEY_INVALID');
      expect(message).toBe('a key.pem: is a private key, expected a public key');
      expect(hint).toBe("openssl pkey -in 'a key.pem' -pubout -out key.pub");
    },
  );

  test('with a weak exponent is refused by every function', async () => {
    const weak = generateKeyPairSync('rsa', { modulusLength: 2048, publicExponent: 3 });
    const pub = save('weak.pub', weak.publicKey.export({ type: 'spki', format: 'pem' }));
    const pem = save('weak.pem', weak.privateKey.export({ type: 'pkcs8', format: 'pem' }));
    for (const refusal of [
      readKeyFile(pub, 'weak.pub'),
      publicKeyFromFile(pub, 'weak.pub'),
      openingKeyFromFile(pem, 'weak.pem'),
    ]) {
      expect(await rejectionOf(refusal)).toMatchObject({
        code: 'KEY_INVALID',
        message: expect.stringContaining('RSA public exponent is 3, must be 65537'),
      });
    }
  });
});

describe('a private key file', () => {
  test.each(['pem', 'pkcs1', 'jwk'] as const)(
    'opens values sealed to its pair: %s',
    async (form) => {
      const key = await openingKeyFromFile(paths[form], form);
      expect(key).toMatchObject({ kid: pair.kid, modulusBytes: 256, state: 'active' });
      expect(
        Buffer.from((await decryptCompact(await seal(pair), [key])).plaintext).toString(),
      ).toBe('P');
    },
  );

  test('returns undefined for another key and for another length', async () => {
    const key = await openingKeyFromFile(paths.pem, 'prod.pem');
    for (const bytes of [
      (await seal(other)).encryptedKey,
      Buffer.alloc(256, 0xff),
      Buffer.alloc(9),
    ]) {
      expect(await key.decryptKey(bytes)).toBeUndefined();
    }
  });

  test('with an odd length has encrypted keys as long as its modulus, rounded up', async () => {
    const key = await openingKeyFromFile(save('odd.pem', odd.privatePem), 'odd.pem');
    const jwe = await seal(odd);
    expect([key.modulusBytes, jwe.encryptedKey.length]).toEqual([257, 257]);
    expect(Buffer.from((await decryptCompact(jwe, [key])).plaintext).toString()).toBe('P');
  });

  test('with a public key is refused', async () => {
    expect(await rejectionOf(openingKeyFromFile(paths.pub, 'prod.pub'))).toMatchObject({
      code: 'KEY_INVALID',
      message: 'prod.pub: is a public key, expected a private key',
    });
  });
});

describe('a path without a key file', () => {
  mkdirSync(join(folder, 'folder'));
  test.each([
    ['nothing', 'missing.pub', 'no such file'],
    ['a folder', 'folder', 'is a folder, not a file'],
    ['a path below a file', 'prod.pub/x', 'no such file'],
    ['a file of more than 64 KiB', 'large.pub', 'larger than 65536 bytes'],
  ])('%s is an IO error', async (_, name, message) => {
    save('large.pub', pair.publicPem.padEnd(64 * 1024 + 1));
    expect(await rejectionOf(readKeyFile(join(folder, name), 'shown'))).toMatchObject({
      code: 'IO',
      message: `shown: ${message}`,
    });
  });

  test('a file of 64 KiB is accepted', async () => {
    const path = save('largest.pub', pair.publicPem.padEnd(64 * 1024));
    expect((await readKeyFile(path, 'shown')).kid).toBe(pair.kid);
  });
});
