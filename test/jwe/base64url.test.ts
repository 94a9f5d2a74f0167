import fc from 'fast-check';
import { expect, test } from 'vitest';
import { decodeBase64url } from '../../src/jwe/encoding.ts';

test('any bytes are decoded from their canonical encoding', () => {
  fc.assert(
    fc.property(fc.uint8Array(), (bytes) => {
      const text = Buffer.from(bytes).toString('base64url');
      expect(decodeBase64url(text)).toEqual(Buffer.from(bytes));
    }),
  );
});

test('no other encoding of the same bytes is accepted', () => {
  const character = fc.constantFrom(...'ABQgwx_-+/= \n.\0é');
  let decoded = 0;
  fc.assert(
    fc.property(fc.string({ unit: character, maxLength: 6 }), (text) => {
      const bytes = decodeBase64url(text);
      if (bytes !== undefined) decoded++;
      expect([undefined, text]).toContain(bytes?.toString('base64url'));
    }),
    { numRuns: 2000 },
  );
  expect(decoded).toBeGreaterThan(50);
});

test.each([
  ['padding', 'YQ=='],
  ['incomplete padding', 'YQ='],
  ['spare bits', 'YR'],
  ['four spare bits', 'YWJ'],
  ['a single character', 'Y'],
  ['an incomplete group at the end', 'YWJjY'],
  ['the alphabet of base64', '//++'],
  ['a space within', 'YW Jj'],
  ['a newline at the end', 'YWJj\n'],
  ['a character outside of both alphabets', 'YW!Jj'],
  ['a byte above 127', 'YW\u00ffJj'],
  ['a Cyrillic letter', 'YW\u0430Jj'],
])('%s: undefined', (_, text) => {
  expect(decodeBase64url(text)).toBeUndefined();
});
