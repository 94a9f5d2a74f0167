import { describe, expect, test } from 'vitest';
import { readCompact } from '../../src/jwe/compact.ts';
import { readSealedValue } from '../../src/jwe/detect.ts';
import { boundHeader, withHeader } from './malformed.ts';
import { thrownBy } from './thrown.ts';

const compact = withHeader(boundHeader);
const encode = (text: string) => Buffer.from(text).toString('base64');
const [head, encrypted_key, iv, ciphertext, tag] = compact.split('.');
const flat = JSON.stringify({ protected: head, encrypted_key, iv, ciphertext, tag });

test('a sealed value is parsed', () => {
  expect(readSealedValue(Buffer.from(compact))).toEqual(readCompact(Buffer.from(compact)));
});

test.each([
  ['an empty value', ''],
  ['a password', 'password'],
  ['text with four dots', 'a.b.c.d.e'],
  ['a JWS', `${Buffer.from('{"alg":"RS256"}').toString('base64url')}.e30.AA`],
  ['other JSON', '{"auths":{}}'],
  ['three layers of base64', encode(encode(compact))],
])('%s is left alone', (_, text) => {
  expect(readSealedValue(Buffer.from(text))).toBeUndefined();
});

describe('a value that looks sealed but cannot be opened is an error', () => {
  test.each([
    ['an extra layer of base64', encode(compact), 'JWE_MALFORMED', 'extra layer of base64'],
    [
      'an extra layer of base64, cut',
      encode(compact).slice(0, 30),
      'JWE_MALFORMED',
      'extra layer of base64',
    ],
    ['JSON', flat, 'JWE_REFUSED', 'only the compact form can be opened'],
    ['a newline at the end', `${compact}\n`, 'JWE_MALFORMED', 'white space after'],
    ['only its beginning', compact.slice(0, 15), 'JWE_MALFORMED', 'five segments'],
    ['only its first half', compact.slice(0, 400), 'JWE_MALFORMED', 'five segments'],
    ['two JWEs', compact + compact, 'JWE_MALFORMED', 'five segments'],
  ])('%s', (_, text, code, message) => {
    const error = thrownBy(() => readSealedValue(Buffer.from(text)));
    expect(error).toMatchObject({ code, message: expect.stringContaining(message) });
    expect(`${error.message} ${error.hint}`).not.toContain(text.slice(0, 12));
  });
});
