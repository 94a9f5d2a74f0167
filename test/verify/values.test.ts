import { describe, expect, test } from 'vitest';
import { malformedTexts } from '../jwe/malformed.ts';
import { malformedBindings } from '../jwe/malformed-bindings.ts';
import { malformedHeaders } from '../jwe/malformed-headers.ts';
import { openAllowance } from './fixtures.ts';
import {
  base64,
  brokenBy,
  keysNamed,
  kid,
  manifest,
  sealedValue,
  strict,
  withValue,
} from './values.ts';

const known = {
  keys: keysNamed({ prod: 'active', staging: 'active', old: 'deprecated', lost: 'revoked' }),
};
const forProd = { ...known, wantedKid: kid('prod') };
const elsewhere = '{ name: db, namespace: finance }';

test('a sound value in its place breaks no rule, with keys known or not', () => {
  for (const allowed of [{}, known, forProd])
    expect(brokenBy(withValue(sealedValue()), allowed)).toEqual([]);
});

describe('of a misplaced value, only what holds in any place is told besides', () => {
  test.each([
    ['another active key', 'staging', {}, []],
    ['an unknown key', 'stranger', {}, ['5 unknown-kid']],
    ['a deprecated key', 'old', {}, ['5 deprecated-key']],
    ['a revoked key', 'lost', {}, ['5 revoked-key']],
    ['a refused key', 'prod', { refusedKids: new Set([kid('prod')]) }, ['5 refused-key']],
  ] as const)('%s', (_, key, allowed, more) => {
    const text = withValue(sealedValue({}, key), elsewhere);
    expect(brokenBy(text, { ...forProd, ...allowed })).toEqual(['5 binding-mismatch', ...more]);
  });

  test('a scope that is too wide', () => {
    const text = withValue(
      sealedValue({ kseal: { scope: 'namespace-wide', namespace: 'hr' } }),
      elsewhere,
    );
    expect(brokenBy(text, { maxScope: 'strict' })).toEqual(['5 binding-mismatch']);
  });
});

describe('in its place, one rule is about its key', () => {
  test.each([
    ['another active key', 'staging', ['5 wrong-key']],
    ['an unknown key', 'stranger', ['5 unknown-kid']],
    ['a deprecated key', 'old', ['5 deprecated-key']],
    ['a revoked key', 'lost', ['5 revoked-key']],
  ] as const)('%s', (_, key, rules) => {
    expect(brokenBy(withValue(sealedValue({}, key)), forProd)).toEqual(rules);
  });

  test('without any key known, only the one for the path can be wrong', () => {
    expect(brokenBy(withValue(sealedValue({}, 'stranger')))).toEqual([]);
    expect(brokenBy(withValue(sealedValue({}, 'stranger')), { wantedKid: kid('prod') })).toEqual([
      '5 wrong-key',
    ]);
  });
});

describe('an unbound value', () => {
  test.each([
    ['with a known kid', {}, ['5 unbound-value']],
    ['with an unknown kid', { kid: kid('stranger') }, ['5 unbound-value', '5 unknown-kid']],
    ['without a kid', { kid: undefined }, ['5 missing-kid', '5 unbound-value']],
    ['with another kind of kid', { kid: 'keys/7' }, ['5 missing-kid', '5 unbound-value']],
  ])('%s', (_, header, rules) => {
    const value = sealedValue({ kseal: undefined, ...header });
    expect(brokenBy(withValue(value), known)).toEqual(rules);
  });
});

describe('where the Secret itself is at fault, its values are not', () => {
  test.each([
    ['no name', '{ namespace: hr }', {}, ['3 missing-name']],
    ['an empty name', '{ name: "", namespace: hr }', {}, ['3 missing-name']],
    ['a name that is none', '{ name: DB, namespace: hr }', {}, ['3 invalid-name']],
    [
      'a name that is no string',
      '{ name: 7, namespace: hr }',
      {},
      ['3 invalid-value', '5 binding-mismatch'],
    ],
    ['a name in a list', '{ name: [db], namespace: hr }', {}, ['3 invalid-value']],
    ['no namespace', '{ name: db }', {}, ['3 missing-namespace']],
    ['the namespace of the rule', '{ name: db }', { namespace: 'hr' }, []],
    ['another in the rule', '{ name: db }', { namespace: 'finance' }, ['5 binding-mismatch']],
    [
      'another than the rule',
      '{ name: db, namespace: hr }',
      { namespace: 'finance' },
      ['3 wrong-namespace'],
    ],
    ['the value with the rule', elsewhere, { namespace: 'hr' }, ['3 wrong-namespace']],
    ['no metadata', '', {}, ['3 missing-name', '3 missing-namespace']],
    ['metadata that is a list', '[]', {}, ['3 invalid-value']],
    ['a namespace behind an alias', '{ name: &x db, namespace: *x }', {}, ['3 unsupported-yaml']],
  ])('%s', (_, metadata, allowed, rules) => {
    expect(brokenBy(withValue(sealedValue(), metadata), allowed)).toEqual(rules);
  });
});

