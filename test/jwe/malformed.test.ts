import { describe, expect, test } from 'vitest';
import { readCompact } from '../../src/jwe/compact.ts';
import type { OpeningKey } from '../../src/jwe/decrypt.ts';
import { unsealData } from '../../src/unseal/unseal.ts';
import {
  boundHeader,
  compactOf,
  KID,
  MODULUS_BYTES,
  malformedTexts,
  segmentNames,
  soundParts,
  withHeader,
} from './malformed.ts';
import { malformedBindings } from './malformed-bindings.ts';
import { malformedHeaders } from './malformed-headers.ts';
import { thrownBy } from './thrown.ts';

/** A key that counts how often it is used. */
function countingKey(): OpeningKey & { calls: number } {
  return {
    kid: KID,
    modulusBytes: MODULUS_BYTES,
    state: 'active',
    calls: 0,
    async decryptKey() {
      this.calls++;
      return Buffer.alloc(32);
    },
  };
}

/** Opens a Secret that holds `bytes` with the most permissive policy. */
async function open(bytes: Buffer) {
  const key = countingKey();
  const result = await unsealData({
    place: { namespace: 'hr', name: 'db' },
    data: new Map([['password', bytes]]),
    keyring: [key],
    policy: { acceptUnbound: true, allowRevoked: true, maxScope: 'cluster-wide' },
  });
  return { ...result, calls: key.calls };
}

// Each form has one defect, so the value that it was made from must be sound.
test.each([
  ['unbound', compactOf(soundParts)],
  ['bound', withHeader(boundHeader)],
])('the %s value that the forms are made from is parsed, and its key is used', async (_, text) => {
  expect(readCompact(Buffer.from(text)).header.kid).toBe(KID);
  const { errors, calls } = await open(Buffer.from(text));
  expect([errors.get('password')?.code, calls]).toEqual(['DECRYPTION_FAILED', 1]);
});

test('a lenient decoder decodes every lenient form to the sound value', () => {
  const lenient = malformedTexts.filter(({ name }) => name.includes(': '));
  expect(lenient).toHaveLength(segmentNames.length * 7);
  for (const { name, bytes } of lenient) {
    const segments = bytes.toString('latin1').split('.');
    const decoded = segments.map((segment) => Buffer.from(segment, 'base64url'));
    expect(decoded, name).toEqual(soundParts);
    expect(bytes.toString('latin1'), name).not.toBe(compactOf(soundParts));
  }
});

describe.each([
  ['text', malformedTexts],
  ['header', malformedHeaders],
  ['binding', malformedBindings],
])('%s', (_, forms) => {
  test('form names are unique', () => {
    expect(new Set(forms.map(({ name }) => name)).size).toBe(forms.length);
  });

  describe.each(forms.map((form) => [form.name, form] as const))('%s', (_name, form) => {
    const { code, bytes, unlikeSealed } = form;
    test(`is ${code}`, () => {
      expect(thrownBy(() => readCompact(bytes)).code).toBe(code);
    });

    test(
      unlikeSealed ? 'is left alone in a Secret' : 'is rejected without using a key',
      async () => {
        const { opened, errors, calls } = await open(bytes);
        expect([opened.size, calls]).toEqual([0, 0]);
        expect(errors.get('password')?.code).toBe(unlikeSealed ? undefined : code);
      },
    );
  });
});

test('there are only these messages, none of which quotes a value', () => {
  const forms = [...malformedTexts, ...malformedHeaders, ...malformedBindings];
  const messages = forms.map(({ bytes }) => thrownBy(() => readCompact(bytes)).message);
  expect([...new Set(messages)].sort()).toMatchInlineSnapshot(`
    [
      "JWE authentication tag has the wrong length",
      "JWE authentication tag is not canonical base64url",
      "JWE ciphertext has the wrong length",
      "JWE ciphertext is not canonical base64url",
      "JWE does not have five segments",
      "JWE encrypted key has the wrong length",
      "JWE encrypted key is not canonical base64url",
      "JWE initialization vector has the wrong length",
      "JWE initialization vector is not canonical base64url",
      "JWE is larger than 1.5 MiB",
      "JWE protected header is not canonical base64url",
      "protected header has a duplicate member",
      "protected header is larger than 4096 bytes",
      "protected header is not JSON",
      "protected header is not UTF-8",
      "protected header is not a JSON object",
      "protected header member alg must be RSA-OAEP-256",
      "protected header member b64 is not allowed",
      "protected header member crit is not allowed",
      "protected header member enc must be A128CBC-HS256",
      "protected header member kid is not a string",
      "protected header member kseal is malformed",
      "protected header member zip is not allowed",
      "white space after the JWE",
    ]
  `);
});
