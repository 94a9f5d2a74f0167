import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { leaksOf } from '../helpers/canary.ts';
import { nestings } from '../manifest/random-nesting.ts';
import { base64, brokenBy, sealedValue, verify } from './values.ts';

test('plaintext in a Secret at any depth of any document is reported, and never quoted', () => {
  fc.assert(
    fc.property(nestings, (text) => {
      const { findings, secrets } = verify(text);
      expect(findings.map(({ code, severity }) => `${severity} ${code}`)).toContain(
        'error plaintext-value',
      );
      expect(secrets).toBe(1);
      const report = Buffer.from(JSON.stringify(findings));
      expect(leaksOf(Buffer.from('CANARY-nested'), report)).toEqual([]);
    }),
    { numRuns: 400 },
  );
});

const inTemplate = (...lines: readonly string[]) =>
  ['kind: Template', 'objects:', '- apiVersion: v1', '  kind: Secret', ...lines].join('\n');

describe('a Secret inside another object breaks', () => {
  test.each([
    ['plaintext-value by a number', inTemplate('  stringData: { a: 123 }'), ['5 plaintext-value']],
    ['plaintext-value by bad base64', inTemplate('  data: { a: x y }'), ['5 plaintext-value']],
    [
      'plaintext-value by a tagged value',
      inTemplate('  data: { a: !x eA== }'),
      ['5 plaintext-value'],
    ],
    [
      'plaintext-value in each field',
      inTemplate('  data: { a: eA== }', '  stringData: { b: x }'),
      ['5 plaintext-value', '6 plaintext-value'],
    ],
    ['malformed-jwe', inTemplate('  stringData: { a: eyJhbGciOiJSU0E.x }'), ['5 malformed-jwe']],
    ['raw-jwe-in-data', inTemplate(`  data: { a: ${sealedValue()} }`), ['5 raw-jwe-in-data']],
    ['unknown-field', inTemplate('  metadata: { name: db }', '  a: x'), ['6 unknown-field']],
    ['invalid-data-key', inTemplate('  data: { a b: eA== }'), ['5 invalid-data-key']],
    [
      'duplicate-data-key',
      inTemplate('  data: { a: eA== }', '  stringData: { a: x }'),
      ['5 plaintext-value', '6 duplicate-data-key', '6 plaintext-value'],
    ],
    [
      'invalid-value by data that is not a mapping',
      inTemplate('  stringData: { a: eyJ }', '  data: x'),
      ['5 plaintext-value', '6 invalid-value'],
    ],
    [
      'plaintext-annotation',
      inTemplate(
        '  metadata:',
        '    annotations:',
        `      kubectl.kubernetes.io/last-applied-configuration: '{"data":{"a":"eA=="}}'`,
        `  stringData: { password: ${sealedValue()} }`,
      ),
      ['7 plaintext-annotation'],
    ],
    [
      'binding-mismatch',
      inTemplate('  metadata: { name: mail }', `  stringData: { password: ${sealedValue()} }`),
      ['6 binding-mismatch'],
    ],
    [
      'nothing by a name that is a parameter',
      inTemplate(
        `  metadata: { name: "\${NAME}", namespace: "{{ns}}" }`,
        `  data: { password: ${base64(sealedValue())} }`,
      ),
      [],
    ],
    [
      'nothing by a missing name, key or namespace',
      inTemplate('  type: kubernetes.io/tls', `  stringData: { password: ${sealedValue()} }`),
      [],
    ],
    ['nothing by null and empty values', inTemplate('  data: { a: null, b: "", c: ~, d: }'), []],
    ['template by a placeholder', inTemplate(`  stringData: { a: "\${A}" }`), ['5 template']],
    [
      'plaintext-value, but not unknown-field, by an object with other fields',
      'secret: { kind: Secret, apiVersion: v1, create: true, name: db, data: { a: eA== } }',
      ['1 plaintext-value'],
    ],
    ['nothing without values', 'secret: { kind: Secret, apiVersion: v1, data: {} }', []],
    [
      'plaintext-value by an annotation of an object that only refers to it',
      inTemplate(
        '  metadata:',
        '    annotations:',
        `      x: '{"apiVersion":"v1","kind":"Secret","data":{"a":"eA=="}}'`,
      ),
      ['7 plaintext-value'],
    ],
    [
      'plaintext-value if a tag encodes its kind',
      'x: { apiVersion: v1, kind: !!binary U2VjcmV0, metadata: {}, data: { a: eA== } }',
      ['1 plaintext-value'],
    ],
    [
      'plaintext-value if its kind has an alias as a key',
      'x: &k kind\ny: { apiVersion: v1, *k : Secret, metadata: {}, data: { a: eA== } }',
      ['2 plaintext-value'],
    ],
    ['nothing by stringData without a kind', 'x: { stringData: { a: x } }', []],
    [
      'nothing without its apiVersion, if it is not whole',
      'x: { kind: Secret, data: { a: b } }',
      [],
    ],
    [
      'plaintext-value without its apiVersion, if it is whole',
      'x: { kind: Secret, metadata: {}, data: { a: eA== } }',
      ['1 plaintext-value'],
    ],
    [
      'nothing with the apiVersion of another project',
      'x: { kind: Secret, apiVersion: x.io/v1, data: { a: eA== } }',
      [],
    ],
    [
      'plaintext-value with an apiVersion whose group has no dot',
      'x: { kind: Secret, apiVersion: x/v1, data: { a: eA== } }',
      ['1 plaintext-value'],
    ],
    [
      'plaintext-value once, if it is both',
      'apiVersion: v1\nkind: List\nitems:\n- apiVersion: v1\n  kind: Secret\n  metadata: { name: a, namespace: b }\n  stringData: { a: x }',
      ['7 plaintext-value'],
    ],
  ])('%s', (_, text, broken) => {
    expect(brokenBy(text)).toEqual(broken);
  });
});

