import { describe, expect, test } from 'vitest';
import { stringify } from 'yaml';
import { KsealError } from '../../src/errors.ts';
import { verifyText } from '../../src/verify/verify.ts';
import { makeJwe } from '../helpers/jwe.ts';
import { defaults, openPolicy, readFixture } from './fixtures.ts';
import {
  base64,
  keysNamed,
  kid,
  manifest,
  pem,
  sealedValue,
  strict,
  verify,
  withValue,
} from './values.ts';

describe('a file that cannot be read is a finding', () => {
  test('with the error of the file system, without the path', () => {
    const error = new KsealError('IO', 'permission denied', {
      thing: 'db.yaml',
      hint: 'h',
    });
    expect(verify(error)).toEqual({
      findings: [
        {
          code: 'unreadable',
          severity: 'error',
          path: 'db.yaml',
          position: { line: 1, column: 1 },
          secret: undefined,
          key: undefined,
          message: 'permission denied',
          hint: 'h',
        },
      ],
      suppressed: [],
      covered: new Set(),
      foreign: [],
      secrets: 0,
      values: 0,
      sealed: 0,
      unjudgedKids: 0,
    });
  });

  test.each([
    ['UTF-16', Buffer.from('\uFEFFkind: Secret', 'utf16le'), 'UTF-16'],
    ['UTF-16 without a byte order mark', Buffer.from('kind: Secret', 'utf16le'), 'UTF-16'],
    ['Latin-1', Buffer.from([0x61, 0x3a, 0x20, 0xfc]), 'invalid UTF-8 at byte 4'],
  ])('with the encoding %s', (_, bytes, message) => {
    const { findings } = verify(bytes);
    expect(findings).toMatchObject([
      { code: 'unreadable', message: expect.stringContaining(message) },
    ]);
  });
});

describe('the severity', () => {
  const text = withValue(sealedValue({ kseal: undefined }), '{ name: DB }');
  const severitiesOf = (settings: [string, 'off' | 'warning' | 'error'][], source = text) =>
    verify(source, {}, { severities: new Map(settings) }).findings.map(
      ({ code, severity }) => `${severity} ${code}`,
    );

  test('is that of the rule', () => {
    expect(severitiesOf([])).toEqual(['error invalid-name', 'error unbound-value']);
  });

  test('is that of the configuration, if it has one', () => {
    expect(
      severitiesOf([
        ['invalid-name', 'off'],
        ['unbound-value', 'warning'],
      ]),
    ).toEqual(['warning unbound-value']);
  });

  test('of unparsable depends on the words of the text, unless it is configured', () => {
    expect(severitiesOf([], 'a: b: c')).toEqual(['warning unparsable']);
    expect(severitiesOf([], 'a: b: c\n# kind Secret')).toEqual(['error unparsable']);
    expect(severitiesOf([], 'a: b: c\n# kind SecretList')).toEqual(['error unparsable']);
    expect(severitiesOf([], '\u00A0\n{"kind":"Secret"}')).toEqual(['error unparsable']);
    expect(severitiesOf([], 'a text without a kind')).toEqual([]);
    expect(severitiesOf([], 'apiVersion: v1\nkind: "Secret\u00A0"')).toEqual([
      'error misspelt-kind',
    ]);
    expect(severitiesOf([['unparsable', 'error']], 'a: b: c')).toEqual(['error unparsable']);
    expect(severitiesOf([['unparsable', 'warning']], 'a: b: c\n# kind Secret')).toEqual([
      'warning unparsable',
    ]);
  });

  test('of refused-key and bad-suppression cannot be changed', () => {
    const value = sealedValue();
    const source = `${withValue(value)}# kseal-ignore refused-key: r\n`.replace(
      /(password: .*)/,
      '$1 # kseal-ignore refused-key: r',
    );
    const off = new Map([
      ['refused-key', 'off'],
      ['bad-suppression', 'off'],
    ] as const);
    const { findings } = verify(
      source,
      { refusedKids: new Set([kid('prod')]) },
      { severities: off },
    );
    expect(findings.map(({ code }) => code)).toEqual([
      'refused-key',
      'bad-suppression',
      'bad-suppression',
    ]);
  });
});

test('kids are counted as not judged if no key is known', () => {
  const text = manifest(`data:\n  password: ${base64(sealedValue({}, 'stranger'))}\n  b: eA==`);
  expect(verify(text)).toMatchObject({ values: 2, sealed: 1, unjudgedKids: 1 });
  expect(verify(text, { keys: keysNamed({ prod: 'active' }) })).toMatchObject({
    sealed: 1,
    unjudgedKids: 0,
  });
});

