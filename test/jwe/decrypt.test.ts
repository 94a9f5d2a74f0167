import { constants, createCipheriv, createHmac, publicEncrypt, randomBytes } from 'node:crypto';
import fc from 'fast-check';
import { CompactEncrypt } from 'jose';
import { describe, expect, test } from 'vitest';
import { type CompactJwe, readCompact } from '../../src/jwe/compact.ts';
import { decryptCompact } from '../../src/jwe/decrypt.ts';
import { makeJwe } from '../helpers/jwe.ts';
import { AskedKey, makePair } from './pairs.ts';
import { rejectionOf } from './thrown.ts';

const [pair, other] = await Promise.all([makePair(), makePair()]);
const header = { alg: 'RSA-OAEP-256', enc: 'A128CBC-HS256' } as const;

const byJose = (plaintext: Uint8Array, more: Record<string, unknown> = {}) =>
  new CompactEncrypt(plaintext).setProtectedHeader({ ...header, ...more }).encrypt(pair.key);
const read = (jwe: string) => readCompact(Buffer.from(jwe));

describe('a value of another tool', () => {
  test('from jose is opened', async () => {
    const key = new AskedKey(pair);
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 5000 }), async (plaintext) => {
        const { plaintext: opened } = await decryptCompact(read(await byJose(plaintext)), [key]);
        expect(Buffer.from(opened)).toEqual(Buffer.from(plaintext));
      }),
      { numRuns: 60 },
    );
  });

  test('may have a header in any JSON notation', async () => {
    const text = '{ "enc":"A128CBC-HS256",\n"x":["密"],  "alg":"RSA-OAEP-25\\u0036" }';
    const jwe = makeJwe(Buffer.from('P'), pair.publicPem, text);
    const { plaintext: opened } = await decryptCompact(read(jwe), [new AskedKey(pair)]);
    expect(Buffer.from(opened).toString()).toBe('P');
  });
});

/** A JWE in which any one part can be wrong. */
function craft({
  cek = randomBytes(32),
  wrapped = cek,
  hash = 'sha256',
  padded = Buffer.alloc(16, 16),
}: {
  cek?: Buffer;
  wrapped?: Buffer;
  hash?: string;
  padded?: Buffer;
} = {}): CompactJwe {
  const iv = randomBytes(16);
  const aad = Buffer.from('aad');
  const cipher = createCipheriv('aes-128-cbc', cek.subarray(16, 32), iv).setAutoPadding(false);
  const ciphertext = Buffer.concat([cipher.update(padded), cipher.final()]);
  const al = Buffer.from([0, 0, 0, 0, 0, 0, 0, 24]);
  const mac = createHmac('sha256', cek.subarray(0, 16));
  const tag = mac
    .update(Buffer.concat([aad, iv, ciphertext, al]))
    .digest()
    .subarray(0, 16);
  const padding = constants.RSA_PKCS1_OAEP_PADDING;
  const encryptedKey = publicEncrypt({ key: pair.publicPem, padding, oaepHash: hash }, wrapped);
  return { header: {}, aad, encryptedKey, iv, ciphertext, tag };
}

describe('a value that does not open', () => {
  const sound = craft();
  const defects: Record<string, CompactJwe> = {
    'the encrypted key of another value': { ...sound, encryptedKey: craft().encryptedKey },
    'a random encrypted key': { ...sound, encryptedKey: randomBytes(256) },
    'an encrypted key of zeros': { ...sound, encryptedKey: Buffer.alloc(256) },
    'an encrypted key above the modulus': { ...sound, encryptedKey: Buffer.alloc(256, 0xff) },
    'an encrypted key of the wrong length': { ...sound, encryptedKey: randomBytes(128) },
    'an encrypted key made with SHA-1': craft({ hash: 'sha1' }),
    'no CEK': craft({ wrapped: Buffer.alloc(0) }),
    ...Object.fromEntries(
      [1, 16, 31, 33, 64].map((length) => {
        const cek = randomBytes(64);
        return [`a CEK of ${length} bytes`, craft({ cek, wrapped: cek.subarray(0, length) })];
      }),
    ),
    'another tag': { ...sound, tag: craft().tag },
    'another IV': { ...sound, iv: randomBytes(16) },
    'another header': { ...sound, aad: Buffer.from('AAD') },
    'another ciphertext': { ...sound, ciphertext: randomBytes(32) },
    'bad padding under a correct tag': craft({ padded: Buffer.alloc(16) }),
  };

  test('the value that the defects are made from opens', async () => {
    expect((await decryptCompact(sound, [new AskedKey(pair)])).plaintext).toHaveLength(0);
  });

  test.each(Object.entries(defects))('%s: always the same message', async (_, jwe) => {
    const key = new AskedKey(pair);
    expect(await rejectionOf(decryptCompact(jwe, [key]))).toEqual({
      code: 'DECRYPTION_FAILED',
      message: 'decryption failed',
      hint: 'seal the value again; it is damaged or sealed to another key',
    });
    expect(key.asked).toHaveLength(1);
  });

  test('without a key: the same message', async () => {
    expect(await rejectionOf(decryptCompact(sound, []))).toMatchObject({
      code: 'DECRYPTION_FAILED',
    });
  });
});

describe('several keys', () => {
  test('are tried in order until one opens the value', async () => {
    const jwe = read(await byJose(Buffer.from('P')));
    const keys = [new AskedKey(other), new AskedKey(pair), new AskedKey(other)];
    expect(Buffer.from((await decryptCompact(jwe, keys)).plaintext).toString()).toBe('P');
    expect(keys.map(({ asked }) => asked.length)).toEqual([1, 1, 0]);
  });

  test('get the encrypted key and nothing else', async () => {
    const jwe = read(await byJose(Buffer.from('P')));
    const key = new AskedKey(pair);
    await decryptCompact(jwe, [key]);
    expect(key.asked).toEqual([jwe.encryptedKey]);
  });

  test('are not tried after one that throws', async () => {
    const down = {
      ...new AskedKey(pair),
      decryptKey: () => Promise.reject(new Error('KMS is down')),
    };
    const jwe = read(await byJose(Buffer.from('P')));
    await expect(decryptCompact(jwe, [down, new AskedKey(pair)])).rejects.toThrow('KMS is down');
  });
});
