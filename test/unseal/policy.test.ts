import { FlattenedEncrypt } from 'jose';
import { describe, expect, test } from 'vitest';
import type { OpeningKey } from '../../src/jwe/decrypt.ts';
import { AskedKey, makePair } from '../jwe/pairs.ts';
import { opens, refuses, secrets } from '../jwe/secrets.ts';

const { pair, other, seal, sealUnbound, open, outcome } = await secrets();
const nothing = opens({}, 0);

/** A Secret of `count` sealed values and one plain one. */
async function secretOf(count: number) {
  const value = await seal('A', 'any', 'cluster-wide');
  const entries = Array.from({ length: count }, (_, n) => [`key-${n}`, value]);
  return Object.fromEntries([['plain', 'P'], ...entries]) as Record<string, string>;
}

describe('a value of another tool', () => {
  test('is refused without a call, and opened if that is allowed', async () => {
    const data = { a: sealUnbound('A') };
    expect(await outcome(data)).toEqual(refuses({ a: 'JWE_REFUSED' }));
    expect((await open(data)).messages[0]).toContain(
      'not bound to a Secret: sealed by another tool',
    );
    expect(await outcome(data, { acceptUnbound: true })).toEqual(opens({ a: 'A' }, 1));
  });

  test.each([false, true])(
    'is left alone if the Secret held it before, accepted or not: %s',
    async (acceptUnbound) => {
      const value = sealUnbound('A');
      expect(await outcome({ a: value }, { before: { a: value }, acceptUnbound })).toEqual(nothing);
    },
  );

  test('is not left alone if the Secret held it under another key, or another value', async () => {
    const value = sealUnbound('A');
    for (const before of [{ a: sealUnbound('A') }, { b: value }, { a: value.slice(0, -1) }, {}]) {
      expect((await open({ a: value }, { before })).codes).toEqual({ a: 'JWE_REFUSED' });
    }
  });

  test('with an unknown kid is tried with the keys that fit, in order', async () => {
    const value = sealUnbound('A', ',"kid":"prod-2019"');
    const keys = [new AskedKey(other), new AskedKey(pair)];
    const { opened } = await open({ a: value }, { acceptUnbound: true, keyring: keys });
    expect([opened, keys.map(({ asked }) => asked.length)]).toEqual([{ a: 'A' }, [1, 1]]);
  });

  test('with the kid of a key is tried with that key alone', async () => {
    const value = sealUnbound('A', `,"kid":"${other.kid}"`);
    const keys = [new AskedKey(pair), new AskedKey(other)];
    const { codes } = await open({ a: value }, { acceptUnbound: true, keyring: keys });
    expect([codes, keys.map(({ asked }) => asked.length)]).toEqual([
      { a: 'DECRYPTION_FAILED' },
      [0, 1],
    ]);
  });

  test('is tried with four keys at most', async () => {
    const keys = Array.from({ length: 6 }, () => new AskedKey(pair));
    const value = sealUnbound('A', '', other);
    const { codes } = await open({ a: value }, { acceptUnbound: true, keyring: keys });
    expect(codes).toEqual({ a: 'DECRYPTION_FAILED' });
    expect(keys.map(({ asked }) => asked.length)).toEqual([1, 1, 1, 1, 0, 0]);
  });
});

describe('a value that the Secret held before', () => {
  test('is opened if it is bound, so that a Secret that was stored sealed heals', async () => {
    const value = await seal('A', 'a');
    expect(await outcome({ a: value }, { before: { a: value } })).toEqual(opens({ a: 'A' }, 1));
  });

  test('is refused if it is damaged', async () => {
    for (const value of [`${await seal('A', 'a')}\n`, `${sealUnbound('A')}=`]) {
      const { codes, calls } = await open({ a: value }, { before: { a: value } });
      expect([codes, calls]).toEqual([{ a: 'JWE_MALFORMED' }, 0]);
    }
  });

  test('is left alone if it is plain', async () => {
    expect(await outcome({ a: 'A' }, { before: { a: 'A' } })).toEqual(nothing);
  });
});

