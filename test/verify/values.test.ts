import { describe, expect, test } from 'vitest';
import { malformedTexts } from '../jwe/malformed.ts';
import { malformedBindings } from '../jwe/malformed-bindings.ts';
import { malformedHeaders } from '../jwe/malformed-headers.ts';
import { openPolicy } from './fixtures.ts';
import {
  base64,
  brokenBy,
  keysNamed,
  kid,
  manifest,
  sealedValue,
  strict,
  verify,
  withValue,
} from './values.ts';

const known = {
  keys: keysNamed({ prod: 'active', staging: 'active', old: 'deprecated', lost: 'revoked' }),
};
const forProd = { ...known, wantedKid: kid('prod') };
const elsewhere = '{ name: db, namespace: finance }';
const inHr = { namespace: 'hr' };
const inFinance = { namespace: 'finance' };

test('a sealed value in its place breaks no rule, whether or not keys are known', () => {
  for (const policy of [{}, known, forProd])
    expect(brokenBy(withValue(sealedValue()), policy)).toEqual([]);
});

describe('a misplaced value breaks no other rule that depends on its place', () => {
  test.each([
    ['another active key', 'staging', {}, []],
    ['an unknown key', 'stranger', {}, ['5 unknown-kid']],
    ['a deprecated key', 'old', {}, ['5 deprecated-key']],
    ['a revoked key', 'lost', {}, ['5 revoked-key']],
    ['a refused key', 'prod', { refusedKids: new Set([kid('prod')]) }, ['5 refused-key']],
  ] as const)('if it is sealed to %s', (_, key, policy, more) => {
    const text = withValue(sealedValue({}, key), elsewhere);
    expect(brokenBy(text, { ...forProd, ...policy })).toEqual(['5 binding-mismatch', ...more]);
  });

  test('if its scope is too wide', () => {
    const text = withValue(
      sealedValue({ kseal: { scope: 'namespace-wide', namespace: 'hr' } }),
      elsewhere,
    );
    expect(brokenBy(text, { maxScope: 'strict' })).toEqual(['5 binding-mismatch']);
  });
});

describe('a value in its place breaks one rule about its key', () => {
  test.each([
    ['another active key', 'staging', ['5 wrong-key']],
    ['an unknown key', 'stranger', ['5 unknown-kid']],
    ['a deprecated key', 'old', ['5 deprecated-key']],
    ['a revoked key', 'lost', ['5 revoked-key']],
  ] as const)('if it is sealed to %s', (_, key, rules) => {
    expect(brokenBy(withValue(sealedValue({}, key)), forProd)).toEqual(rules);
  });

  test('if no key is known, only if the rule for the path names another key', () => {
    expect(brokenBy(withValue(sealedValue({}, 'stranger')))).toEqual([]);
    expect(brokenBy(withValue(sealedValue({}, 'stranger')), { wantedKid: kid('prod') })).toEqual([
      '5 wrong-key',
    ]);
  });
});

describe('an unbound value is judged', () => {
  test.each([
    ['with a known kid', {}, ['5 unbound-value']],
    ['with an unknown kid', { kid: kid('stranger') }, ['5 unbound-value', '5 unknown-kid']],
    ['without a kid', { kid: undefined }, ['5 missing-kid', '5 unbound-value']],
    [
      'with a kid that is not a thumbprint',
      { kid: 'keys/7' },
      ['5 missing-kid', '5 unbound-value'],
    ],
  ])('%s', (_, header, rules) => {
    const value = sealedValue({ kseal: undefined, ...header });
    expect(brokenBy(withValue(value), known)).toEqual(rules);
  });
});

describe('a mistake in the metadata is not reported again for the values', () => {
  test.each([
    ['no name', '{ namespace: hr }', {}, ['missing-name']],
    ['an empty name', '{ name: "", namespace: hr }', {}, ['missing-name']],
    ['an invalid name', '{ name: DB, namespace: hr }', {}, ['invalid-name']],
    ['a list as the name', '{ name: [db], namespace: hr }', {}, ['invalid-value']],
    ['no namespace', '{ name: db }', {}, ['missing-namespace']],
    ['an alias as the namespace', '{ name: &x db, namespace: *x }', {}, ['unsupported-yaml']],
    [
      'a namespace other than that of the rule',
      '{ name: db, namespace: hr }',
      inFinance,
      ['wrong-namespace'],
    ],
    [
      'a namespace other than that of the rule and the values',
      elsewhere,
      inHr,
      ['wrong-namespace'],
    ],
    ['no metadata', '', {}, ['missing-name', 'missing-namespace']],
    ['a list as the metadata', '[]', {}, ['invalid-value']],
  ])('%s', (_, metadata, policy, rules) => {
    const found = brokenBy(withValue(sealedValue(), metadata), policy);
    expect(found).toEqual(rules.map((rule) => `3 ${rule}`));
  });
});

test('a name that is not a string is still compared with the binding', () => {
  const found = brokenBy(withValue(sealedValue(), '{ name: 7, namespace: hr }'));
  expect(found).toEqual(['3 invalid-value', '5 binding-mismatch']);
});

