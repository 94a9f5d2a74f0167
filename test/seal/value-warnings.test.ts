import { generateKeyPairSync } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Binding } from '../../src/jwe/binding.ts';
import type { CompactJwe } from '../../src/jwe/compact.ts';
import {
  checkPlaintext,
  checkSealed,
  type Plaintext,
  valueWarningCodes,
  warningsAbout,
} from '../../src/seal/value-warnings.ts';
import { makeAuthority } from '../helpers/certificates.ts';
import { boundHeader, withHeader } from '../jwe/malformed.ts';
import { thrownBy } from '../jwe/thrown.ts';

const relaxed = { strict: false, allow: new Set<string>() };
const strict = { strict: true, allow: new Set<string>() };
const check = (value: string | Buffer, policy = relaxed, type?: string, key = 'password') =>
  checkPlaintext({ key, bytes: Buffer.from(value) }, type, policy);

/** A value of the data key `password`, or one with its key or encoding. */
type Example = string | Buffer | Plaintext;
const plaintext = (value: Example): Plaintext =>
  typeof value === 'string' || Buffer.isBuffer(value)
    ? { key: 'password', bytes: Buffer.from(value) }
    : value;
const warnings = (value: Example) => warningsAbout(plaintext(value));
const codes = (value: Example) => warnings(value).map(({ code }) => code);

/** A value that is written as it is under `data`. */
const underData = (base64: string): Plaintext => ({
  key: 'password',
  bytes: Buffer.from(base64, 'base64'),
  encoded: true,
});
const dockerConfig = (config: unknown, key = '.dockerconfigjson'): Plaintext => ({
  key,
  bytes: Buffer.from(JSON.stringify(config)),
});
const auth = Buffer.from('ann:CANARY').toString('base64');

const pem = generateKeyPairSync('ec', { namedCurve: 'P-384' })
  .privateKey.export({ type: 'pkcs8', format: 'pem' })
  .toString();
const openSsh = `-----BEGIN OPENSSH PRIVATE KEY-----
b3BlbnNzaC1rZXktdjEAAAAABG5vbmUAAAAEbm9uZQAAAAAAAAABAAAAMwAAAAtzc2gtZW
QyNTUxOQAAACCmBtWpfiHGXWLS4HwPOBKoa0dA4XgoIMrc9kPfAXrQ0wAAAIhYuJ1eWLid
XgAAAAtzc2gtZWQyNTUxOQAAACCmBtWpfiHGXWLS4HwPOBKoa0dA4XgoIMrc9kPfAXrQ0w
AAAEBajB74DoNU0P/raCeT3yyhfZrw50tRWR/qcb2UTD1JIKYG1al+IcZdYtLgfA84Eqhr
R0DheCggytz2Q98BetDTAAAABHRlc3QB
-----END OPENSSH PRIVATE KEY-----
`;
const short = generateKeyPairSync('ed25519')
  .privateKey.export({ type: 'pkcs8', format: 'pem' })
  .toString();
const keys = [pem, openSsh];
const valid = await makeAuthority();
const expired = await makeAuthority('CN=old', -1);
const damaged = expired.cert.replace(/\n.{8}/, '\n');
const encrypted = `-----BEGIN RSA PRIVATE KEY-----
Proc-Type: 4,ENCRYPTED
DEK-Info: AES-256-CBC,0123456789ABCDEF0123456789ABCDEF

c2VjcmV0IGtleQ==
-----END RSA PRIVATE KEY-----
`;
const pgp =
  '-----BEGIN PGP PRIVATE KEY BLOCK-----\n\nxVgEZ0==\n=abcd\n-----END PGP PRIVATE KEY BLOCK-----\n';
const ssh2 =
  '---- BEGIN SSH2 PUBLIC KEY ----\nComment: "a"\nAAAAC3NzaC1lZDI1\n---- END SSH2 PUBLIC KEY ----\n';
const natsCredentials =
  '-----BEGIN NATS USER JWT-----\neyJ0\n------END NATS USER JWT------\n\n-----BEGIN USER NKEY SEED-----\nSUAM\n------END USER NKEY SEED------\n';

