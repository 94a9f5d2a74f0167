import { describe, expect, test } from 'vitest';
import { verifyText } from '../../src/verify/verify.ts';
import { defaults, openAllowance } from './fixtures.ts';
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

describe('what is wrong in a template whatever it is rendered to', () => {
  const named = (rest: string) => manifest(rest, `{ name: "${variable('NAME')}", namespace: hr }`);

  test.each([
    ['a value with an anchor', 'stringData:\n  a: &a horse', '5 unsupported-yaml'],
    ['a value with a tag', 'stringData:\n  a: !!str horse', '5 unsupported-yaml'],
    ['merged values', 'stringData:\n  <<: { a: horse }', '5 unsupported-yaml'],
    ['a data key that is not allowed', 'stringData:\n  a b: horse', '5 invalid-data-key'],
    ['values one level too deep', 'stringData:\n  a:\n    b: horse', '6 invalid-value'],
    ['a bare JWE in data', 'data:\n  a: eyJhbGciOiJSU0E.a.b.c.d', '5 raw-jwe-in-data'],
    ['a value in the second of two fields', 'data:\ndata:\n  a: aG9yc2U=', '6 plaintext-value'],
  ])('is told: %s', (_, rest, broken) => {
    expect(brokenBy(named(rest))).toEqual(['3 template', broken]);
    const helmed = `{{ if .x }}\n${helm(rest)}{{ end }}`;
    expect(brokenBy(helmed)).toEqual([
      '1 template',
      broken.replace(/^\d/, (line) => `${Number(line) + 2}`),
    ]);
  });

  test('is also the plaintext in a branch that is a Secret, where another is none', () => {
    const kinds = ['{{ if .x }}', 'apiVersion: x/v1', 'kind: A', '{{ else }}', 'apiVersion: v1'];
    const text = [...kinds, 'kind: Secret', '{{ end }}', 'stringData:', '  a: horse', ''];
    expect(brokenBy(text.join('\n'))).toEqual(['1 template', '9 plaintext-value']);
  });

  test('and the plaintext in the second of two lists', () => {
    const item =
      '- { apiVersion: v1, kind: Secret, metadata: { name: a }, stringData: { a: horse } }';
    const list = [
      'apiVersion: v1',
      'kind: List',
      '{{ if .x }}',
      'items: []',
      '{{ else }}',
      'items:',
    ];
    expect(brokenBy([...list, item, '{{ end }}'].join('\n'))).toEqual([
      '3 template',
      '7 plaintext-value',
    ]);
  });

  test('is nothing in a branch of another kind', () => {
    const secret = ['{{ if .x }}', 'apiVersion: v1', 'kind: Secret', 'data:', '  a: {{ .a }}'];
    const other = ['{{ else }}', 'apiVersion: v1', 'kind: ConfigMap', 'data:', '  b: c', 'd: e'];
    expect(brokenBy([...secret, ...other, '{{ end }}'].join('\n'))).toEqual(['1 template']);
    expect(brokenBy([...other, ...secret, '{{ end }}'].join('\n'))).toEqual(['1 template']);
  });

  test.each([
    ['included values', 'data:\n  {{ include "a" . }}'],
    ['an included value', 'data:\n  a:\n    {{ include "a" . }}'],
    ['by luck', 'stringData:\n  a: {{ include "a" . }}'],
    ['a key by luck', 'stringData:\n  {{ .k }}: {{ .v }}'],
    ['a field by luck', 'stringData: {{ include "a" . }}'],
    ['annotations', 'metadata:\n  annotations:\n    {{ .k }}: "a"'],
  ])('is nothing that an action makes: %s', (_, rest) => {
    expect(brokenBy(`kind: Secret\napiVersion: v1\n${rest}`)).toEqual([
      expect.stringMatching(/^\d template$/),
    ]);
  });
});

