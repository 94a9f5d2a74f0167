import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Binding } from '../../src/jwe/binding.ts';
import type { CompactJwe } from '../../src/jwe/compact.ts';
import { checkPlaintext, checkSealed, valueWarningCodes } from '../../src/seal/value-warnings.ts';
import { boundHeader, withHeader } from '../jwe/malformed.ts';
import { thrownBy } from '../jwe/thrown.ts';

const relaxed = { strict: false, allow: new Set<string>() };
const strict = { strict: true, allow: new Set<string>() };
const check = (value: string | Buffer, policy = relaxed, type?: string, key = 'password') =>
  checkPlaintext(Buffer.from(value), key, type, policy);
const codes = (value: string | Buffer) => check(value).map(({ code }) => code);

interface Examples {
  readonly dirty: readonly (string | Buffer)[];
  /** Similar values without this warning; they may have another one. */
  readonly clean: readonly (string | Buffer)[];
}

const examples: Record<string, Examples> = {
  'utf-16': {
    dirty: [Buffer.from('\ufeffpw', 'utf16le'), Buffer.from('\ufeffpw', 'utf16le').swap16()],
    clean: [Buffer.from([0xff]), Buffer.from([0xff, 0xff]), 'ÿþpw', Buffer.from('pw', 'utf16le')],
  },
  empty: { dirty: [''], clean: [' ', '\n', '0'] },
  'trailing-newline': {
    dirty: ['pw\n', 'pw\r\n', '\n', 'a b\n'],
    clean: ['pw', 'a\nb\n', '\npw', 'a\nb', 'pw\\n', '-----BEGIN X-----\nAA==\n-----END X-----\n'],
  },
  'surrounding-space': {
    dirty: [' pw', 'pw ', '\tpw', 'pw\t', 'pw \n', ' ', '\n pw', 'pw\t\r\n'],
    clean: ['pw', 'p w', 'p\tw', 'pw\n', 'a \nb'],
  },
  bom: { dirty: ['\ufeffpw', '\ufeff'], clean: ['pw', 'p\ufeffw', '\ufffe'] },
  crlf: { dirty: ['a\r\nb', 'a\r\n', '\r\n'], clean: ['a\nb', 'a\rb', '\n\r'] },
  'invisible-space': {
    dirty: ['p\u00a0w', 'p\u200bw', '\u202fpw', 'pw\u2060', 'pw\ufeff'],
    clean: ['p w', 'pw', '\ufeffpw', 'p\u3000w', 'Pässwörd'],
  },
  'smart-quotes': {
    dirty: ['\u201cpw\u201d', 'it\u2019s', '\u201epw'],
    clean: ['"pw"', "it's", '«pw»', 'p\u2013w'],
  },
  quoted: {
    dirty: ['"pw"', "'pw'", '"pw"\n', '""'],
    clean: ['"', 'pw"', '"pw', '"pw\'', 'say "pw"', '{"a":"b"}', '"a"\n"b"'],
  },
  base64: {
    dirty: ['cGFzc3dvcmQ=', 'c2VjcmV0MTIz', 'cGFzc3dvcmQ=\n', 'cMOkc3N3w7ZyZA=='],
    clean: ['password', 'pw', 'c2Vj', 'q83vEjRWeJq83vEj', 'cGFzc3dvcmQ', 'c2Vj cmV0', 'AAECAwQF'],
  },
  placeholder: {
    dirty: [
      ...['changeme', 'CHANGE_ME', 'change-it', 'replace me', 'your-password', 'insert-token-here'],
      ...['my secret', 'TODO', 'tbd', 'xxx', '****', '...', 'placeholder', 'dummy', 'example'],
      ...['<password>', '$\u007bDB_PASSWORD}', '{{ .Values.password }}', ' changeme \n'],
    ],
    clean: [
      ...[
        'changeme2',
        'xx',
        'xxy',
        'password',
        'todo-list',
        'yourpassword',
        '<a><b>',
        'a$\u007bB}',
      ],
      ...['postgres://$\u007bUSER}@db', '<xml>\n</xml>', 'my-cat', 'example.com', 'x: {{ y }}'],
    ],
  },
};

