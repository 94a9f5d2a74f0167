import { createCipheriv, createDecipheriv, createHmac, randomBytes } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { decryptContent, encryptContent } from '../../src/jwe/content.ts';
import { type JweVector, readVector } from './vectors.ts';

type EncryptedContent = Parameters<typeof decryptContent>[1];

/** Encrypts by RFC 7518 §5.2.2.1; `padded` replaces the padded plaintext. */
function encrypt(cek: Buffer, iv: Buffer, aad: Buffer, padded: Buffer): EncryptedContent {
  const cipher = createCipheriv('aes-128-cbc', cek.subarray(16), iv).setAutoPadding(false);
  const ciphertext = Buffer.concat([cipher.update(padded), cipher.final()]);
  return { aad, iv, ciphertext, tag: tagOf(cek, aad, iv, ciphertext) };
}

function tagOf(cek: Buffer, aad: Buffer, iv: Buffer, ciphertext: Buffer): Buffer {
  const al = Buffer.alloc(8);
  al.writeBigUInt64BE(BigInt(aad.length) * 8n);
  const mac = createHmac('sha256', cek.subarray(0, 16));
  return mac
    .update(Buffer.concat([aad, iv, ciphertext, al]))
    .digest()
    .subarray(0, 16);
}

function pad(plaintext: Uint8Array): Buffer {
  const missing = 16 - (plaintext.length % 16);
  return Buffer.concat([plaintext, Buffer.alloc(missing, missing)]);
}

const bytes = (length: number) => fc.uint8Array({ minLength: length, maxLength: length });

describe('RFC 7518 appendix B.1', () => {
  const vector =
    readVector<Record<'K' | 'P' | 'IV' | 'A' | 'AL' | 'E' | 'M' | 'T', string>>('rfc7518-b.1');
  const hex = (name: keyof typeof vector) => Buffer.from(vector[name], 'hex');
  const content = { aad: hex('A'), iv: hex('IV'), ciphertext: hex('E'), tag: hex('T') };

  test('the vector agrees with node:crypto', () => {
    const decipher = createDecipheriv('aes-128-cbc', hex('K').subarray(16), hex('IV'));
    expect(Buffer.concat([decipher.update(hex('E')), decipher.final()])).toEqual(hex('P'));
    const authenticated = Buffer.concat([hex('A'), hex('IV'), hex('E'), hex('AL')]);
    const mac = createHmac('sha256', hex('K').subarray(0, 16)).update(authenticated).digest();
    expect(mac).toEqual(hex('M'));
    expect(mac.subarray(0, 16)).toEqual(hex('T'));
  });

  test('opens', () => {
    expect(decryptContent(hex('K'), content)).toEqual(hex('P'));
  });

  test('is made from its key, IV, AAD and plaintext', () => {
    const { aad, iv, ciphertext, tag } = content;
    const made = encryptContent(hex('K'), { aad, iv, plaintext: hex('P') });
    expect(made).toEqual({ ciphertext, tag });
  });

  test.each(['aad', 'iv', 'ciphertext', 'tag'] as const)(
    'does not open with any bit of its %s changed',
    (part) => {
      for (let bit = 0; bit < content[part].length * 8; bit++) {
        const changed = Buffer.from(content[part]);
        changed[bit >> 3] = (changed[bit >> 3] ?? 0) ^ (1 << (bit & 7));
        expect(decryptContent(hex('K'), { ...content, [part]: changed })).toBeUndefined();
      }
    },
  );

  test('does not open to the plaintext with any bit of its key changed', () => {
    for (let bit = 0; bit < hex('K').length * 8; bit++) {
      const key = hex('K');
      key[bit >> 3] = (key[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      // The tag does not cover the second half of the key; changing that half changes the plaintext.
      expect(decryptContent(key, content)).not.toEqual(hex('P'));
    }
  });
});

test.each(['rfc7516-a.2', 'rfc7520-5.1'])(
  'the published CEK makes and opens the content of %s',
  (name) => {
    const { jwe, cek, plaintext } = readVector<JweVector>(name);
    const [aad = '', , ...rest] = jwe.split('.');
    const [iv, ciphertext, tag] = rest.map((segment) => Buffer.from(segment, 'base64url'));
    if (!iv || !ciphertext || !tag) throw new Error('not five segments');
    const content = { aad: Buffer.from(aad), iv, ciphertext, tag };
    expect(decryptContent(Buffer.from(cek, 'base64url'), content)?.toString()).toBe(plaintext);
    const given = { aad: content.aad, iv, plaintext: Buffer.from(plaintext) };
    expect(encryptContent(Buffer.from(cek, 'base64url'), given)).toEqual({ ciphertext, tag });
  },
);

test('any plaintext is encrypted by the RFC, and comes back, with any AAD, key and IV', () => {
  fc.assert(
    fc.property(
      bytes(32),
      bytes(16),
      fc.uint8Array({ maxLength: 300 }),
      fc.uint8Array({ maxLength: 300 }),
      (cek, iv, aad, plaintext) => {
        const content = encrypt(
          Buffer.from(cek),
          Buffer.from(iv),
          Buffer.from(aad),
          pad(plaintext),
        );
        expect(decryptContent(cek, content)).toEqual(Buffer.from(plaintext));
        const { ciphertext, tag } = content;
        expect(encryptContent(cek, { aad, iv, plaintext })).toEqual({ ciphertext, tag });
      },
    ),
  );
});

describe('badly padded content', () => {
  const [cek, iv, aad] = [randomBytes(32), randomBytes(16), Buffer.from('aad')];
  const block = (last: number[]) =>
    Buffer.concat([Buffer.alloc(16 - last.length, 9), Buffer.from(last)]);

  test.each([
    ['a last byte of 0', block([0])],
    ['a last byte of 17', block([17])],
    ['bytes that differ', block([3, 2, 3])],
    ['more padding than content', block([255])],
  ])('%s: undefined, although the tag is correct', (_, padded) => {
    expect(decryptContent(cek, encrypt(cek, iv, aad, padded))).toBeUndefined();
  });

  test('a ciphertext that does not fill whole blocks: undefined, although the tag is correct', () => {
    const ciphertext = randomBytes(17);
    const tag = tagOf(cek, aad, iv, ciphertext);
    expect(decryptContent(cek, { aad, iv, ciphertext, tag })).toBeUndefined();
  });

  // CVE-2021-29444: the padding must not matter when the tag is wrong.
  test('good and bad padding fail alike under a wrong tag', () => {
    for (const padded of [pad(Buffer.from('text')), block([17])]) {
      const content = { ...encrypt(cek, iv, aad, padded), tag: Buffer.alloc(16) };
      expect(decryptContent(cek, content)).toBeUndefined();
    }
  });
});
