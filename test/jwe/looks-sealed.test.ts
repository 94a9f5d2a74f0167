import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { looksSealed, sealedLook } from '../../src/jwe/detect.ts';
import { encryptCompact } from '../../src/jwe/encrypt.ts';
import { makePair } from './pairs.ts';
import { checkPrefixes, hasPrefix, prefixes } from './prefixes.ts';

const encodeAgain = (text: string) => Buffer.from(text).toString('base64');

test('bytes look sealed exactly if their base64 begins with one of the four prefixes', () => {
  checkPrefixes(1000);
});

test('every byte of a prefix counts, and nothing after it', () => {
  for (const prefix of prefixes) {
    const bytes = Buffer.from(prefix, 'base64');
    expect(bytes.toString('base64')).toBe(prefix);
    expect(looksSealed(bytes)).toBe(true);
    expect(looksSealed(Buffer.concat([bytes, Buffer.from([0])]))).toBe(true);
    expect(looksSealed(bytes.subarray(0, -1))).toBe(false);
    for (let bit = 0; bit < bytes.length * 8; bit++) {
      const changed = Buffer.from(bytes);
      changed[bit >> 3] = (changed[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      expect(looksSealed(changed)).toBe(hasPrefix(changed));
    }
  }
});

test('a view into a larger buffer is judged on its own', () => {
  const larger = Buffer.from('xeyJhbGciOiJSU0E');
  expect(looksSealed(new Uint8Array(larger.buffer, larger.byteOffset + 1, 15))).toBe(true);
  expect(looksSealed(new Uint8Array(larger.buffer, larger.byteOffset + 1, 14))).toBe(false);
  expect(looksSealed(larger)).toBe(false);
});

describe('a sealed value', () => {
  const jwe = (header: string) => `${Buffer.from(header).toString('base64url')}.AA.AA.AA.AA`;

  test.each([
    '{"alg":"RSA-OAEP-256","enc":"A128CBC-HS256"}',
    '{"enc":"A128CBC-HS256","alg":"RSA-OAEP-256"}',
    '{"alg":"RSA-OAEP","enc":"A256GCM"}',
    '{"alg":"RSA1_5","enc":"A128CBC-HS256"}',
  ])('is recognised bare and base64-encoded once, but not twice: %s', (header) => {
    expect(sealedLook(Buffer.from(jwe(header)))).toBe('compact');
    expect(sealedLook(Buffer.from(encodeAgain(jwe(header))))).toBe('encoded-again');
    expect(sealedLook(Buffer.from(encodeAgain(encodeAgain(jwe(header)))))).toBe('no');
  });

  test('from kseal is recognised', async () => {
    const value = await encryptCompact(
      Buffer.from('x'),
      { scope: 'cluster-wide' },
      await makePair(),
    );
    expect(sealedLook(Buffer.from(value))).toBe('compact');
  });
});

describe('a JWS', () => {
  const algs = ['RS', 'PS', 'ES', 'HS'].flatMap((family) =>
    ['256', '384', '512'].map((bits) => family + bits),
  );
  const headers = (alg: string) =>
    fc
      .dictionary(fc.constantFrom('typ', 'kid', 'cty', 'jku', 'enc'), fc.string(), { maxKeys: 3 })
      .map((more) => [
        JSON.stringify({ alg, ...more }),
        JSON.stringify({ typ: 'JWT', alg, ...more }),
      ]);

  test.each([...algs, 'EdDSA', 'ES256K', 'none'])(
    'with %s does not look sealed, whatever its other members',
    (alg) => {
      fc.assert(
        fc.property(headers(alg), (texts) => {
          for (const text of texts) {
            const jws = `${Buffer.from(text).toString('base64url')}.e30.AA`;
            expect(looksSealed(Buffer.from(jws))).toBe(false);
            expect(looksSealed(Buffer.from(encodeAgain(jws)))).toBe(false);
          }
        }),
        { numRuns: 20 },
      );
    },
  );
});

test.each([
  ['an empty value', ''],
  ['a password', 'correct horse battery staple'],
  ['four dots', 'a.b.c.d.e'],
  ['a PEM block', '-----BEGIN PRIVATE KEY-----\nMIIE\n-----END PRIVATE KEY-----\n'],
  ['a Helm release', 'H4sIAAAAAAAC/6xWbW/bNhD+K4Q'],
  ['the header as JSON', '{"alg":"RSA-OAEP-256"}'],
  ['a leading space', ' eyJhbGciOiJSU0EtT0FFUC0yNTYi'],
])('%s does not look sealed', (_, text) => {
  expect(sealedLook(Buffer.from(text))).toBe('no');
});
