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
  test('without anything unusual has no warnings', () => {
    expect(plain('hunter2')).toEqual([]);
    expect(plain('hunter2', strict)).toEqual([]);
  });

  test('with a newline at its end has a warning, which says how to silence it', () => {
    expect(plain('hunter2\n')).toEqual([
      {
        code: 'trailing-newline',
        message:
          'the value ends with a newline, which most programs treat as part of the password [trailing-newline]',
        hint: 'if that is intended: --allow trailing-newline',
      },
    ]);
  });

  test('with an allowed warning still has all others', () => {
    const allow = new Set(['trailing-newline']);
    expect(plain('hunter2\n', { strict: false, allow })).toEqual([]);
    expect(plain('hunter2\n', { strict: true, allow })).toEqual([]);
    expect(plain('hunter2\r\n', { strict: false, allow })).toHaveLength(1);
  });

  test('with a warning is refused under strict', () => {
    expect(thrownBy(() => plain(' CANARY\n', strict))).toEqual({
      code: 'VALUE_REFUSED',
      message: expect.stringMatching(/^the value .* \[trailing-newline\]$/),
      hint: 'if that is intended: --allow trailing-newline',
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
  ])('that is already sealed is refused: %s', (_, value) => {
    expect(thrownBy(() => plain(value))).toEqual({
      code: 'VALUE_REFUSED',
      message: 'already sealed, and sealed values cannot be nested',
      hint: 'to take over a sealed value: --from-jwe password=FILE',
    });
  });

  test('that its type forbids is always refused', () => {
    const type = 'kubernetes.io/dockerconfigjson';
    expect(thrownBy(() => plain('CANARY', relaxed, type, '.dockerconfigjson'))).toEqual({
      code: 'VALUE_REFUSED',
      message: `the value is not a JSON object, as type ${type} requires`,
      hint: 'correct the value, or the type',
    });
    expect(plain('{"auths":{}}', strict, type, '.dockerconfigjson')).toEqual([]);
  });
});

describe('a sealed value', () => {
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

  test('may stay if it opens there and its key is known, or no key is', () => {
    expect(checkSealed(sealed({ binding, kid }), place, new Set(['x', kid]))).toEqual([]);
    expect(checkSealed(sealed({ binding, kid }), place, undefined)).toEqual([]);
  });

  test('must not be in another place, and the error names both', () => {
    const move = () => checkSealed(sealed({ binding, kid }), { ...place, name: 'db2' }, undefined);
    expect(thrownBy(move)).toMatchObject({
      code: 'BINDING_MISMATCH',
      message: 'sealed for hr/db, data key "password", found in hr/db2, data key "password"',
    });
  });

  test.each([[[]], [['x']]])('must not have another key than one of %j', (kids) => {
    const check = () => checkSealed(sealed({ binding, kid }), place, new Set(kids));
    expect(thrownBy(check)).toMatchObject({
      code: 'KEY_UNKNOWN',
      message: expect.stringContaining(kid),
      hint: expect.stringContaining('kseal decrypt'),
    });
  });

  test('may stay unbound, with a warning', () => {
    const [warning, ...more] = checkSealed(sealed({ kid }), place, new Set());
    expect(warning?.message).toContain('is not bound to a Secret');
    expect(more).toEqual([]);
  });
});
