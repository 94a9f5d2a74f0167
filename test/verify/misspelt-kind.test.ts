import { describe, expect, test } from 'vitest';
import { brokenBy, manifest } from './values.ts';

const values = 'stringData: { a: horse }';

describe('a misspelt kind is reported', () => {
  test.each([
    'secret',
    'SECRET',
    'Secrets',
    '" Secret"',
    '"Secret\t"',
    'Secret\u00A0',
    'Sec\u200Bret',
    'Ｓｅｃｒｅｔ',
    'S\u0435cret',
    'Secert',
    'Secre',
    'Secret1',
  ])('as a value: %j', (kind) => {
    expect(brokenBy(`apiVersion: v1\nkind: ${kind}`)).toEqual(['2 misspelt-kind']);
  });

  test.each(['Kind', 'KIND', '" kind"', 'kind\u00A0', 'kin', 'ｋｉｎｄ'])('as a key: %j', (key) => {
    expect(brokenBy(`apiVersion: v1\n${key}: Secret`)).toEqual(['2 misspelt-kind']);
    expect(brokenBy(`apiVersion: v1\n${key}: ConfigMap`)).toEqual([]);
  });

  test.each([
    ['without an apiVersion, beside data', 'Kind: Secret\ndata: {}', ['1 misspelt-kind']],
    [
      'with an API group that is not one of Kubernetes',
      `apiVersion: core/v1\nkind: secret\n${values}`,
      ['2 misspelt-kind'],
    ],
    ['if there is none, beside stringData', `apiVersion: v1\n${values}`, ['1 misspelt-kind']],
    [
      'if there is none, beside data and type',
      'apiVersion: v1\ntype: Opaque\ndata: {}',
      ['1 misspelt-kind'],
    ],
    ['but not if there is none, beside data', 'apiVersion: v1\ndata: {}', []],
    ['but not without an apiVersion and data', 'Kind: Secret', []],
    ['but not beside data that is not a mapping', 'kind: secret\nname: token\ndata: aG9yc2U=', []],
    ['but not in another API group', 'apiVersion: x.io/v1\nkind: secret\ndata: {}', []],
    ['but not of a kind of Kubernetes', 'apiVersion: v1\nkind: Service\ndata: {}', []],
    ['but not of a kind with a longer name', 'apiVersion: v1\nkind: SecretClass\ndata: {}', []],
    ['but not in a file of values', values, []],
  ])('%s', (_, text, broken) => {
    expect(brokenBy(text)).toEqual(broken);
  });

  test('in a template, unless an action makes it', () => {
    const text = (kind: string) => `{{ if .x }}\napiVersion: v1\nkind: ${kind}\n{{ end }}`;
    expect(brokenBy(text('secret'))).toEqual(['3 misspelt-kind']);
    expect(brokenBy(text('{{ .kind }}'))).toEqual(['1 template']);
  });

  test('in each item of a list, at any depth', () => {
    const lines = [
      ...['apiVersion: v1', 'kind: List', 'items:'],
      ...['- apiVersion: v1', '  kind: secret'],
      ...['- apiVersion: v1', '  kind: Secret', '  metadata: { name: a, namespace: hr }'],
      ...['- apiVersion: v1', '  kind: List', '  items:'],
      ...['  - Kind: Secret', `    ${values}`],
    ];
    expect(brokenBy(lines.join('\n'))).toEqual(['5 misspelt-kind', '12 misspelt-kind']);
  });

  test('in the items of a document that is reported itself', () => {
    const items = 'items:\n- apiVersion: v1\n  kind: secret';
    expect(brokenBy(`apiVersion: v1\nkind: secret\n${items}`)).toEqual([
      '2 misspelt-kind',
      '5 misspelt-kind',
    ]);
    expect(brokenBy(manifest(items))).toEqual(['4 unknown-field', '6 misspelt-kind']);
  });
});

describe('a misspelt apiVersion of a Secret is reported, and its values are judged', () => {
  test.each([
    ...['V1', '"v1 "', 'v1\u00A0', '/v1', 'v1/', 'v2', 'v1beta1', 'v1.0', '1', '\'{"v1"}\''],
    ...['core/v1', 'Core/v1', 'v1/core', 'apps/v1', 'extensions/v1', 'a/b/c', 'x.io/v1/x'],
    ...['core.k8s.io/v1', 'k8s.io/v1', 'secrets.kubernetes.io/v1'],
  ])('%s', (version) => {
    const text = `apiVersion: ${version}\nkind: Secret\nmetadata: { name: a, namespace: b }\n${values}`;
    expect(brokenBy(text)).toEqual(['1 misspelt-kind', '4 plaintext-value']);
  });

  test.each(['', 'apiVersion: ~\n', 'apiversion: v1\n', 'APIVERSION: v1\n'])('%j', (line) => {
    const text = `kind: Secret\n${line}metadata: { name: a, namespace: b }\n${values}`;
    const lines = line.split('\n').length;
    expect(brokenBy(text)).toEqual(['1 misspelt-kind', `${2 + lines} plaintext-value`]);
  });

  test.each(['bitnami.com/v1alpha1', 'secrets.hashicorp.com/v1beta1', 'a.x-k8s.io/v1', 'x.io/v1'])(
    'but not of the group of another project: %s',
    (version) => {
      expect(brokenBy(`apiVersion: ${version}\nkind: Secret\n${values}`)).toEqual([]);
    },
  );
});