/** Damage that editors, shells and YAML do to a key, and that a rule can undo. */
const repairable: readonly ((key: string) => string)[] = [
  (key) => key.trimEnd(),
  (key) => key.trimEnd().replaceAll('\n', ' '),
  (key) => key.replaceAll('\n', ' '),
  (key) => key.replaceAll('\n', ''),
  (key) => key.replaceAll('\n', '\\n'),
  (key) => key.replaceAll('\n', '\\r\\n'),
  (key) => JSON.stringify(key),
  (key) => `'${key}'\n`,
  (key) => key.replaceAll('-----', '\u2014'),
  (key) => key.replaceAll('-----', '\u2013---'),
  (key) => key.replace('-----END', '----END'),
  (key) => key.replace(/^(?=.)/gm, '    '),
  (key) => key.replace(/\n(?=.)/g, '\n\t'),
  (key) => key.replaceAll('\n', '\n\n'),
  (key) => key.replaceAll('\n', '\r'),
];
const broken: readonly ((key: string) => string)[] = [
  (key) => key.slice(0, 90),
  (key) => key.replace(/.*\n/, ''),
  (key) => key.replace(/-----END.*\n/, ''),
  (key) => key.replace(/\n.{20}/, '\n'),
  (key) => key.replace(/\n..../, '\n*\u00e4*!'),
  (key) => key.replace('-----END', '-----END X'),
];

interface Examples {
  readonly dirty: readonly Example[];
  /** Similar values without this warning; they may have another one. */
  readonly clean: readonly Example[];
}

