import { describe, expect, test } from 'vitest';
import { brokenBy, manifest, sealedValue, withValue } from './values.ts';

const helm = (rest: string) => `apiVersion: v1\nkind: Secret\nmetadata:\n  name: db\n${rest}\n`;

const variable = (name: string) => `$\{${name}}`;

describe('a template is said to be one, once', () => {
  test.each([
    [
      'with control lines',
      `{{- if .x }}\n${helm('data:\n  a: {{ .a }}\n  b: {{ .b }}')}{{ end }}`,
      ['1 template'],
    ],
    ['that parses as flow mappings', helm('data:\n  a: {{ .a }}\n  b: {{ .b }}'), ['6 template']],
    ['of the name', manifest('', '{ name: "{{ .x }}-db", namespace: hr }'), ['3 template']],
    [
      'of the namespace, by another tool',
      manifest('', `{ name: db, namespace: "${variable('NS')}" }`),
      ['3 template'],
    ],
    ['of the kind', 'apiVersion: v1\nkind: {{ .kind }}\nmetadata: {{ .m }}', ['2 template']],
    ['that is included as a whole', '{{ include "common.secret" . }}', ['1 template']],
    ['in JSON', '{"kind":"Secret","apiVersion":"v1","metadata":{"name":{{ .x }}}}', ['1 template']],
  ])('%s', (_, text, rules) => {
    expect(brokenBy(text)).toEqual(rules);
  });
});

describe('a template that makes no Secret is passed over', () => {
  test.each([
    [
      'of another kind',
      'kind: Deployment\nspec: {{- include "x" . | nindent 2 }}\n  a: {{ .b }}: c',
    ],
    ['an alert', 'kind: PrometheusRule\nspec:\n  summary: "{{ $labels.instance }} is down"'],
    ['a workflow', `on: push\njobs:\n  a:\n    env: { TOKEN: "${variable('{ secrets.TOKEN }')}" }`],
    [
      'a sealed Secret with braces in a comment',
      `# {{ not a template }}\n${withValue(sealedValue())}`,
    ],
  ])('%s', (_, text) => {
    expect(brokenBy(text)).toEqual([]);
  });
});

describe('a value that another tool puts in', () => {
  test.each([
    ['{{ .Values.password }}', ['5 template']],
    [variable('DB_PASSWORD'), ['5 template']],
    ['{{ .a }}{{ .b }}', ['5 template']],
    ['{{ .a }} horse', ['5 plaintext-value']],
    [`horse ${variable('A')}`, ['5 plaintext-value']],
    ['{{ .a', ['5 plaintext-value']],
    ['${', ['5 plaintext-value']],
    ['{}', ['5 plaintext-value']],
    ['   ', ['5 plaintext-value']],
  ])('%s', (value, rules) => {
    const text = manifest(`stringData:\n  password: ${JSON.stringify(value)}`);
    expect(brokenBy(text)).toEqual(rules);
    if (rules[0] === '5 template')
      expect(brokenBy(text.replace('stringData', 'data'))).toEqual(rules);
  });

  // In data it is no base64, so what is judged is the text of the whole value, on all its lines.
  test.each([
    ['a block scalar with more', `|\n    ${variable('A')}\n    horse`],
    ['a folded one', `>-\n    ${variable('A')}\n    horse`],
    ['an action, and more', '|-\n    {{ .a }}\n    horse'],
    ['a quoted text with more', `"${variable('A')}\n    horse"`],
    ['a quoted text with an escaped quote', `"${variable('A')}\\" horse"`],
    ['an escaped single quote', `'${variable('A')}'' horse'`],
    ['a plain text with more', `${variable('A')}\n    horse`],
  ])('and %s is plaintext', (_, value) => {
    expect(brokenBy(manifest(`data:\n  password: ${value}`))).toEqual(['5 plaintext-value']);
    expect(brokenBy(manifest(`stringData:\n  password: ${value}`))).toEqual(['5 plaintext-value']);
  });

  test.each([`|\n    ${variable('A')}\n`, '>-\n\n    {{ .a }}', `"${variable('A')}"`])(
    'and nothing else on its lines is none: %j',
    (value) => {
      expect(brokenBy(manifest(`data:\n  password: ${value}`))).toEqual(['5 template']);
    },
  );

  test('is told once for each text, at the first', () => {
    const value = (key: string) => `  ${key}: "{{ .${key} }}"`;
    expect(brokenBy(manifest(`stringData:\n${value('a')}\n${value('b')}`))).toEqual(['5 template']);
    expect(brokenBy(manifest(`data:\n${value('a')}\nstringData:\n${value('b')}`))).toEqual([
      '5 template',
    ]);
  });
});

test('a plaintext in a template that can be parsed is told besides', () => {
  expect(brokenBy(helm('stringData:\n  a: {{ .a }}\n  b: horse'))).toEqual([
    '6 template',
    '7 plaintext-value',
  ]);
});

test('braces in a comment make no template of a text that is broken', () => {
  expect(brokenBy(`# {{ }}\n${helm(' data: x: y')}`)).toEqual(['6 unparsable']);
});

describe('what SOPS encrypts', () => {
  const encrypted = 'ENC[AES256_GCM,data:c2Vhcw==,iv:aXY=,tag:dGFn,type:str]';
  const sops = (mac: string) => `sops: { mac: "${mac}", age: [] }`;
  test.each([
    ['is left alone', `stringData: { a: "${encrypted}", b: "" }\n${sops(encrypted)}`, []],
    ['is left alone in data', `data: { a: "${encrypted}" }\n${sops(encrypted)}`, []],
    [
      'may stand beside plaintext',
      `stringData:\n  a: "${encrypted}"\n  b: horse\n${sops(encrypted)}`,
      ['6 plaintext-value'],
    ],
    ['has a MAC', `stringData: { a: "${encrypted}" }\n${sops('x')}`, ['4 plaintext-value']],
    ['has a MAC in the file', `stringData: { a: "${encrypted}" }`, ['4 plaintext-value']],
  ])('%s', (_, rest, rules) => {
    expect(brokenBy(manifest(rest))).toEqual(rules);
  });
});
