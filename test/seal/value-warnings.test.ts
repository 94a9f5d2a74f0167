import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { checkPlaintext, valueWarningCodes } from '../../src/seal/value-warnings.ts';

const policy = { strict: false, allow: new Set<string>() };
const warningsAbout = (value: string | Buffer) =>
  checkPlaintext(Buffer.from(value), 'password', undefined, policy);
const codes = (value: string | Buffer) => warningsAbout(value).map(({ code }) => code);

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

test('every warning has examples', () => {
  expect(Object.keys(examples)).toEqual(valueWarningCodes);
});

describe.each(Object.entries(examples))('%s', (code, { dirty, clean }) => {
  test.each(dirty)('is found in %j', (value) => {
    expect(codes(value)).toContain(code);
  });

  test.each(clean)('is not found in %j', (value) => {
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
])('nothing is found in %j', (value) => {
  expect(codes(value)).toEqual([]);
});

test('random passwords and random bytes are no accidents', () => {
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
      // One password in a million is base64 of text by chance: these are not.
      { seed: 1 },
    );
  }
});

test('all warnings about one value are returned, in the order of the table', () => {
  expect(codes('\ufeff"p\u00a0w" \r\n')).toEqual([
    'trailing-newline',
    'surrounding-space',
    'bom',
    'crlf',
    'invisible-space',
  ]);
});

test('no message contains the value', () => {
  const wrap = fc.constantFrom(...['$\n', ' $', '"$"', '<$>', '\ufeff$', '$\r\n', '\u201c$\u201d']);
  let found = 0;
  fc.assert(
    fc.property(fc.base64String({ minLength: 12, maxLength: 40 }), wrap, (value, form) => {
      for (const { message } of warningsAbout(form.replace('$', value))) {
        found++;
        expect(message).not.toContain(value);
      }
    }),
  );
  expect(found).toBeGreaterThan(50);
});

test('each warning has one fixed message', () => {
  const texts = new Map<string, Set<string>>();
  for (const { dirty } of Object.values(examples)) {
    for (const { code, message } of dirty.flatMap(warningsAbout)) {
      texts.set(code, (texts.get(code) ?? new Set()).add(message));
    }
  }
  expect([...texts.keys()].sort()).toEqual([...valueWarningCodes].sort());
  expect([...texts.values()].map(({ size }) => size)).toEqual(valueWarningCodes.map(() => 1));
});

// Every pattern runs over values of up to 1 MiB, so none of them may backtrack.
test.each([' ', '\n', '\t\r\n', '"', '.', 'x', '{{', '$\u007b', 'my key ', '\u00a0', 'change'])(
  'a million bytes of %j are checked in linear time',
  (part) => {
    const value = Buffer.from(`${part.repeat(1_000_000 / part.length)}\u0001`);
    expect(warningsAbout(value).length).toBeLessThan(5);
  },
);
