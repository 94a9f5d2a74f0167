import { describe, expect, test } from 'vitest';
import type { CompactJwe } from '../../src/jwe/compact.ts';
import type { KeyState, OpeningKey } from '../../src/jwe/decrypt.ts';
import { candidatesFor } from '../../src/unseal/keyring.ts';
import { thrownBy } from '../jwe/thrown.ts';

const kidOf = (letter: string) => letter.repeat(43);

/** A key that must not be called. */
function key(letter: string, modulusBytes = 256, state: KeyState = 'active'): OpeningKey {
  const decryptKey = () => Promise.reject(new Error('called'));
  return { kid: kidOf(letter), modulusBytes, state, decryptKey };
}

const bytes = new Uint8Array(16);
function jwe(kid: string | undefined, bound: boolean, length = 256): CompactJwe {
  return {
    header: {
      ...(bound && { binding: { scope: 'cluster-wide' } }),
      ...(kid !== undefined && { kid }),
    },
    encryptedKey: new Uint8Array(length),
    aad: bytes,
    iv: bytes,
    ciphertext: bytes,
    tag: bytes,
  };
}

const keyring = [key('a'), key('b'), key('c', 384), key('d')];
const chosen = (value: CompactJwe, keys = keyring, options = {}) =>
  candidatesFor(value, keys, options)
    .map(({ kid }) => kid[0])
    .join('');

describe('a value whose kid is in the keyring', () => {
  test.each([true, false])('is tried with that key alone, bound or not: %s', (bound) => {
    expect(chosen(jwe(kidOf('b'), bound))).toBe('b');
    expect(chosen(jwe(kidOf('c'), bound, 384))).toBe('c');
  });

  test.each([255, 257, 384, 1])('is malformed with an encrypted key of %i bytes', (length) => {
    for (const bound of [true, false]) {
      expect(thrownBy(() => candidatesFor(jwe(kidOf('b'), bound, length), keyring))).toMatchObject({
        code: 'JWE_MALFORMED',
        message: `JWE encrypted key has ${length} bytes, expected 256 for its RSA key`,
      });
    }
  });

  test('opens with a deprecated key', () => {
    const deprecated = key('a', 256, 'deprecated');
    expect(candidatesFor(jwe(kidOf('a'), true), [deprecated])).toEqual([deprecated]);
  });

  test('does not open with a revoked key unless that is allowed', () => {
    const revoked = [key('a', 256, 'revoked')];
    for (const bound of [true, false]) {
      const value = jwe(kidOf('a'), bound);
      expect(thrownBy(() => candidatesFor(value, revoked))).toEqual({
        code: 'KEY_REVOKED',
        message: expect.stringMatching(/^sealed to revoked key a{43}$/),
        hint: 'seal a new value, or move this one: kseal rekey FILE --to NEW --allow-revoked',
      });
      expect(candidatesFor(value, revoked, { allowRevoked: true })).toEqual(revoked);
    }
  });
});

describe('a bound value whose kid is not in the keyring', () => {
  test('is an error that names its key and the given ones', () => {
    const given = [key('a'), key('b')];
    expect(thrownBy(() => candidatesFor(jwe(kidOf('x'), true), given))).toEqual({
      code: 'KEY_UNKNOWN',
      message: expect.stringMatching(/^sealed to key .*x{43}.*; keys given: .*a{43}.*, .*b{43}/),
      hint: 'pass its key with -k',
    });
  });

  test('is an error with an empty keyring', () => {
    const { code, message } = thrownBy(() => candidatesFor(jwe(kidOf('x'), true), []));
    expect([code, message]).toEqual(['KEY_UNKNOWN', expect.stringMatching(/; keys given: none$/)]);
  });
});

describe('an unbound value whose kid is not in the keyring', () => {
  test.each([undefined, '', 'prod-2019', kidOf('x'), '__proto__'])(
    'is tried with the keys of its length, whatever its kid: %s',
    (kid) => {
      expect(chosen(jwe(kid, false))).toBe('abd');
      expect(chosen(jwe(kid, false, 384))).toBe('c');
    },
  );

  test('is tried with the first four keys at most', () => {
    const many = [...'zabcdefg'].map((letter) => key(letter, letter === 'z' ? 512 : 256));
    expect(chosen(jwe(undefined, false), many)).toBe('abcd');
  });

  test('is not tried with revoked keys unless that is allowed', () => {
    const some = [key('a', 256, 'revoked'), key('b', 256, 'deprecated'), key('c')];
    expect(chosen(jwe(undefined, false), some)).toBe('bc');
    expect(chosen(jwe(undefined, false), some, { allowRevoked: true })).toBe('abc');
  });

  test.each([255, 512])(
    'is an error that does not quote the kid if no modulus has %i bytes',
    (length) => {
      const { code, message } = thrownBy(() =>
        candidatesFor(jwe('CANARY', false, length), keyring),
      );
      expect(code).toBe('KEY_UNKNOWN');
      expect(message).toContain(`sealed to an unknown RSA-${length * 8} key; keys given: a`);
      expect(message).not.toContain('CANARY');
    },
  );
});
