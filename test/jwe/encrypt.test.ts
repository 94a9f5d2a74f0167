import { randomBytes } from 'node:crypto';
import fc from 'fast-check';
import { CompactEncrypt, compactDecrypt } from 'jose';
import { describe, expect, test } from 'vitest';
import { type Binding, bindingTo, scopes } from '../../src/jwe/binding.ts';
import { protectedHeader, readCompact } from '../../src/jwe/compact.ts';
import { decryptCompact } from '../../src/jwe/decrypt.ts';
import { looksSealed } from '../../src/jwe/detect.ts';
import { encryptCompact } from '../../src/jwe/encrypt.ts';
import { cekOf } from '../helpers/jwe.ts';
import { AskedKey, makePair } from './pairs.ts';

const pair = await makePair();
const key = new AskedKey(pair);
const binding: Binding = { scope: 'strict', namespace: 'hr', name: 'db', key: 'password' };

const seal = (plaintext: Uint8Array) => encryptCompact(plaintext, binding, pair);
const open = async (jwe: string) =>
  (await decryptCompact(readCompact(Buffer.from(jwe)), [key])).plaintext;

test.each(scopes)('the header of a %s value has exactly these bytes', async (scope) => {
  const bound = bindingTo(scope, { namespace: 'hr', name: 'db', key: 'password' });
  const jwe = await encryptCompact(Buffer.from('x'), bound, pair);
  const header = Buffer.from(jwe.split('.')[0] ?? '', 'base64url').toString();
  expect(header).toBe(
    `{"alg":"RSA-OAEP-256","enc":"A128CBC-HS256","kseal":${JSON.stringify(bound)},"kid":"${pair.kid}"}`,
  );
});

describe('a sealed value', () => {
  const values: Record<string, Buffer> = {
    ...Object.fromEntries(
      [0, 1, 15, 16, 17, 31, 32, 33, 64 * 1024, 700_000].map((size) => [
        `${size} bytes`,
        Buffer.alloc(size, 'p'),
      ]),
    ),
    'all 256 bytes': Buffer.from(Array.from({ length: 256 }, (_, byte) => byte)),
    NUL: Buffer.alloc(3),
    'invalid UTF-8': Buffer.from([0xff, 0xc0, 0x80, 0xed, 0xa0, 0x80]),
    'an emoji': Buffer.from('\u{1f511}'),
    'a trailing newline': Buffer.from('password\n'),
    'a trailing CRLF': Buffer.from('password\r\n'),
    'a byte order mark': Buffer.from('\ufeffpassword'),
  };

  test.each(Object.entries(values))('opens to the same bytes: %s', async (_, plaintext) => {
    expect(Buffer.compare(await open(await seal(plaintext)), plaintext)).toBe(0);
  });

  test.each([0, 1, 15, 16, 17, 64 * 1024])(
    'of %i bytes from jose or from kseal is opened by both',
    async (size) => {
      const plaintext = randomBytes(size);
      const header = protectedHeader(binding, pair.kid);
      const byJose = new CompactEncrypt(plaintext).setProtectedHeader(header);
      for (const jwe of [await seal(plaintext), await byJose.encrypt(pair.key)]) {
        const opened = await compactDecrypt(jwe, pair.privateKey);
        expect(Buffer.compare(opened.plaintext, plaintext)).toBe(0);
        expect(opened.protectedHeader).toEqual(header);
        expect(Buffer.compare(await open(jwe), plaintext)).toBe(0);
      }
    },
  );

  test('is opened by jose and by kseal', async () => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 5000 }), async (plaintext) => {
        const jwe = await seal(plaintext);
        const byJose = await compactDecrypt(jwe, pair.privateKey);
        expect(Buffer.from(byJose.plaintext)).toEqual(Buffer.from(plaintext));
        expect(Buffer.from(await open(jwe))).toEqual(Buffer.from(plaintext));
        expect(looksSealed(Buffer.from(jwe))).toBe(true);
      }),
      { numRuns: 60 },
    );
  });

  test('reveals the length of the plaintext to within 16 bytes', async () => {
    const lengths = [0, 1, 14, 15, 16, 31, 32].map(async (length) => {
      const jwe = await seal(Buffer.alloc(length));
      return readCompact(Buffer.from(jwe)).ciphertext.length;
    });
    expect(await Promise.all(lengths)).toEqual([16, 16, 16, 16, 32, 32, 48]);
  });
});

test('a value sealed 200 times never has the same CEK, encrypted key, IV, ciphertext or tag', async () => {
  const jwes = await Promise.all(Array.from({ length: 200 }, () => seal(Buffer.from('password'))));
  const parts = jwes.map((jwe) => jwe.split('.'));
  expect(new Set(parts.map(([header]) => header)).size).toBe(1);
  for (const index of [1, 2, 3, 4]) {
    expect(new Set(parts.map((segments) => segments[index])).size).toBe(200);
  }
  const ceks = jwes.map((jwe) => cekOf(jwe, pair.privatePem)?.toString('hex'));
  expect(new Set(ceks).size).toBe(200);
  expect(new Set(ceks.map((cek) => cek?.length))).toEqual(new Set([64]));
});
