import fc from 'fast-check';
import { expect, test } from 'vitest';
import { decodeBase64url } from '../../src/jwe/encoding.ts';

test('any bytes come back from their canonical text', () => {
  fc.assert(
    fc.property(fc.uint8Array(), (bytes) => {
      const text = Buffer.from(bytes).toString('base64url');
      expect(decodeBase64url(text)).toEqual(Buffer.from(bytes));
    }),
  );
});

test('whatever is read has no other text', () => {
  const character = fc.constantFrom(...'ABQgwx_-+/= \n.\0é');
  let read = 0;
  fc.assert(
    fc.property(fc.string({ unit: character, maxLength: 6 }), (text) => {
      const bytes = decodeBase64url(text);
      if (bytes !== undefined) read++;
      expect([undefined, text]).toContain(bytes?.toString('base64url'));
    }),
    { numRuns: 2000 },
  );
  expect(read).toBeGreaterThan(50);
});

test.each([
  ['padding', 'YQ=='],
  ['padding in part', 'YQ='],
  ['spare bits', 'YR'],
  ['spare bits of four', 'YWJ'],
  ['a single character', 'Y'],
  ['one character too many', 'YWJjY'],
  ['the alphabet of base64', '//++'],
  ['a space within', 'YW Jj'],
  ['a newline at the end', 'YWJj\n'],
  ['a character of no alphabet', 'YW!Jj'],
  ['an byte above 127', 'YW\u00ffJj'],
  ['a character that only looks right', 'YW\u0430Jj'],
])('%s is undefined', (_, text) => {
  expect(decodeBase64url(text)).toBeUndefined();
});