test('findings are in the order of the text, then of the rule ids', () => {
  const text = [
    withValue(sealedValue({ kseal: undefined, kid: undefined }), '{ name: A_B }'),
    manifest('type: kubernetes.io/tls\nstringData: { b: x, a: y }', '{}'),
  ].join('---\n');
  expect(
    verify(text).findings.map(
      ({ position: p, code, key }) => `${p.line}:${p.column} ${code} ${key}`,
    ),
  ).toEqual([
    '3:13 invalid-name undefined',
    '5:13 missing-kid password',
    '5:13 unbound-value password',
    '9:1 missing-name undefined',
    '10:1 missing-required-key undefined',
    '10:1 missing-required-key undefined',
    '11:18 plaintext-value b',
    '11:24 plaintext-value a',
  ]);
});

test('a text that is not YAML has only its first error as a finding', () => {
  const { findings } = verify('kind: Secret\na: "\\q"\nb: "\\q"\nc: [}\n');
  expect(findings.map(({ position, code }) => `${position.line} ${code}`)).toEqual([
    '2 unparsable',
  ]);
});

describe('a Secret with', () => {
  const sized = (bytes: number) =>
    makeJwe(
      Buffer.alloc(bytes),
      pem('prod'),
      JSON.stringify({
        alg: 'RSA-OAEP-256',
        enc: 'A128CBC-HS256',
        kseal: strict,
        kid: kid('prod'),
      }),
    );
  const severities = (text: string) =>
    verify(text).findings.map(({ code, severity }) => `${severity} ${code}`);

  test.each([
    [100 * 1024, []],
    [1024 * 1024 + 15, ['warning too-large']],
    [1024 * 1024 + 16, ['error too-large']],
  ])('%d bytes has the findings %j', (bytes, found) => {
    expect(severities(withValue(sized(bytes)))).toEqual(found);
  });

  /** The text of kubectl's annotation: JSON as Go prints it. */
  const applied = (object: object) =>
    `${JSON.stringify(object)}\n`.replace(
      /[<>&]/g,
      (char) => `\\u00${char.charCodeAt(0).toString(16)}`,
    );

  /** A Secret with a value of `length` characters. */
  const filled = (length: number) => ({
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { name: 'db', namespace: 'hr', annotations: { 'kseal.test/note': '<ä & "ö">\n' } },
    immutable: false,
    stringData: { password: 'x'.repeat(length), other: '007', list: '' },
  });

  test.each([
    ['JSON', (object: object) => JSON.stringify(object)],
    ['YAML', (object: object) => stringify(object, { lineWidth: 0 })],
  ])(
    'annotations of 256 KiB after kubectl apply fits, and with a byte more does not: %s',
    (_, print) => {
      const names =
        'kubectl.kubernetes.io/last-applied-configuration' + 'kseal.test/note<ä & "ö">\n';
      const rest = Buffer.byteLength(applied(filled(0)) + names);
      const tooLarge = (length: number) =>
        verify(print(filled(length))).findings.filter(({ code }) => code === 'too-large');
      expect(tooLarge(256 * 1024 - rest)).toEqual([]);
      expect(tooLarge(256 * 1024 - rest + 1)).toMatchObject([
        { severity: 'warning', message: expect.stringContaining(' 262145 bytes') },
      ]);
    },
  );

  test('no namespace and no annotations needs room for those that kubectl adds', () => {
    const { metadata: _, ...rest } = filled(256 * 1024);
    const added = { ...rest, metadata: { name: 'db', namespace: 'default', annotations: {} } };
    const total = applied(added).length + 'kubectl.kubernetes.io/last-applied-configuration'.length;
    expect(verify(JSON.stringify({ ...rest, metadata: { name: 'db' } })).findings).toContainEqual(
      expect.objectContaining({ message: expect.stringContaining(` ${total} bytes`) }),
    );
  });

  test.each([
    [256, ['warning too-large']],
    [257, ['error too-large', 'warning too-large']],
  ])('%d sealed values has the findings %j', (count, found) => {
    const value = base64(sealedValue({ kseal: { scope: 'namespace-wide', namespace: 'hr' } }));
    const lines = Array.from({ length: count }, (_, i) => `  k${i}: ${value}`);
    expect(severities(manifest(`data:\n${lines.join('\n')}`))).toEqual(found);
  });
});

test('hints contain the file name, quoted for a shell', () => {
  const hint = (path: string) =>
    verifyText({ path, content: readFixture('dirty/plaintext-data.yaml') }, openPolicy, defaults)
      .findings[0]?.hint;
  expect(hint('a b.yaml')).toContain("kseal seal -f 'a b.yaml' -i");
  expect(hint('-')).toMatch(/kseal seal -f -$/);
});