test('every value warning has examples', () => {
  expect(Object.keys(examples)).toEqual(valueWarningCodes);
});

describe.each(Object.entries(examples))('the warning %s', (code, { dirty, clean }) => {
  test.each(dirty)('is returned for %j', (value) => {
    expect(codes(value)).toContain(code);
  });

  test.each(clean)('is not returned for %j', (value) => {
    expect(codes(value)).not.toContain(code);
  });
});

test.each([
  'correct horse battery staple',
  'hunter2',
  'Tr0ub4dor&3',
  'pa$$w0rd!"#%',
  'postgres://user:pw@db.hr.svc:5432/app?sslmode=require',
  '-----BEGIN PRIVATE KEY-----\nMIIEvQ==\n-----END PRIVATE KEY-----\n',
  '{\n  "auths": {}\n}\n',
  'key: value\nother: |\n  text\n',
  '密码',
])('%j has no warnings', (value) => {
  expect(codes(value)).toEqual([]);
});

test('random passwords and random bytes have no warnings', () => {
  const password = fc.string({
    unit: fc.constantFrom(...'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789'),
    minLength: 24,
    maxLength: 24,
  });
  const bytes = fc.uint8Array({ minLength: 3 }).map((rest) => Buffer.from([0xfe, 0xfe, ...rest]));
  for (const values of [password, bytes]) {
    fc.assert(
      fc.property<[string | Buffer]>(values, (value) => {
        expect(codes(value)).toEqual([]);
      }),
      // By chance, one password in a million is base64 of text. None of these is.
      { seed: 1 },
    );
  }
});

test('all warnings about a value are returned, in a fixed order', () => {
  expect(codes('\ufeff"p\u00a0w" \r\n')).toEqual([
    'trailing-newline',
    'surrounding-space',
    'bom',
    'crlf',
    'invisible-space',
  ]);
});

test('no warning contains the value', () => {
  const wrap = fc.constantFrom(...['$\n', ' $', '"$"', '<$>', '\ufeff$', '$\r\n', '\u201c$\u201d']);
  let found = 0;
  fc.assert(
    fc.property(fc.base64String({ minLength: 12, maxLength: 40 }), wrap, (value, form) => {
      for (const { message } of check(form.replace('$', value))) {
        found++;
        expect(message).not.toContain(value);
      }
    }),
  );
  expect(found).toBeGreaterThan(50);
});

test('each warning has a fixed message', () => {
  const texts = new Map<string, Set<string>>();
  for (const { dirty } of Object.values(examples)) {
    for (const { code, message } of dirty.flatMap((value) => check(value))) {
      texts.set(code, (texts.get(code) ?? new Set()).add(message));
    }
  }
  expect([...texts.keys()].sort()).toEqual([...valueWarningCodes].sort());
  expect([...texts.values()].map(({ size }) => size)).toEqual(valueWarningCodes.map(() => 1));
});

// Values may have 1 MiB, so no pattern may backtrack.
test.each([' ', '\n', '\t\r\n', '"', '.', 'x', '{{', '$\u007b', 'my key ', '\u00a0', 'change'])(
  'a value of a million bytes of %j is checked in linear time',
  (part) => {
    const value = (length: number) => `${part.repeat(length / part.length)}\u0001`;
    expect(codes(value(1_000_000))).toEqual(codes(value(100)));
  },
);

