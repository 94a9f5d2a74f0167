import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { KsealError } from '../../src/errors.ts';
import { type Binding, scopes } from '../../src/jwe/binding.ts';
import { type Header, protectedHeader, readCompact } from '../../src/jwe/compact.ts';
import { KID, unboundHeader, withHeader } from './malformed.ts';
import { headerOfBytes } from './malformed-headers.ts';

const read = (text: string) => readCompact(Buffer.from(withHeader(text))).header;

function readOrNothing(text: string): Header {
  try {
    return read(text);
  } catch (error) {
    if (error instanceof KsealError) return {};
    throw error;
  }
}

const bindings: Record<string, [Binding, string]> = {
  strict: [
    { scope: 'strict', namespace: 'hr', name: 'db-credentials', key: 'password' },
    '{"scope":"strict","namespace":"hr","name":"db-credentials","key":"password"}',
  ],
  'namespace-wide': [
    { scope: 'namespace-wide', namespace: 'hr' },
    '{"scope":"namespace-wide","namespace":"hr"}',
  ],
  'cluster-wide': [{ scope: 'cluster-wide' }, '{"scope":"cluster-wide"}'],
};

describe('a bound header', () => {
  test('is tested with every scope', () => {
    expect(Object.keys(bindings)).toEqual(scopes);
  });

  test.each(Object.values(bindings))('has exactly these bytes: %j', (binding, text) => {
    const header = `{"alg":"RSA-OAEP-256","enc":"A128CBC-HS256","kseal":${text},"kid":"${KID}"}`;
    expect(JSON.stringify(protectedHeader(binding, KID))).toBe(header);
    expect(read(header)).toEqual({ binding, kid: KID });
  });

  test.each(['__proto__', 'constructor', 'toString', '.hidden', 'a.b', 'A_b-1', 'x'.repeat(253)])(
    'may name the data key %s',
    (key) => {
      const binding: Binding = { scope: 'strict', namespace: 'hr', name: 'db', key };
      expect(read(JSON.stringify(protectedHeader(binding, KID)))).toEqual({ binding, kid: KID });
    },
  );

  test('is read from no other text', () => {
    const own = Object.values(bindings).map(([binding]) =>
      JSON.stringify(protectedHeader(binding, KID)),
    );
    const edit = fc.record({
      from: fc.constantFrom(...own),
      at: fc.nat(250),
      cut: fc.nat(3),
      put: fc.oneof(fc.string({ maxLength: 3 }), fc.constantFrom(...own)),
    });
    fc.assert(
      fc.property(fc.array(edit, { minLength: 1, maxLength: 2 }), (edits) => {
        const text = edits.reduce(
          (all, { at, cut, put }) => all.slice(0, at) + put + all.slice(at + cut),
          edits[0]?.from ?? '',
        );
        const { binding, kid = '' } = readOrNothing(text);
        if (binding) expect(JSON.stringify(protectedHeader(binding, kid))).toBe(text);
      }),
    );
  });

  test('fits the size limit with the longest names', () => {
    const binding: Binding = {
      scope: 'strict',
      namespace: 'n'.repeat(63),
      name: 'a'.repeat(253),
      key: 'k'.repeat(253),
    };
    expect(read(JSON.stringify(protectedHeader(binding, KID)))).toEqual({ binding, kid: KID });
  });
});

describe('a header of another tool', () => {
  test.each([
    ['a kid', unboundHeader(), { kid: KID }],
    ['no kid', '{"alg":"RSA-OAEP-256","enc":"A128CBC-HS256"}', {}],
    ['an empty kid', unboundHeader().replace(KID, ''), { kid: '' }],
    ['members in any order', '{"enc":"A128CBC-HS256","alg":"RSA-OAEP-256"}', {}],
    ['white space', '\t{ "alg" :\n"RSA-OAEP-256",\r\n"enc":"A128CBC-HS256"} ', {}],
    ['escapes', '{"alg":"RSA\\u002dOAEP-256","\\u0065nc":"A128CBC-HS256"}', {}],
    ['typ, cty and other members', unboundHeader(',"typ":"JWE","cty":"x","exp":1'), { kid: KID }],
    [
      'equal names at different depths',
      unboundHeader(',"x":{"alg":1,"x":{"alg":1}}'),
      { kid: KID },
    ],
    [
      'equal names in different objects',
      unboundHeader(',"x":[{"a":1},{"a":1}],"y":{"a":1}'),
      { kid: KID },
    ],
    ['names that only look alike', unboundHeader(',"Alg":1,"alg ":1,"\\u0430lg":1'), { kid: KID }],
    [
      'strings that contain member names',
      unboundHeader(',"x":"\\"alg\\":","y":["alg","alg"]'),
      { kid: KID },
    ],
    ['any language', unboundHeader(',"x":"密码\u{1f511}"'), { kid: KID }],
    ['exactly 4 KiB', headerOfBytes(4096), { kid: KID }],
    [
      'a thousand nested arrays',
      unboundHeader(`,"x":${'['.repeat(1000)}${']'.repeat(1000)}`),
      { kid: KID },
    ],
  ])('may have %s', (_, text, header) => {
    expect(read(text)).toEqual(header);
  });

  test.each(['jku', 'x5u'])('%s is never followed', (name) => {
    expect(read(unboundHeader(`,"${name}":"https://example.com/keys"`))).toEqual({ kid: KID });
  });

  test.each(['jwk', 'x5c', 'x5t', 'x5t#S256'])('%s is not used as a key', (name) => {
    expect(read(unboundHeader(`,"${name}":{"kty":"oct","k":"AA"}`))).toEqual({ kid: KID });
  });

  test('ignores the members of a member __proto__', () => {
    const header = read(
      '{"alg":"RSA-OAEP-256","enc":"A128CBC-HS256","__proto__":{"kid":"x","zip":"DEF","kseal":{}}}',
    );
    expect(header).toEqual({});
    expect([header.kid, header.binding, Object.getPrototypeOf(header)]).toEqual([
      undefined,
      undefined,
      Object.prototype,
    ]);
  });
});
