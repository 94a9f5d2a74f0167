import { describe, expect, test } from 'vitest';
import { readCompact } from '../../src/jwe/compact.ts';
import { readSealedValue } from '../../src/jwe/detect.ts';
import { boundHeader, withHeader } from './malformed.ts';
import { thrownBy } from './thrown.ts';

const compact = withHeader(boundHeader);
const encode = (text: string) => Buffer.from(text).toString('base64');
const [head, encrypted_key, iv, ciphertext, tag] = compact.split('.');
const flat = JSON.stringify({ protected: head, encrypted_key, iv, ciphertext, tag });

test('a sealed value is read', () => {
  expect(readSealedValue(Buffer.from(compact))).toEqual(readCompact(Buffer.from(compact)));
});

test.each([
  ['nothing', ''],
  ['a password', 'password'],
  ['text with four dots', 'a.b.c.d.e'],
  ['a JWS', `${Buffer.from('{"alg":"RS256"}').toString('base64url')}.e30.AA`],
  ['other JSON', '{"auths":{}}'],
  ['three layers of base64', encode(encode(compact))],
])('%s is left alone', (_, text) => {
  expect(readSealedValue(Buffer.from(text))).toBeUndefined();
});

describe('what looks sealed and is not to be opened', () => {
  test.each([
    ['base64 once too often', encode(compact), 'JWE_MALFORMED', 'base64-encoded once too often'],
    [
      'base64 once too often, and cut',
      encode(compact).slice(0, 30),
      'JWE_MALFORMED',
      'once too often',
    ],
    ['JSON', flat, 'JWE_REFUSED', 'only the compact form is opened'],
    ['a newline at the end', `${compact}\n`, 'JWE_MALFORMED', 'a line break or a space behind'],
    ['the beginning alone', compact.slice(0, 15), 'JWE_MALFORMED', 'five segments'],
    ['half of it', compact.slice(0, 400), 'JWE_MALFORMED', 'five segments'],
    ['two of them', compact + compact, 'JWE_MALFORMED', 'five segments'],
  ])('%s', (_, text, code, message) => {
    const said = thrownBy(() => readSealedValue(Buffer.from(text)));
    expect(said).toMatchObject({ code, message: expect.stringContaining(message) });
    expect(`${said.message} ${said.hint}`).not.toContain(text.slice(0, 12));
  });
});