test('the hint names the Secret and the data key, and the message the object around it', () => {
  const text = `kind: Template\nmetadata: { name: app }\nobjects:\n- kind: Secret\n  apiVersion: v1\n  metadata: { name: db, namespace: hr }\n  data: { password: eA== }\n`;
  const [finding] = verify(text).findings;
  expect(finding).toMatchObject({
    secret: 'hr/db',
    key: 'password',
    message: 'the value is not sealed; its Secret is inside Template app',
    hint: 'change the value if it was ever committed; run kseal seal db -n hr --prompt password --raw, and put the output under stringData instead',
  });
});

test('a string inside a string is searched, but not without end', () => {
  const secret = JSON.stringify({ apiVersion: 'v1', kind: 'Secret', stringData: { a: 'x' } });
  const inStrings = (depth: number) =>
    Array.from({ length: depth }).reduce<string>((text) => JSON.stringify({ text }), secret);
  expect(brokenBy(inStrings(7))).toEqual(['1 plaintext-value']);
  expect(brokenBy(inStrings(12))).toEqual([]);
});

describe('a value in a literal block scalar is reported at its line', () => {
  test.each([
    [
      'with its own indentation',
      'a: |\n  kind: Secret\n  apiVersion: v1\n  data:\n    a: eA==',
      '5:8',
    ],
    [
      'after an indentation indicator',
      'a: |2-\n    kind: Secret\n    apiVersion: v1\n    data: { a: eA== }',
      '4:16',
    ],
    [
      'after empty lines',
      'a: |\n\n\n  kind: Secret\n  apiVersion: v1\n  data: { a: eA== }',
      '6:14',
    ],
    [
      'with Windows line ends',
      'a: |\r\n  kind: Secret\r\n  apiVersion: v1\r\n  data: { a: eA== }\r\n',
      '4:14',
    ],
    [
      'inside another',
      'a: |\n  b: |\n    kind: Secret\n    apiVersion: v1\n    data: { a: eA== }\n',
      '5:16',
    ],
  ])('%s', (_, text, at) => {
    const places = verify(text).findings.map(
      ({ position: { line, column } }) => `${line}:${column}`,
    );
    expect(places).toEqual([at]);
  });
});
