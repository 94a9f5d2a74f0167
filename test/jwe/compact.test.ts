import { expect, test } from 'vitest';
import { MAX_VALUE_BYTES, readCompact } from '../../src/jwe/compact.ts';
import { boundHeader, compactOf, KID, soundParts } from './malformed.ts';

const text = compactOf([boundHeader, ...soundParts.slice(1)]);

test('segments are decoded, and the AAD is the encoded header', () => {
  const jwe = readCompact(Buffer.from(text));
  const { encryptedKey, iv, ciphertext, tag } = jwe;
  expect([encryptedKey, iv, ciphertext, tag]).toEqual(soundParts.slice(1));
  expect(jwe.aad).toEqual(Buffer.from(Buffer.from(boundHeader).toString('base64url')));
  expect(jwe.header).toEqual({
    binding: { scope: 'strict', namespace: 'hr', name: 'db', key: 'password' },
    kid: KID,
  });
});

test('a view into a larger buffer is parsed on its own', () => {
  const larger = Buffer.from(`..x.${text}.x..`);
  const part = new Uint8Array(larger.buffer, larger.byteOffset + 4, text.length);
  expect(readCompact(part)).toEqual(readCompact(Buffer.from(text)));
});

test('a value of 1.5 MiB is parsed, a larger one is not', () => {
  const withCiphertext = (bytes: number) =>
    compactOf([
      boundHeader,
      ...soundParts.slice(1, 3),
      Buffer.alloc(bytes),
      ...soundParts.slice(4),
    ]);
  const room = MAX_VALUE_BYTES - withCiphertext(0).length;
  const bytes = Math.floor((room * 3) / 4 / 16) * 16;
  const largest = withCiphertext(bytes);
  expect(largest.length).toBeGreaterThan(MAX_VALUE_BYTES - 22);
  expect(readCompact(Buffer.from(largest)).ciphertext).toHaveLength(bytes);
  const larger = withCiphertext(bytes + 16);
  expect(larger.length).toBeGreaterThan(MAX_VALUE_BYTES);
  expect(() => readCompact(Buffer.from(larger))).toThrow('larger than 1.5 MiB');
});
