import { describe, expect, test } from 'vitest';
import type { Binding } from '../../src/jwe/binding.ts';
import type { CompactJwe } from '../../src/jwe/compact.ts';
import { checkPlaintext, checkSealed } from '../../src/seal/value-warnings.ts';
import { boundHeader, withHeader } from '../jwe/malformed.ts';
import { thrownBy } from '../jwe/thrown.ts';

const relaxed = { strict: false, allow: new Set<string>() };
const strict = { strict: true, allow: new Set<string>() };
const plain = (value: string, policy = relaxed, type?: string, key = 'password') =>
  checkPlaintext(Buffer.from(value), key, type, policy);

describe('a plaintext', () => {
  test('without an accident needs no words', () => {
    expect(plain('hunter2')).toEqual([]);
    expect(plain('hunter2', strict)).toEqual([]);
  });

  test('with an accident is a warning, with its id and the way to silence it', () => {
    expect(plain('hunter2\n')).toEqual([
      {
        message:
          'the value ends with a newline, which most programs take for part of the password [trailing-newline]',
        hint: 'if that is meant: --allow trailing-newline',
      },
    ]);
  });

  test('that is allowed its accident is not warned of, but of every other', () => {
    const allow = new Set(['trailing-newline']);
    expect(plain('hunter2\n', { strict: false, allow })).toEqual([]);
    expect(plain('hunter2\n', { strict: true, allow })).toEqual([]);
    expect(plain('hunter2\r\n', { strict: false, allow })).toHaveLength(1);
  });

  test('with an accident is an error when that was asked for', () => {
    expect(thrownBy(() => plain(' CANARY\n', strict))).toEqual({
      code: 'VALUE_REFUSED',
      message: expect.stringMatching(/^the value .* \[trailing-newline\]$/),
      hint: 'if that is meant: --allow trailing-newline',
    });
  });

  const jwe = withHeader(boundHeader);
  const [head, encrypted_key, iv, ciphertext, tag] = jwe.split('.');
  const base64 = Buffer.from(jwe).toString('base64');
  test.each([
    ['as it is', jwe],
    ['with a newline', `${jwe}\n`],
    ['in base64', base64],
    ['in JSON', JSON.stringify({ protected: head, encrypted_key, iv, ciphertext, tag })],
    ['only its beginning', jwe.slice(0, 30)],
  ])('that is sealed already is refused: %s', (_, value) => {
    expect(thrownBy(() => plain(value))).toEqual({
      code: 'VALUE_REFUSED',
      message: 'the value is sealed already, and sealed values do not nest',
      hint: 'to take it over as it is: --from-jwe password=FILE',
    });
  });

  test('that its type forbids is refused, whatever is allowed', () => {
    const type = 'kubernetes.io/dockerconfigjson';
    expect(thrownBy(() => plain('CANARY', relaxed, type, '.dockerconfigjson'))).toEqual({
      code: 'VALUE_REFUSED',
      message: `the value is not a JSON object, as type ${type} requires`,
      hint: 'correct the value, or the type',
    });
    expect(plain('{"auths":{}}', strict, type, '.dockerconfigjson')).toEqual([]);
  });
});

describe('a value that is sealed already', () => {
  const place = { namespace: 'hr', name: 'db', key: 'password' };
  const binding: Binding = { scope: 'strict', ...place };
  const kid = 'k'.repeat(43);
  const none = new Uint8Array();
  const sealed = (header: CompactJwe['header']): CompactJwe => ({
    header,
    aad: none,
    encryptedKey: none,
    iv: none,
    ciphertext: none,
    tag: none,
  });

  test('may stay where it opens, when its key is known or none was given', () => {
    expect(checkSealed(sealed({ binding, kid }), place, new Set(['x', kid]))).toEqual([]);
    expect(checkSealed(sealed({ binding, kid }), place, undefined)).toEqual([]);
  });

  test('may not stay elsewhere, and both places are named', () => {
    const move = () => checkSealed(sealed({ binding, kid }), { ...place, name: 'db2' }, undefined);
    expect(thrownBy(move)).toMatchObject({
      code: 'BINDING_MISMATCH',
      message: 'sealed for hr/db, data key "password", found in hr/db2, data key "password"',
    });
  });

  test.each([[[]], [['x']]])('may not stay under a key that is not among %j', (kids) => {
    const check = () => checkSealed(sealed({ binding, kid }), place, new Set(kids));
    expect(thrownBy(check)).toMatchObject({
      code: 'KEY_UNKNOWN',
      message: expect.stringContaining(kid),
      hint: expect.stringContaining('kseal decrypt'),
    });
  });

  test('may stay with a warning when it is bound to no place', () => {
    const [warning, ...more] = checkSealed(sealed({ kid }), place, new Set());
    expect(warning?.message).toContain('is bound to no place');
    expect(more).toEqual([]);
  });
});