describe('under a key that another tool puts in', () => {
  test.each([
    ['a plaintext is one', 'horse', '5 plaintext-value'],
    ['one of several lines, too', '|\n    horse', '5 plaintext-value'],
    ['a value that is put in cannot be judged', `"${variable('A')}"`, '5 template'],
    ['a sealed value cannot either', 'eyJhbGciOiJSU0EtT0FFUC0yNTYi', '5 template'],
  ])('%s', (_, value, broken) => {
    expect(brokenBy(manifest(`stringData:\n  "${variable('K')}": ${value}`))).toEqual([broken]);
  });

  test('a plaintext is one by luck as well', () => {
    expect(brokenBy(manifest('data:\n  {{ .k }}: aG9yc2U='))).toEqual([
      '5 template',
      '5 plaintext-value',
    ]);
  });
});

test('a plaintext in a template that can be parsed is told besides', () => {
  expect(brokenBy(helm('stringData:\n  a: {{ .a }}\n  b: horse'))).toEqual([
    '6 template',
    '7 plaintext-value',
  ]);
});

describe('a template that is no YAML', () => {
  const layout = [
    '{{- if .Values.secret }}',
    'apiVersion: v1',
    'kind: Secret',
    'metadata:',
    '  name: {{ .Release.Name }}-db',
    '  namespace: {{ .Release.Namespace | quote }}',
    '  labels: {{- include "labels" . | nindent 4 }}',
    '    app: db',
    'stringData:',
    '  {{- range $key, $value := .Values.data }}',
    '  {{ $key }}: {{ $value | quote }}',
    '  {{- end }}',
  ];
  const inLayout = (...rest: string[]) => brokenBy([...layout, ...rest, '{{- end }}'].join('\n'));

  test.each([
    ['a value', ['  password: horse']],
    ['one in quotes', ['  password: "horse"']],
    ['one that is empty', ['  password: ""']],
    ['a block scalar', ['  password: |', '    horse']],
    ['one before control lines', ['  password: |-', '    horse', '  {{- if .x }}']],
    ['one beside control lines', ['  {{- if .x }}', '  password: horse', '  {{- else }}'], 14],
    ['one behind quotes that hold braces', ['  user: {{ "}}" }}', '  password: horse'], 14],
    ['one behind a comment with a quote', ["  {{/* it's }} */}}", '  password: horse'], 14],
    ['one behind an action of two lines', ['  {{- if and', '    .x }}', '  password: horse'], 15],
    ['one under a key that an action makes', ['  {{ .x }}.password: horse']],
    [
      'one of two under a key',
      ['  {{ if .x }}', '  a: {{ .x }}', '  {{ else }}', '  a: horse'],
      16,
    ],
    ['one that is no base64', ['data:', '  password: horse'], 14],
    ['one with white space before a comment', ['  password: horse   # {{ .x }}']],
  ])('shows a literal plaintext in its line: %s', (_, rest, line = 13) => {
    expect(inLayout(...rest)).toEqual(['1 template', `${line} plaintext-value`]);
  });

  test.each([
    ['an action', ['  password: {{ .x }}']],
    ['one in quotes', ['  password: "{{ .x | default "a" }}"']],
    ['a part of the value', ['  password: a{{ .x }}b']],
    ['two actions around it', ['  password: {{ if .x }}a{{ else }}b{{ end }}']],
    ['a block scalar with an action', ['  conf: |', '    user: a', '    password: {{ .x }}']],
    ['a block scalar with an action at its end', ['  conf: |', '    a', '    {{- .x }}']],
    ['a block scalar of actions', ['  conf: |', '    {{- .Files.Get "a" | nindent 4 }}']],
    ['values that are included', ['  {{- include "values" . | nindent 2 }}']],
    ['nothing', []],
    ['a name that nobody knows', ['{{ .field }}: a']],
  ])('is said to be one where it makes the value: %s', (_, rest) => {
    expect(inLayout(...rest)).toEqual(['1 template']);
  });

  test('has the names of the template, and a hint that does not seal the file', () => {
    const text = [...layout, '  {{ .k }}.pw: horse'].join('\n');
    const { findings } = verifyText(
      { path: 'db.yaml', content: Buffer.from(text) },
      openAllowance,
      defaults,
    );
    expect(findings[1]).toMatchObject({
      position: { line: 13, column: 16 },
      secret: '{{ .Release.Namespace | quote }}/{{ .Release.Name }}-db',
      key: '{{ .k }}.pw',
      hint: expect.stringContaining('--raw'),
    });
  });

  test('hides no document beside it, wherever that stands', () => {
    const plain = manifest('stringData: { a: horse }\ntype: kubernetes.io/tls');
    const template = `{{- if .x }}\n${helm('data:\n  a: {{ .a }}: b')}{{ end }}`;
    const own = ['4 plaintext-value', '5 missing-required-key', '5 missing-required-key'];
    expect(brokenBy(`${plain}---\n${template}`)).toEqual([...own, '7 unparsable']);
    expect(brokenBy(`${template}\n---\n${plain}`)).toEqual([
      '1 unparsable',
      ...own.map((line) => line.replace(/\d+/, (at) => `${Number(at) + 9}`)),
    ]);
    expect(brokenBy(`{{ include "a" . }}\n---\n${plain}---\n{{ include "b" . }}`)).toEqual([
      '1 template',
      ...own.map((line) => line.replace(/\d+/, (at) => `${Number(at) + 2}`)),
      '9 template',
    ]);
  });

  test('nor one that is broken', () => {
    expect(brokenBy(`{{- if .x }}\nkind: Secret\n---\n${manifest(' a: b: c')}`)).toEqual([
      '1 template',
      '7 unparsable',
    ]);
  });

  test.each([
    ['has no end', 'kind: Secret\na: {{ .x'],
    ['has no end of a comment', 'kind: Secret\n{{/* a'],
    ['makes the structure in a way that cannot be told', 'kind: Secret\n  a: {{ .x }}: b'],
    ['holds an escape', '{"k\\u0069nd":"Secret" {{ .x }}: }'],
    ['is one only to kubectl', '{"kind":"Secret","a":"{{"}\n{"kind":"Secret"}'],
    ['holds what no action makes', 'kind: Secret\na: {{ .x }}\nb: c\rd'],
  ])('and cannot be read even without its actions may hide a plaintext: it %s', (_, text) => {
    expect(brokenBy(text)).toEqual([expect.stringMatching(/^\d unparsable$/)]);
  });

  test('is said to be one if it names no kind', () => {
    expect(brokenBy('a: b: {{ .x }}')).toEqual(['1 template']);
  });

  test('takes no other document along that cannot be read', () => {
    const plain = manifest('stringData: { a: horse }');
    expect(brokenBy(`kind: A\na: {{ .x }}\nb: c\rd\n---\n${plain}`)).toEqual(['8 plaintext-value']);
  });

  test.each([
    ['only control lines', 'kind: Deployment\n---\n{{- end }}\n---\n{{/* Secret */}}'],
    ['another kind', 'kind: Deployment\nspec:\n  {{ .x }}\n  a: {{ .y }}'],
    ['another kind that cannot be read', 'kind: Deployment\n  a: {{ .x }}: b'],
  ])('is passed over if it holds %s', (_, text) => {
    expect(brokenBy(text)).toEqual([]);
  });
});

// Looking through all problems or documents for each of them would take minutes.
test('many templates in one text are each looked at once', () => {
  const { findings } = verifyText(
    { path: 'db.yaml', content: Buffer.from('---\nkind: Secret\na: {{ .x }}\n'.repeat(10_000)) },
    openAllowance,
    defaults,
  );
  expect(findings).toHaveLength(20_000);
});

test('a template by luck leaves the other documents of its text to be judged in full', () => {
  expect(brokenBy(`${helm('data:\n  a: {{ .a }}')}---\n${manifest('', '{ name: A_B }')}`)).toEqual([
    '6 template',
    '10 invalid-name',
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