describe('the key', () => {
  test('that is missing is an error that names it, without a call', async () => {
    const { codes, messages, calls } = await open({ a: await seal('A', 'a', 'strict', other) });
    expect([codes, calls]).toEqual([{ a: 'KEY_UNKNOWN' }, 0]);
    expect(messages[0]).toContain(other.kid);
    expect(messages[0]).toContain(pair.kid);
  });

  test('that is deprecated opens, with a warning for each value', async () => {
    const data = { a: await seal('A', 'a'), plain: 'P' };
    const { opened, warnings } = await open(data, { state: 'deprecated' });
    expect(opened).toEqual({ a: 'A' });
    expect(warnings).toEqual({ a: expect.stringMatching(/^sealed to deprecated key /) });
    expect(warnings.a).toContain(pair.kid);
    expect((await open(data)).warnings).toEqual({});
  });

  test('that is revoked is not called unless that is allowed', async () => {
    const data = { a: await seal('A', 'a') };
    const { codes, messages, calls } = await open(data, { state: 'revoked' });
    expect([codes, calls]).toEqual([{ a: 'KEY_REVOKED' }, 0]);
    expect(messages[0]).toContain(pair.kid);
    const more = { state: 'revoked', allowRevoked: true } as const;
    expect(await outcome(data, more)).toEqual(opens({ a: 'A' }, 1));
  });

  test('with another length than the encrypted key is not called', async () => {
    const longer = await makePair(2056);
    const value = (await seal('A', 'a')).split('.');
    value[1] = Buffer.alloc(257, 1).toString('base64url');
    expect(await outcome({ a: value.join('.') })).toEqual(refuses({ a: 'JWE_MALFORMED' }));
    const keyring = [new AskedKey(longer)];
    const { codes } = await open({ a: sealUnbound('A') }, { acceptUnbound: true, keyring });
    expect([codes, keyring[0]?.asked]).toEqual([{ a: 'KEY_UNKNOWN' }, []]);
  });
});

describe('sealed values do not nest', () => {
  test.each(['bare', 'in base64', 'in JSON'])(
    'one that opens to another is refused: %s',
    async (form) => {
      const inner = await new FlattenedEncrypt(Buffer.from('A'))
        .setProtectedHeader({ alg: 'RSA-OAEP-256', enc: 'A128CBC-HS256' })
        .encrypt(pair.key);
      const { protected: head, encrypted_key, iv, ciphertext, tag } = inner;
      const compact = [head, encrypted_key, iv, ciphertext, tag].join('.');
      const text =
        { bare: compact, 'in base64': btoa(compact), 'in JSON': JSON.stringify(inner) }[form] ?? '';
      const { opened, codes } = await open({ a: await seal(text, 'a') });
      expect([opened, codes]).toEqual([{}, { a: 'JWE_REFUSED' }]);
    },
  );

  test('an extra layer of base64 and JSON are refused without a call', async () => {
    const value = await seal('A', 'a');
    const [head, encrypted_key, iv, ciphertext, tag] = value.split('.');
    const json = JSON.stringify({ protected: head, encrypted_key, iv, ciphertext, tag });
    expect(await outcome({ a: btoa(value), b: json })).toEqual(
      refuses({ a: 'JWE_MALFORMED', b: 'JWE_REFUSED' }),
    );
  });
});

describe('many values', () => {
  test('are opened in parallel, sixteen at the same time', async () => {
    const { opened, key } = await open(await secretOf(200));
    expect([Object.keys(opened).length, key.asked.length, key.busiest]).toEqual([200, 200, 16]);
  });

  test('are in the order of the data, whichever call answers first', async () => {
    const key = new AskedKey(pair);
    let answered = () => {};
    const second = new Promise<void>((resolve) => {
      answered = resolve;
    });
    const { kid, modulusBytes, state } = key;
    const slow: OpeningKey = {
      kid,
      modulusBytes,
      state,
      decryptKey: async (encryptedKey) => {
        const isFirst = key.asked.length === 0;
        const cek = await key.decryptKey(encryptedKey);
        if (isFirst) await second;
        else answered();
        return cek;
      },
    };
    const data = { z: await seal('Z', 'z'), a: await seal('A', 'a') };
    expect(Object.keys((await open(data, { keyring: [slow] })).opened)).toEqual(['z', 'a']);
  });

  test('that are damaged count too, so the number of checks is limited', async () => {
    const damaged = Array.from({ length: 1000 }, (_, n) => [`key-${n}`, 'eyJhbGciOiJSU0E']);
    const { codes, calls } = await open(Object.fromEntries(damaged));
    expect([Object.keys(codes).length, calls]).toEqual([257, 0]);
  });

  test('are limited to 256; one more is refused without a call', async () => {
    expect(Object.keys((await open(await secretOf(256))).opened)).toHaveLength(256);
    const { opened, codes, messages, calls } = await open(await secretOf(257));
    expect([opened, Object.values(codes), calls]).toEqual([{}, ['VALUE_REFUSED'], 0]);
    expect(messages[0]).toMatch(/more than 256 sealed values in one Secret \(split the Secret\)$/);
  });
});
