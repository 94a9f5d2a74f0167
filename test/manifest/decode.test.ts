import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { KsealError } from '../../src/errors.ts';
import { decodeManifest } from '../../src/manifest/read.ts';

function errorOf(bytes: Uint8Array): KsealError {
  try {
    decodeManifest(bytes, 'db.yaml');
  } catch (error) {
    if (error instanceof KsealError) return error;
  }
  throw new Error('no KsealError');
}

describe('decodeManifest', () => {
  it('keeps a byte order mark and every other character', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), fc.boolean(), (text, mark) => {
        const source = `ab${text}`;
        const marked = mark ? `\uFEFF${source}` : source;
        expect(decodeManifest(Buffer.from(marked), 'db.yaml')).toBe(marked);
      }),
    );
  });

  it('keeps a replacement character in the text', () => {
    expect(decodeManifest(Buffer.from('a\uFFFDb'), 'db.yaml')).toBe('a\uFFFDb');
  });

  it('reads an empty file', () => {
    expect(decodeManifest(new Uint8Array(), 'db.yaml')).toBe('');
  });

  const utf16 = Buffer.from('apiVersion: v1\n', 'utf16le');
  it.each([
    ['little-endian with a mark', Buffer.concat([Buffer.from([0xff, 0xfe]), utf16])],
    [
      'big-endian with a mark',
      Buffer.concat([Buffer.from([0xfe, 0xff]), Buffer.from(utf16).swap16()]),
    ],
    ['little-endian', utf16],
    ['big-endian', Buffer.from(utf16).swap16()],
  ])('rejects UTF-16, %s, with the fix for PowerShell', (_, bytes) => {
    const error = errorOf(bytes);
    expect(error.code).toBe('MANIFEST_INVALID');
    expect(error.message).toBe('db.yaml: UTF-16 text, not UTF-8');
    expect(error.hint).toContain('Set-Content -Encoding utf8');
  });

  it.each([
    [[0x61, 0x3a, 0xff, 0x62], 3],
    [[0x61, 0xc3], 2],
    [[0x61, 0x62, 0xed, 0xa0, 0x80], 3],
    [[0x61, 0x62, 0xc0, 0x80], 3],
  ])('names the first byte in %j that is not UTF-8', (bytes, place) => {
    const error = errorOf(Uint8Array.from(bytes));
    expect(error.code).toBe('MANIFEST_INVALID');
    expect(error.message).toBe(`db.yaml: invalid UTF-8 at byte ${place}`);
  });
});