describe('checkPlaintext', () => {
  test('returns no warnings about a sound value', () => {
    expect(check('hunter2')).toEqual([]);
    expect(check('hunter2', strict)).toEqual([]);
  });

  test('returns warnings with the option that suppresses them', () => {
    expect(check('hunter2\n')).toEqual([
      {
        code: 'trailing-newline',
        message:
          'the value ends with a newline, which most programs treat as part of the password [trailing-newline]',
        hint: 'if that is intended: --allow trailing-newline',
      },
    ]);
  });

  test('omits only the warnings that are allowed', () => {
    const allow = new Set(['trailing-newline']);
    expect(check('hunter2\n', { strict: false, allow })).toEqual([]);
    expect(check('hunter2\n', { strict: true, allow })).toEqual([]);
    expect(check('hunter2\r\n', { strict: false, allow })).toHaveLength(1);
  });

  test('throws for a warning if it is strict', () => {
    expect(thrownBy(() => check(' CANARY\n', strict))).toEqual({
      code: 'VALUE_REFUSED',
      message: expect.stringMatching(/^the value .* \[trailing-newline\]$/),
      hint: 'if that is intended: --allow trailing-newline',
    });
  });

  const jwe = withHeader(boundHeader);
  const [head, encrypted_key, iv, ciphertext, tag] = jwe.split('.');
  const base64 = Buffer.from(jwe).toString('base64');
  test.each([
    ['compact', jwe],
    ['with a newline at its end', `${jwe}\n`],
    ['base64-encoded', base64],
    ['in JSON form', JSON.stringify({ protected: head, encrypted_key, iv, ciphertext, tag })],
    ['cut off', jwe.slice(0, 30)],
  ])('rejects a value that is already sealed: %s', (_, value) => {
    expect(thrownBy(() => check(value))).toEqual({
      code: 'VALUE_REFUSED',
      message: 'already sealed, and sealed values cannot be nested',
      hint: 'to use the sealed value as it is: --from-jwe password=FILE',
    });
  });

  test('rejects a value that its Secret type forbids', () => {
    const type = 'kubernetes.io/dockerconfigjson';
    expect(thrownBy(() => check('CANARY', relaxed, type, '.dockerconfigjson'))).toEqual({
      code: 'VALUE_REFUSED',
      message: `the value is not a JSON object, as type ${type} requires`,
      hint: 'correct the value, or the type',
    });
    expect(check('{"auths":{}}', strict, type, '.dockerconfigjson')).toEqual([]);
  });
});

describe('checkSealed', () => {
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

  test('accepts a value in its place if its key is known, or if no key is known', () => {
    expect(
      checkSealed(
        sealed({ binding, kid }),
        place,
        new Map([
          ['x', 3072],
          [kid, undefined],
        ]),
      ),
    ).toEqual([]);
    expect(checkSealed(sealed({ binding, kid }), place, undefined)).toEqual([]);
  });

  test('rejects a value in another place, and names both', () => {
    const move = () => checkSealed(sealed({ binding, kid }), { ...place, name: 'db2' }, undefined);
    expect(thrownBy(move)).toMatchObject({
      code: 'BINDING_MISMATCH',
      message: 'sealed for hr/db, data key "password", found in hr/db2, data key "password"',
    });
  });

  test.each([[[]], [['x']]])('rejects a value with another key than %j', (kids) => {
    const known = new Map(kids.map((one) => [one, 2048]));
    const checked = () => checkSealed(sealed({ binding, kid }), place, known);
    expect(thrownBy(checked)).toMatchObject({
      code: 'KEY_UNKNOWN',
      message: expect.stringContaining(kid),
      hint: expect.stringContaining('kseal decrypt'),
    });
  });

  test.each([{ binding, kid }, { kid }])(
    'rejects a value whose encrypted key is not as long as the modulus: %j',
    (header) => {
      const value = { ...sealed(header), encryptedKey: new Uint8Array(256) };
      expect(checkSealed(value, place, new Map([[kid, 2047]]))).toHaveLength(
        header.binding ? 0 : 1,
      );
      expect(thrownBy(() => checkSealed(value, place, new Map([[kid, 4096]])))).toMatchObject({
        code: 'JWE_MALFORMED',
        message: 'JWE encrypted key has 256 bytes, expected 512 for its RSA key',
        hint: 'seal the value again',
      });
    },
  );

  test('returns a warning about an unbound value', () => {
    const [warning, ...more] = checkSealed(sealed({ kid }), place, new Map());
    expect(warning?.message).toContain('is not bound to a Secret');
    expect(more).toEqual([]);
  });
});