const examples: Record<string, Examples> = {
  'utf-16': {
    dirty: [Buffer.from('\ufeffpw', 'utf16le'), Buffer.from('\ufeffpw', 'utf16le').swap16()],
    clean: [Buffer.from([0xff]), Buffer.from([0xff, 0xff]), 'ÿþpw', Buffer.from('pw', 'utf16le')],
  },
  'not-utf-8': {
    dirty: [Buffer.from('pässwort', 'latin1'), Buffer.from('geheim und größer\n', 'latin1')],
    clean: ['pässwort', Buffer.from('äöü', 'latin1'), Buffer.from('p\0äss', 'latin1')],
  },
  'not-encoded': {
    dirty: [
      ...['password', 'hunter22', 'S3cr3tPW', 'pass', 'HUNTER22', 'SuperSecret1'],
      ...['correcthorsebatterystaple123', '3f786850e387550fdab836ed7e6dc881'],
    ].map(underData),
    clean: [
      ...['cGFzc3dvcmQ=', 'c2VjcmV0MTIz', 'q83vEjRWeJq83vEj', 'AQAB////', 'pw/+pw/+', 'abcdef=='],
      ...[Buffer.alloc(32, 'password', 'base64').toString('base64'), 'a'.repeat(100)],
    ]
      .map(underData)
      .concat({ key: 'password', bytes: Buffer.from('password', 'base64') }),
  },
  'no-credentials': {
    dirty: [
      ...[{}, { auths: {} }, { auths: null }, { auths: { x: {} }, credsStore: 'desktop' }],
      ...[{ auths: { x: { auth }, y: {} } }, { auths: { x: null } }, { x: { auth } }],
      ...[{ username: 'ann' }, { username: 'ann', password: '' }, { auth: '' }, { auth: 1 }].map(
        (entry) => ({ auths: { x: entry } }),
      ),
      ...[{ auth: 'ann:CANARY' }, { auth: `${auth}!` }, { auth: 'Q0FOQVJZ' }, { email: 'a@b' }].map(
        (entry) => ({ auths: { x: entry } }),
      ),
    ]
      .map((config) => dockerConfig(config))
      .concat(
        dockerConfig({}, '.dockercfg'),
        dockerConfig({ auths: { x: { auth } } }, '.dockercfg'),
      ),
    clean: [
      dockerConfig({ x: { auth } }, '.dockercfg'),
      dockerConfig({ auths: {} }, 'config.json'),
      { key: '.dockerconfigjson', bytes: Buffer.from('CANARY') },
      ...[
        { auth },
        { auth: auth.replace(/=+$/, '') },
        { username: 'ann', password: 'CANARY' },
        { identitytoken: 'CANARY' },
        { registrytoken: 'CANARY' },
      ].map((entry) => dockerConfig({ auths: { x: entry }, credsStore: 'desktop' })),
    ],
  },
  'damaged-pem': {
    dirty: [
      ...keys.flatMap((key) => [...repairable, ...broken].map((damage) => damage(key))),
      ...[` ${openSsh}`, `\n${openSsh}`, `# mine\n${openSsh}`, openSsh.replace('\n', ' \n')],
      ...[encrypted.replaceAll('\n', ' '), pgp.trimEnd(), pgp.replaceAll('\n', ' ')],
      ...[ssh2.replaceAll('----', '-----'), pem.trimEnd() + pem],
    ],
    clean: [
      ...[...keys, short, encrypted, pgp, ssh2, natsCredentials],
      ...keys.map((key) => key.replaceAll('\n', '\r\n')),
      ...[`Bag Attributes\n    x: y\n${pem}`, `${pem}${pem}`, `${pem}\n${pem}`, `\n${pem}`],
      // OpenSSL and OpenSSH accept lines of any length, and spaces between them.
      pem.replace(/\n(\w{20})(\w+)/, '\n$1 $2'),
      // Other formats quote or indent PEM.
      ...[JSON.stringify({ pem }), JSON.stringify({ pem }, null, 2), `KEY="${pem}"\n`],
      ...[`key: |\n${pem.replace(/^(?=.)/gm, '  ')}`, `a: "${pem}"`],
      'BEGIN PRIVATE KEY',
    ],
  },
  'expired-certificate': {
    dirty: [expired.cert, `${expired.cert}\n${valid.cert}\n`],
    clean: [valid.cert, `${valid.cert}\n${expired.cert}\n`, pem, damaged],
  },
  empty: { dirty: [''], clean: [' ', '\n', '0'] },
  'trailing-newline': {
    dirty: ['pw\n', 'pw\r\n', '\n', 'a b\n'],
    clean: [
      ...['pw', 'a\nb\n', '\npw', 'a\nb', 'pw\\n', '-----BEGIN X-----\nAA==\n-----END X-----\n'],
      ...['ssh-ed25519 AAAAC3Nz ann@hr\n', 'github.com ecdsa-sha2-nistp256 AAAAE2Vj\n'],
      ...['ann:$apr1$salt$hash\n', 'ann:$2y$05$hash\n', 'ann:{SHA}hash=\n'],
    ],
  },
  'surrounding-space': {
    dirty: [' pw', 'pw ', '\tpw', 'pw\t', 'pw \n', ' ', '\n pw', 'pw\t\r\n'],
    clean: ['pw', 'p w', 'p\tw', 'pw\n', 'a \nb'],
  },
  bom: { dirty: ['\ufeffpw', '\ufeff'], clean: ['pw', 'p\ufeffw', '\ufffe'] },
  crlf: { dirty: ['a\r\nb', 'a\r\n', '\r\n'], clean: ['a\nb', 'a\rb', '\n\r'] },
  'control-characters': {
    dirty: [
      ...[
        'p\0w',
        'p\0w\0',
        'p\x07w',
        '\x1b[31mpw\x1b[0m',
        'pw\x7f',
        'pw\x9b',
        'p\u0085w',
        '\x0cpw',
      ],
      ...['pw\r', 'p\rw', 'a\rb\r', 'a\r\r\nb', 'p\u2028w', 'pw\u2029', 'p\u00adw', '\u200epw'],
      ...[
        '\u202epw',
        'p\u2066w',
        '\u3164',
        'pw\n\n',
        'pw\r\n\r\n',
        'a\nb\n\n',
        '\n\n',
        '\npw',
        '\n\npw\n',
      ],
    ],
    clean: [
      'pw',
      'p\tw',
      'pw\n',
      'a\r\nb',
      'pw\r\n',
      '\n',
      'a\n\nb\n',
      '\na\nb\n',
      'p\u00a0w',
      '\ufeffpw',
      '\u{1f600}\ufe0f',
    ],
  },
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
    dirty: [
      'cGFzc3dvcmQ=',
      'c2VjcmV0MTIz',
      'cGFz\nc3dv\r\ncmQ=\n',
      'cGFzc3dvcmQ=\n',
      'cMOkc3N3w7ZyZA==',
    ],
    clean: [
      // Base64 of UTF-8 by chance.
      ...['annotate', 'Meanings', '20240101', 'finalization'],
      ...['password', 'pw', 'c2Vj', 'q83vEjRWeJq83vEj', 'cGFzc3dvcmQ', 'c2Vj cmV0', 'AAECAwQF'],
    ],
  },
  placeholder: {
    dirty: [
      ...['null', 'null\n', 'undefined', 'None', '[object Object]'],
      ...['changeme', 'CHANGE_ME', 'change-it', 'replace me', 'your-password', 'insert-token-here'],
      ...['my secret', 'TODO', 'tbd', 'xxx', '****', '...', 'placeholder', 'dummy', 'example'],
      ...['<password>', '$\u007bDB_PASSWORD}', '{{ .Values.password }}', ' changeme \n'],
      ...['ref+vault://kv/hr#/a', 'vault:secret/data/hr#A', 'op://hr/db/password', '#{A}#'],
      ...['op://My Vault/db/one-time password', 'ref+echo://x', 'vault:kv/hr#"a$\u007b.b}"'],
      ...['<path:kv/hr#a>', 'postgres://app:<path:kv/hr#a>@db', '$\u007bDB_PASSWORD:=}'],
    ],
    clean: [
      ...['nullable', 'none', 'none of it', ' null', '"null"'],
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
  ...keys,
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

test('binary files have no warnings', () => {
  // The signatures of a Java keystore, PKCS #12, gzip and a keytab; real ones have random bytes.
  const starts = ['feedfeed00000002', '308209c902010330', '1f8b0800', '0502000000ff'];
  for (const start of starts) {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 200, maxLength: 400 }), (rest) => {
        expect(
          codes(Buffer.concat([Buffer.from(start, 'hex'), rest, Buffer.from([0xff])])),
        ).toEqual([]);
      }),
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

test('each code has a few fixed messages', () => {
  const texts = new Map<string, Set<string>>();
  for (const { dirty } of Object.values(examples)) {
    for (const { code, message } of dirty.flatMap(warnings)) {
      texts.set(code, (texts.get(code) ?? new Set()).add(message));
    }
  }
  expect([...texts.keys()].sort()).toEqual([...valueWarningCodes].sort());
  const counts: Record<string, number> = {
    'damaged-pem': 9,
    'control-characters': 5,
    'surrounding-space': 5,
    placeholder: 8,
  };
  for (const [code, { size }] of texts) expect([code, size]).toEqual([code, counts[code] ?? 1]);
});

describe('the fix of a warning', () => {
  const fixes = (value: Example) =>
    warnings(value).flatMap(({ code, fix }) => (fix ? [{ code, bytes: fix.bytes }] : []));

  test('removes what it warns about', () => {
    const fixed = Object.values(examples)
      .flatMap(({ dirty }) => dirty)
      .flatMap((value) =>
        warnings(value).flatMap(({ message, fix }) =>
          fix === undefined ? [] : [{ message, after: { ...plaintext(value), bytes: fix.bytes } }],
        ),
      );
    for (const { message, after } of fixed)
      expect(warnings(after).map((warning) => warning.message)).not.toContain(message);
    expect(new Set(fixed.map(({ message }) => message)).size).toBeGreaterThan(15);
  });

  test('can be repeated until none is left', () => {
    const part = fc.constantFrom(
      ...['a', 'b c', '\n', '\r', '\r\n', ' ', '\t', '"', "'", '\ufeff', '\u00a0', '\u00ad', '\0'],
      ...['\x1b[', '\\n', 'MAAA', '\u201c', '\u200b', '\u2028'],
      ...['-----BEGIN PRIVATE KEY-----', '-----END PRIVATE KEY-----'],
    );
    fc.assert(
      fc.property(fc.array(part), (parts) => {
        let value = parts.join('');
        for (let steps = 0; ; steps++) {
          const [fix] = fixes(value);
          if (fix === undefined) return;
          expect(steps).toBeLessThan(20);
          value = String(fix.bytes);
        }
      }),
    );
  });

  test.each([
    ['pw\r\n', 'pw'],
    [' pw \n', ' pw '],
    ['\ufeffpw', 'pw'],
    ['a\r\nb\r\n', 'a\nb\n'],
    ['a\nb\n\n\n', 'a\nb\n'],
    ['\npw\n\n', 'pw'],
    ['pw\r', 'pw'],
    ['\x1b[1;31mpw\x1b[0m\x07', 'pw'],
    ['p\u00adw\u2028', 'pw'],
    ['\u00a0p\u200bw', ' pw'],
    ['\u201cit\u2019s\u201d', '"it\'s"'],
    ['"pw"', 'pw'],
    ['cGFz\nc3dvcmQ=\n', 'password'],
  ])('changes %j to %j', (value, fixed) => {
    expect(String(fixes(value)[0]?.bytes)).toBe(fixed);
  });

  test('changes UTF-16 of both byte orders to UTF-8', () => {
    const utf16 = Buffer.from('\ufeffpässwort', 'utf16le');
    expect(String(fixes(utf16)[0]?.bytes)).toBe('pässwort');
    expect(String(fixes(Buffer.from(utf16).swap16())[0]?.bytes)).toBe('pässwort');
  });

  test.each(keys)('repairs each damage to the lines of a key', (key) => {
    for (const damage of repairable) {
      const [fix] = fixes(damage(key));
      expect(fix).toEqual({ code: 'damaged-pem', bytes: Buffer.from(key) });
    }
  });

  test('keeps the text around several blocks', () => {
    const value = `Bag Attributes\n    x: y\n${pem}# next\n${pem}`;
    expect(String(fixes(value.trimEnd())[0]?.bytes)).toBe(value);
    expect(String(fixes(encrypted.trimEnd())[0]?.bytes)).toBe(encrypted);
  });

  test.each([
    ...keys.flatMap((key) => broken.map((damage) => damage(key))),
    encrypted.trimEnd().replaceAll('\n', ' '),
    pgp.trimEnd().replaceAll('\n', ' '),
    'a\rb',
    ' a:\n   b: c\n',
    '',
    'changeme',
  ])('is not offered for %j', (value) => {
    expect(fixes(value)).toEqual([]);
  });
});

// Values may have 1 MiB, so no pattern may backtrack.
test.each([
  ...[
    '-',
    '\r',
    '\\n',
    '\x1b[',
    '\x1b[0',
    'BEGIN A',
    '-----BEGIN A ',
    '-----BEGIN PRIVATE KEY-----',
  ],
  ...[' ', '\n', '\t\r\n', '"', '.', 'x', '{{', '$\u007b', 'my key ', '\u00a0', 'change'],
])('a value of a million bytes of %j is checked in linear time', (part) => {
  const value = (length: number) => `${part.repeat(length / part.length)}\u0001`;
  expect(codes(value(1_000_000))).toEqual(codes(value(100)));
});

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
    const config = JSON.stringify({ auths: { 'ghcr.io': { auth } } });
    expect(check(config, strict, type, '.dockerconfigjson')).toEqual([]);
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
        'db.yaml',
      ),
    ).toEqual([]);
    expect(checkSealed(sealed({ binding, kid }), place, undefined, 'db.yaml')).toEqual([]);
  });

  test('rejects a value in another place, and names both', () => {
    const move = () =>
      checkSealed(sealed({ binding, kid }), { ...place, name: 'db2' }, undefined, 'db.yaml');
    expect(thrownBy(move)).toMatchObject({
      code: 'BINDING_MISMATCH',
      message: 'sealed for hr/db, data key "password", found in hr/db2, data key "password"',
    });
  });

  test.each([[[]], [['x']]])('rejects a value with another key than %j', (kids) => {
    const known = new Map(kids.map((one) => [one, 2048]));
    const checked = () => checkSealed(sealed({ binding, kid }), place, known, 'db.yaml');
    expect(thrownBy(checked)).toMatchObject({
      code: 'KEY_UNKNOWN',
      message: expect.stringContaining(kid),
      hint: expect.stringContaining('kseal rekey db.yaml --to NEW'),
    });
  });

  test.each([{ binding, kid }, { kid }])(
    'rejects a value whose encrypted key is not as long as the modulus: %j',
    (header) => {
      const value = { ...sealed(header), encryptedKey: new Uint8Array(256) };
      expect(checkSealed(value, place, new Map([[kid, 2047]]), 'db.yaml')).toHaveLength(
        header.binding ? 0 : 1,
      );
      expect(
        thrownBy(() => checkSealed(value, place, new Map([[kid, 4096]]), 'db.yaml')),
      ).toMatchObject({
        code: 'JWE_MALFORMED',
        message: 'JWE encrypted key has 256 bytes, expected 512 for its RSA key',
        hint: 'seal the value again',
      });
    },
  );

  const unbound = { ...sealed({ kid: 'of another tool' }), encryptedKey: new Uint8Array(256) };

  test.each([undefined, [4096, 2048], [4096, undefined]])(
    'returns a warning about an unbound value that a key may open: %j',
    (lengths) => {
      const known = lengths && new Map(lengths.map((bits, index) => [`${index}`, bits]));
      const [warning, ...more] = checkSealed(unbound, place, known, 'db.yaml');
      expect(warning?.message).toContain('is not bound to a Secret');
      expect(more).toEqual([]);
    },
  );

  test('rejects an unbound value that no key can open, because of its length', () => {
    const known = new Map([
      [kid, 4096],
      ['x', 3072],
    ]);
    expect(thrownBy(() => checkSealed(unbound, place, known, 'db.yaml'))).toMatchObject({
      code: 'KEY_UNKNOWN',
      message: 'sealed to another key, RSA-2048',
      hint: expect.stringContaining('--accept-unbound'),
    });
  });
});