test.each([
  ['strict', 'strict', []],
  ['namespace-wide', 'strict', ['5 scope-too-wide']],
  ['namespace-wide', 'namespace-wide', []],
  ['cluster-wide', 'namespace-wide', ['5 scope-too-wide']],
  ['cluster-wide', 'cluster-wide', []],
] as const)('scope %s where %s is allowed', (scope, maxScope, rules) => {
  const bound = { strict, 'namespace-wide': { scope, namespace: 'hr' }, 'cluster-wide': { scope } };
  expect(brokenBy(withValue(sealedValue({ kseal: bound[scope] })), { maxScope })).toEqual(rules);
});

test('a value that is shorter or longer than its key makes is malformed', () => {
  const keys = new Map([[kid('prod'), { name: 'prod', state: 'active' as const, bits: 4096 }]]);
  expect(brokenBy(withValue(sealedValue()), { ...openAllowance, keys })).toEqual([
    '5 malformed-jwe',
  ]);
});

describe('every malformed value is told once, and never as sound', () => {
  const forms = [...malformedTexts, ...malformedHeaders, ...malformedBindings];
  test.each(forms.map((form) => [form.name, form] as const))('%s', (_, { bytes }) => {
    const found = brokenBy(manifest(`data:\n  password: ${bytes.toString('base64') || '""'}`));
    expect(found).toHaveLength(1);
    expect(found[0]).toMatch(/^5 (?:malformed-jwe|algorithm-not-allowed|plaintext-value)$/);
  });
});

describe('what stands where a value belongs', () => {
  const sealed = base64(sealedValue());
  test.each([
    ['a number', 'stringData:\n  password: 815', ['5 plaintext-value']],
    ['a boolean', 'stringData: { password: yes }', ['4 plaintext-value']],
    ['no base64', 'data:\n  password: correct horse', ['5 plaintext-value']],
    ['null', 'data:\n  password: null', ['5 invalid-value']],
    ['a mapping', 'stringData:\n  password: { a: b }', ['5 invalid-value']],
    ['an anchor', 'stringData:\n  password: &a text', ['5 unsupported-yaml']],
    ['a tag', 'stringData:\n  password: !!binary dGV4dA==', ['5 unsupported-yaml']],
    ['base64 that was cut', `data:\n  password: ${sealed.slice(0, 501)}`, ['5 malformed-jwe']],
    [
      'base64 that was cut, in quotes',
      `data:\n  password: "${sealed.slice(0, 501)}"`,
      ['5 malformed-jwe'],
    ],
    [
      'base64 that was cut, in a block',
      `data:\n  password: |\n    ${sealed.slice(0, 501)}`,
      ['5 malformed-jwe'],
    ],
    [
      'two layers that were cut',
      `data:\n  password: ${base64(sealed).slice(0, 501)}`,
      ['5 malformed-jwe'],
    ],
    ['base64url', `data:\n  password: ${sealed.slice(0, 400)}-_-_`, ['5 malformed-jwe']],
    [
      'base64 of several lines',
      `data:\n  password: |\n    ${sealed.slice(0, 500)}\n    ${sealed.slice(500)}`,
      [],
    ],
    ['an empty text', 'stringData:\n  password: ""', ['5 plaintext-value']],
    ['no mapping', 'data: text', ['4 invalid-value']],
    ['nothing', 'data:', []],
  ])('%s', (_, rest, rules) => {
    expect(brokenBy(manifest(rest))).toEqual(rules);
  });
});