test('a Secret without a namespace has that of the rule for its path', () => {
  const text = withValue(sealedValue(), '{ name: db }');
  expect(brokenBy(text, inHr)).toEqual([]);
  expect(brokenBy(text, inFinance)).toEqual(['5 binding-mismatch']);
});

test.each([
  ['strict', 'strict', []],
  ['namespace-wide', 'strict', ['5 scope-too-wide']],
  ['namespace-wide', 'namespace-wide', []],
  ['cluster-wide', 'namespace-wide', ['5 scope-too-wide']],
  ['cluster-wide', 'cluster-wide', []],
] as const)('scope %s is judged if the widest allowed scope is %s', (scope, maxScope, rules) => {
  const bound = { strict, 'namespace-wide': { scope, namespace: 'hr' }, 'cluster-wide': { scope } };
  expect(brokenBy(withValue(sealedValue({ kseal: bound[scope] })), { maxScope })).toEqual(rules);
});

test('a value is malformed if its encrypted key is shorter than its RSA key', () => {
  const keys = new Map([[kid('prod'), { name: 'prod', state: 'active' as const, bits: 4096 }]]);
  expect(brokenBy(withValue(sealedValue()), { ...openPolicy, keys })).toEqual(['5 malformed-jwe']);
});

describe('a malformed value breaks exactly one rule', () => {
  const forms = [...malformedTexts, ...malformedHeaders, ...malformedBindings];
  test.each(forms.map((form) => [form.name, form] as const))('%s', (_, { bytes }) => {
    const found = brokenBy(manifest(`data:\n  password: ${bytes.toString('base64') || '""'}`));
    expect(found).toHaveLength(1);
    expect(found[0]).toMatch(/^5 (?:malformed-jwe|algorithm-not-allowed|plaintext-value)$/);
  });
});

describe('a data key is judged if its value is', () => {
  const sealed = base64(sealedValue());
  test.each([
    ['a number', 'stringData:\n  password: 815', ['5 plaintext-value']],
    ['a boolean', 'stringData: { password: yes }', ['4 plaintext-value']],
    ['text that is not base64', 'data:\n  password: correct horse', ['5 plaintext-value']],
    ['null', 'data:\n  password: null', []],
    ['null before a #', 'data:\n  password: #text', ['5 invalid-value']],
    ['a directive of a patch', 'data:\n  $patch: replace', []],
    ['a value in place of a directive', 'stringData:\n  $patch: text', ['5 invalid-data-key']],
    ['a mapping', 'stringData:\n  password: { a: b }', ['5 invalid-value']],
    ['text with an anchor', 'stringData:\n  password: &a text', ['5 unsupported-yaml']],
    ['text with a tag', 'stringData:\n  password: !!binary dGV4dA==', ['5 unsupported-yaml']],
    ['base64 that is cut off', `data:\n  password: ${sealed.slice(0, 501)}`, ['5 malformed-jwe']],
    [
      'base64 that is cut off, in quotes',
      `data:\n  password: "${sealed.slice(0, 501)}"`,
      ['5 malformed-jwe'],
    ],
    [
      'base64 that is cut off, in a block scalar',
      `data:\n  password: |\n    ${sealed.slice(0, 501)}`,
      ['5 malformed-jwe'],
    ],
    [
      'base64 of base64 that is cut off',
      `data:\n  password: ${base64(sealed).slice(0, 501)}`,
      ['5 malformed-jwe'],
    ],
    ['base64url', `data:\n  password: ${sealed.slice(0, 400)}-_-_`, ['5 malformed-jwe']],
    [
      'base64 in several lines',
      `data:\n  password: |\n    ${sealed.slice(0, 500)}\n    ${sealed.slice(500)}`,
      [],
    ],
    ['an empty string', 'stringData:\n  password: ""', ['5 plaintext-value']],
  ])('%s', (_, rest, rules) => {
    expect(brokenBy(manifest(rest))).toEqual(rules);
  });
});

test('data may be empty, but not a scalar', () => {
  expect(brokenBy(manifest('data:'))).toEqual([]);
  expect(brokenBy(manifest('data: text'))).toEqual(['4 invalid-value']);
});

test('the annotation of an earlier kubectl apply does not count, because the next one replaces it', () => {
  const metadata = { name: 'db', namespace: 'hr' };
  const earlier = { 'kubectl.kubernetes.io/last-applied-configuration': '<&>"'.repeat(40_000) };
  const sizes = [undefined, earlier, { a: 'b' }, { a: 'b', ...earlier }].map((annotations) => {
    const data = { filler: base64('x'.repeat(200_000)) };
    const text = JSON.stringify({
      apiVersion: 'v1',
      kind: 'Secret',
      metadata: { ...metadata, annotations },
      data,
    });
    const { findings } = verify(text);
    return findings.flatMap(({ message }) => /total (\d+) bytes/.exec(message)?.slice(1) ?? []);
  });
  expect(sizes[0]).toHaveLength(1);
  expect([sizes[1], sizes[3]]).toEqual([sizes[0], sizes[2]]);
});
