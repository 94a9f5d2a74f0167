import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { actionIn, maskedIn } from '../../src/verify/templates.ts';
import { brokenBy, manifest, sealedValue, verify, withValue } from './values.ts';

const helm = (rest: string) => `apiVersion: v1\nkind: Secret\nmetadata:\n  name: db\n${rest}\n`;

/** A block scalar with control lines that YAML does not count as its content. */
const CONTROLLED_BLOCK = ['  password: |', '    horse', '{{ if .x }}', '    staple', '{{ end }}'];

const variable = (name: string) => `$\{${name}}`;

describe('a template is reported once', () => {
  test.each([
    [
      'with control lines',
      `{{- if .x }}\n${helm('data:\n  a: {{ .a }}\n  b: {{ .b }}')}{{ end }}`,
      ['1 template'],
    ],
    ['that parses as flow mappings', helm('data:\n  a: {{ .a }}\n  b: {{ .b }}'), ['6 template']],
    [
      'if an action makes the name',
      manifest('', '{ name: "{{ .x }}-db", namespace: hr }'),
      ['3 template'],
    ],
    [
      'if another tool makes the namespace',
      manifest('', `{ name: db, namespace: "${variable('NS')}" }`),
      ['3 template'],
    ],
    [
      'if an action makes the kind',
      'apiVersion: v1\nkind: {{ .kind }}\nmetadata: {{ .m }}',
      ['2 template'],
    ],
    ['if an action makes a part of the kind', '{{ .x }}\nkind: Sec{{ "" }}ret', ['1 template']],
    ['if an action includes all of it', '{{ include "common.secret" . }}', ['1 template']],
    ['in JSON', '{"kind":"Secret","apiVersion":"v1","metadata":{"name":{{ .x }}}}', ['1 template']],
  ])('%s', (_, text, rules) => {
    expect(brokenBy(text)).toEqual(rules);
  });
});

describe('a template is not reported', () => {
  test.each([
    [
      'if it is of another kind',
      'kind: Deployment\nspec: {{- include "x" . | nindent 2 }}\n  a: {{ .b }}: c',
    ],
    [
      'if it is an alert',
      'kind: PrometheusRule\nspec:\n  summary: "{{ $labels.instance }} is down"',
    ],
    [
      'if it is a workflow',
      `on: push\njobs:\n  a:\n    env: { TOKEN: "${variable('{ secrets.TOKEN }')}" }`,
    ],
    ['if no action can complete its kind', 'kind: Cluster{{ .k }}\na: {{ .x }}'],
    ['if only a comment has braces', `# {{ not a template }}\n${withValue(sealedValue())}`],
  ])('%s', (_, text) => {
    expect(brokenBy(text)).toEqual([]);
  });
});

describe('a value', () => {
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
  ])('of %j breaks %j', (value, rules) => {
    const text = manifest(`stringData:\n  password: ${JSON.stringify(value)}`);
    expect(brokenBy(text)).toEqual(rules);
    if (rules[0] === '5 template')
      expect(brokenBy(text.replace('stringData', 'data'))).toEqual(rules);
  });

  // Under data, the manifest reader reports these as not base64.
  test.each([
    ['a block scalar', `|\n    ${variable('A')}\n    horse`],
    ['a folded block scalar', `>-\n    ${variable('A')}\n    horse`],
    ['a block scalar with an action', '|-\n    {{ .a }}\n    horse'],
    ['a string in double quotes', `"${variable('A')}\n    horse"`],
    ['a string with an escaped double quote', `"${variable('A')}\\" horse"`],
    ['a string with an escaped single quote', `'${variable('A')}'' horse'`],
    ['a plain scalar', `${variable('A')}\n    horse`],
  ])('with a placeholder and other text is plaintext: %s', (_, value) => {
    expect(brokenBy(manifest(`data:\n  password: ${value}`))).toEqual(['5 plaintext-value']);
    expect(brokenBy(manifest(`stringData:\n  password: ${value}`))).toEqual(['5 plaintext-value']);
  });

  test.each([`|\n    ${variable('A')}\n`, '>-\n\n    {{ .a }}', `"${variable('A')}"`])(
    'with only a placeholder is not plaintext: %j',
    (value) => {
      expect(brokenBy(manifest(`data:\n  password: ${value}`))).toEqual(['5 template']);
    },
  );

  test('that is a placeholder is reported once per document, at the first one', () => {
    const value = (key: string) => `  ${key}: "{{ .${key} }}"`;
    expect(brokenBy(manifest(`stringData:\n${value('a')}\n${value('b')}`))).toEqual(['5 template']);
    expect(brokenBy(manifest(`data:\n${value('a')}\nstringData:\n${value('b')}`))).toEqual([
      '5 template',
    ]);
  });
});

describe('a violation that rendering cannot undo is reported in a template', () => {
  const named = (rest: string) => manifest(rest, `{ name: "${variable('NAME')}", namespace: hr }`);

  test.each([
    ['a value with an anchor', 'stringData:\n  a: &a horse', '5 unsupported-yaml'],
    ['a value with a tag', 'stringData:\n  a: !!str horse', '5 unsupported-yaml'],
    ['values from a merge key', 'stringData:\n  <<: { a: horse }', '5 unsupported-yaml'],
    ['an invalid data key', 'stringData:\n  a b: horse', '5 invalid-data-key'],
    ['values one level too deep', 'stringData:\n  a:\n    b: horse', '6 invalid-value'],
    ['a bare JWE in data', 'data:\n  a: eyJhbGciOiJSU0E.a.b.c.d', '5 raw-jwe-in-data'],
    [
      'a value under the second of two equal fields',
      'data:\ndata:\n  a: aG9yc2U=',
      '6 plaintext-value',
    ],
  ])('%s', (_, rest, broken) => {
    expect(brokenBy(named(rest))).toEqual(['3 template', broken]);
    const helmed = `{{ if .x }}\n${helm(rest)}{{ end }}`;
    expect(brokenBy(helmed)).toEqual([
      '1 template',
      broken.replace(/^\d/, (line) => `${Number(line) + 2}`),
    ]);
  });

  test('plaintext, if only one branch makes a Secret', () => {
    const kinds = ['{{ if .x }}', 'apiVersion: x/v1', 'kind: A', '{{ else }}', 'apiVersion: v1'];
    const text = [...kinds, 'kind: Secret', '{{ end }}', 'stringData:', '  a: horse', ''];
    expect(brokenBy(text.join('\n'))).toEqual(['1 template', '9 plaintext-value']);
  });

  test('plaintext in the second of two lists of items', () => {
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
});

test('a template has no other finding if a branch is of another kind', () => {
  const secret = ['{{ if .x }}', 'apiVersion: v1', 'kind: Secret', 'data:', '  a: {{ .a }}'];
  const other = ['{{ else }}', 'apiVersion: v1', 'kind: ConfigMap', 'data:', '  b: c', 'd: e'];
  expect(brokenBy([...secret, ...other, '{{ end }}'].join('\n'))).toEqual(['1 template']);
  expect(brokenBy([...other, ...secret, '{{ end }}'].join('\n'))).toEqual(['1 template']);
});

test.each([
  ['the values', 'data:\n  {{ include "a" . }}'],
  ['a value on the next line', 'data:\n  a:\n    {{ include "a" . }}'],
  ['a value, and the text is YAML', 'stringData:\n  a: {{ include "a" . }}'],
  ['a key, and the text is YAML', 'stringData:\n  {{ .k }}: {{ .v }}'],
  ['a field, and the text is YAML', 'stringData: {{ include "a" . }}'],
  ['an annotation', 'metadata:\n  annotations:\n    {{ .k }}: "a"'],
])('a template has no other finding if an action makes %s', (_, rest) => {
  expect(brokenBy(`kind: Secret\napiVersion: v1\n${rest}`)).toEqual([
    expect.stringMatching(/^\d template$/),
  ]);
});

describe('under a key that another tool makes', () => {
  test.each([
    ['plaintext is reported', 'horse', '5 plaintext-value'],
    ['plaintext in a block scalar is reported', '|\n    horse', '5 plaintext-value'],
    ['a placeholder is not judged', `"${variable('A')}"`, '5 template'],
    ['a sealed value is not judged', 'eyJhbGciOiJSU0EtT0FFUC0yNTYi', '5 template'],
  ])('%s', (_, value, broken) => {
    expect(brokenBy(manifest(`stringData:\n  "${variable('K')}": ${value}`))).toEqual([broken]);
  });

  test.each([
    ['in a text that is YAML', `"${variable('K')}": horse`, 11, variable('K')],
    ['on the next line', '{{ .k }}:\n    horse', 5, '{{ .k }}'],
    ['after a key that an action makes in part', '{{ .k }}-pw:   horse', 18, '{{ .k }}-pw'],
    ['without a key that may be a value', `"a b ${variable('K')}": horse`, 15, undefined],
  ])(
    'plaintext has its own position, and the key as written without quotes: %s',
    (_, entry, column, key) => {
      const { findings } = verify(manifest(`stringData:\n  ${entry}`));
      const line = entry.includes('\n') ? 6 : 5;
      expect(findings.at(-1)).toMatchObject({
        code: 'plaintext-value',
        position: { line, column },
        secret: 'hr/db',
        key,
      });
    },
  );

  test('plaintext is reported if an action makes the key', () => {
    expect(brokenBy(manifest('data:\n  {{ .k }}: aG9yc2U='))).toEqual([
      '5 template',
      '5 plaintext-value',
    ]);
  });
});

test('plaintext beside actions is reported in a template that is YAML', () => {
  expect(brokenBy(helm('stringData:\n  a: {{ .a }}\n  b: horse'))).toEqual([
    '6 template',
    '7 plaintext-value',
  ]);
});

describe('a template that is not YAML', () => {
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
    ['a plain scalar', ['  password: horse']],
    ['a string in quotes', ['  password: "horse"']],
    ['an empty string', ['  password: ""']],
    ['a block scalar', ['  password: |', '    horse']],
    ['a block scalar before a control line', ['  password: |-', '    horse', '  {{- if .x }}']],
    ['a value between control lines', ['  {{- if .x }}', '  password: horse', '  {{- else }}'], 14],
    [
      'a value after an action with braces in quotes',
      ['  user: {{ "}}" }}', '  password: horse'],
      14,
    ],
    ['a value after a comment with a quote', ["  {{/* it's }} */}}", '  password: horse'], 14],
    [
      'a value after an action of two lines',
      ['  {{- if and', '    .x }}', '  password: horse'],
      15,
    ],
    ['a value under a key that an action makes', ['  {{ .x }}.password: horse']],
    [
      'a value in one of two branches',
      ['  {{ if .x }}', '  a: {{ .x }}', '  {{ else }}', '  a: horse'],
      16,
    ],
    ['a value that is not base64', ['data:', '  password: horse'], 14],
    ['a block scalar with control lines that are not indented', CONTROLLED_BLOCK],
    ['base64 of private-use characters', ['data:', '  password: 7oCB'], 14],
    ['text between control structures', ['  password: {{ if .x }}horse{{ end }}']],
    ['text in one of two branches', ['  password: {{ if .x }}{{ .y }}{{ else }}horse{{ end }}']],
    [
      'text in a branch without else',
      ['  password: {{ if .x }}{{ .y }}{{ else if .z }}b{{ end }}'],
    ],
    [
      'text in a nested branch',
      ['  password: {{ if .x }}{{ if .y }}a{{ end }}{{ .z }}{{else}}b{{ end }}'],
    ],
    ['text beside a branch', ['  password: horse{{ with .x }}{{ . }}{{ end }}']],
    ['text beside a comment', ['  password: horse{{/* .x */}}{{- $a := .y }}']],
    ['text in quotes beside control structures', ['  password: "{{ if .x }}horse{{ end }}"']],
    ['a branch that ends elsewhere', ['  password: horse{{ else }}{{ .x }}']],
    [
      'a block scalar with indented control lines',
      ['  password: |', '    {{- if .x }}', '    horse', '    {{- end }}'],
    ],
    [
      'base64 between control structures',
      ['data:', '  password: {{ if .x }}aG9yc2U={{ end }}'],
      14,
    ],
    [
      'a value in a field that an action chooses',
      ['{{ if .x -}} stringData: {{- else -}} data: {{- end }}', '  a: horse'],
      14,
    ],
    ['a line with a hyphen after an action', ['  password: {{ .x }}', '    -horse'], 14],
    ['a line after an action and a comment', ['  password: {{ .x }}', '    # a', '    horse'], 15],
    ['a block scalar before an action', ['  password: |', '    horse', '{{ .x | indent 4 }}']],
    ['a value before a comment with an action', ['  password: horse   # {{ .x }}']],
  ])('does not hide %s', (_, rest, line = 13) => {
    expect(inLayout(...rest)).toEqual(['1 template', `${line} plaintext-value`]);
  });

  test.each([
    ['an action as a value', ['  password: {{ .x }}']],
    ['an action in quotes', ['  password: "{{ .x | default "a" }}"']],
    ['an action in a value', ['  password: a{{ .x }}b']],
    [
      'a block scalar that contains an action',
      ['  conf: |', '    user: a', '    password: {{ .x }}'],
    ],
    ['text in a branch beside an action', ['  password: {{ .x }}{{ if .y }}a{{ end }}']],
    ['an action in each of two branches', ['  a: {{ if .x }}b{{ .x }}{{ else }}{{ .y }}{{ end }}']],
    ['an empty branch', ['  password: {{ if .x }}{{ .y }}{{ end }}']],
    ['a block scalar that ends with an action', ['  conf: |', '    a', '    {{- .x }}']],
    ['a block scalar of actions', ['  conf: |', '    {{- .Files.Get "a" | nindent 4 }}']],
    ['a block scalar of actions without indentation', ['  conf: |', '{{ .x | indent 4 }}', '']],
    [
      'a block scalar of actions in the column of its key',
      ['  conf: |', '  {{- if .x }}', '    {{ .x }}', '  {{- end }}', '  b: {{ .x }}'],
    ],
    ['values that an action includes', ['  {{- include "values" . | nindent 2 }}']],
    ['no more values', []],
    ['a field that an action names', ['{{ .field }}: a']],
    [
      'a field that an action chooses',
      ['{{ if .x -}} data: {{- else -}} stringData: {{- end }}', '  a: |', '{{ .x | indent 4 }}'],
    ],
  ])('has no other finding with %s', (_, rest) => {
    expect(inLayout(...rest)).toEqual(['1 template']);
  });

  test.each([
    'kind: Secret{{ end }}',
    'kind: Sec{{ "" }}ret',
    'kind: {{ .kind }}',
    'kind: "{{ .kind }}"',
    'kind: {{ if .x }}ConfigMap{{ else }}Secret{{ end }}',
    'kind: {{ if .x -}} Secret {{- else -}} ConfigMap {{- end }}',
    'kind: $\u007BKIND}',
  ])('or makes its kind does not hide plaintext: %s', (kind) => {
    const rest = 'metadata: { name: a, namespace: b }\nstringData:\n  password: horse\n';
    const text = `apiVersion: v1\n${kind}\n${rest}`;
    expect(brokenBy(text)).toContain('5 plaintext-value');
    expect(brokenBy(`{{ if .x }}\n${text}{{ end }}`)).toEqual(['1 template', '6 plaintext-value']);
    expect(brokenBy(text.replace('v1', '{{ .v }}'))).toContain('5 plaintext-value');
    expect(brokenBy(text.replace('v1', 'apps/v1'))).not.toContain('5 plaintext-value');
  });

  test.each(['k{{ "ind" }}: Secret', '{{ .k }}: Secret'])(
    'or makes the key of its kind does not hide plaintext: %s',
    (kind) => {
      const text = `{{ if .x }}\napiVersion: v1\n${kind}\nstringData:\n  password: horse\n{{ end }}`;
      expect(brokenBy(text)).toContain('5 plaintext-value');
    },
  );

  test('and has a field from an action does not hide plaintext in it', () => {
    expect(inLayout('{{ .field }}:', '  password: horse')).toEqual([
      '1 template',
      '13 unknown-field',
    ]);
  });

  test('has its actions in names, and a hint that does not seal the file', () => {
    const text = [...layout, '  {{ .k }}.pw: horse'].join('\n');
    const { findings } = verify(text);
    expect(findings[1]).toMatchObject({
      position: { line: 13, column: 16 },
      secret: '{{ .Release.Namespace | quote }}/{{ .Release.Name }}-db',
      key: '{{ .k }}.pw',
      hint: expect.stringContaining('--raw'),
    });
  });

  test('does not hide the documents before and after it', () => {
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

  test('does not hide a document that is not YAML without being a template', () => {
    expect(brokenBy(`{{- if .x }}\nkind: Secret\n---\n${manifest(' a: b: c')}`)).toEqual([
      '1 template',
      '7 unparsable',
    ]);
  });

  test.each([
    ['an action has no end', 'kind: Secret\na: {{ .x'],
    ['a comment has no end', 'kind: Secret\n{{/* a'],
    ['an action makes a part of its structure', 'kind: Secret\n  a: {{ .x }}: b'],
    ['it is JSON with an escape', '{"k\\u0069nd":"Secret" {{ .x }}: }'],
    ['a part of it is JSON to kubectl', '{"kind":"Secret","a":"{{"}\n{"kind":"Secret"} x: y: z'],
    ['it has an escaped private-use character', 'kind: Secret\na: "\\uE001"\n{{ .x }}'],
    ['a comment begins an action', '{{ if .x }}\n# {{\nkind: Secret\n{{ end }}'],
    ['an action has a line break of YAML 1.1', 'a: {{ .x }}\n# {{ "\u2028kind: Secret" }}'],
    ['an action of several lines begins in a comment', '# {{\nkind: Secret\n# }}\n{{ .x }}: a: b'],
    ['an action of several lines has both words', 'a: |\n  {{\nkind: Secret\nb: |\n  }}\n{{ .x }}'],
    ['only braces in quotes are in it', 'kind: Secret\na: "{{ .x }}"\n b: c'],
    ['it holds base64', 'a: !!binary b {{ .x }}: c: d'],
    ['a line is continued', 'kind: "Sec\\\n  ret"\na: {{ .x }}: b'],
    ['it is included', '{{ include "head" . }}\nstringData:\n  a: {{ .x }}: b'],
    ['it has a control character', 'kind: Secret\na: {{ .x }}\nb: c\rd'],
  ])('is an error if it cannot be read even without its actions: %s', (_, text) => {
    expect(brokenBy(text)).toEqual([expect.stringMatching(/^\d unparsable$/)]);
  });

  test('has an unknown field if an action is in front of its name', () => {
    const text = 'apiVersion: v1\nkind: Secret\n{{ if .x }}stringData:\n  a: horse\n{{ end }}';
    expect(brokenBy(text)).toEqual(['3 template', '3 unknown-field']);
  });

  test('may have duplicate keys, of which it renders one', () => {
    const [first, second] = ['metadata: { name: a }', 'metadata: { name: b }'];
    const text = (...lines: string[]) => ['apiVersion: v1', 'kind: Secret', ...lines].join('\n');
    expect(brokenBy(text('{{ if .x }}', first, '{{ else }}', second, '{{ end }}'))).toEqual([
      '3 template',
    ]);
    expect(brokenBy(text(first, second))).toEqual(['4 unparsable']);
  });

  test('may have labels of its own after those from an action', () => {
    const labels = ['  labels: {{ include "labels" . }}', '', '    app: db'];
    const text = helm([...labels, 'stringData:', '  a: horse', '{{ .x }}'].join('\n'));
    expect(brokenBy(text)).toEqual(['5 template', '9 plaintext-value']);
  });

  test('may have block scalars in lists', () => {
    const list = ['  a:', '  - key: |', '      {{ .a }}', '  - b: |', '      c', '{{ .b }}'];
    const text = helm([...list, 'stringData:', '  a: horse'].join('\n'));
    expect(brokenBy(text)).toEqual(['5 unknown-field', '7 template', '12 plaintext-value']);
  });

  test('is a warning if it cannot be read, and has no kind', () => {
    expect(brokenBy('a: b: {{ .x }}')).toEqual(['1 template']);
  });

  test('does not hide the documents after it if it cannot be read', () => {
    const plain = manifest('stringData: { a: horse }');
    expect(brokenBy(`kind: A\na: {{ .x }}\nb: c\rd\n---\n${plain}`)).toEqual(['8 plaintext-value']);
  });

  test.each([
    ['it has only control lines', 'kind: Deployment\n---\n{{- end }}\n---\n{{/* Secret */}}'],
    ['it is of another kind', 'kind: Deployment\nspec:\n  {{ .x }}\n  a: {{ .y }}'],
    ['it is of another kind, and cannot be read', 'kind: Deployment\n  a: {{ .x }}: b'],
  ])('is not reported if %s', (_, text) => {
    expect(brokenBy(text)).toEqual([]);
  });
});

test('documents beside a template are judged in full', () => {
  expect(brokenBy(`${helm('data:\n  a: {{ .a }}')}---\n${manifest('', '{ name: A_B }')}`)).toEqual([
    '6 template',
    '10 invalid-name',
  ]);
});

test('a document before one that cannot be read ends before it', () => {
  const text = manifest('stringData: { a: horse }').replace('Secret', '>-\n  Secret');
  const [first = '', ...rest] = text.split('\n').filter((line) => line !== '');
  const reordered = [...rest.slice(2), first, ...rest.slice(0, 2)].join('\n');
  expect(brokenBy(`${reordered}\n---\na: {{ .x }}: b`)).toEqual([
    '2 plaintext-value',
    '7 template',
  ]);
});

test('braces in a comment do not make a text a template', () => {
  expect(brokenBy(`# {{ }}\n${helm(' data: x: y')}`)).toEqual(['6 unparsable']);
});

describe('a SOPS file', () => {
  const encrypted = 'ENC[AES256_GCM,data:c2Vhcw==,iv:aXY=,tag:dGFn,type:str]';
  const sops = (mac: string) => `sops: { mac: "${mac}", age: [] }`;
  test.each([
    [
      'with encrypted values is not reported',
      `stringData: { a: "${encrypted}", b: "" }\n${sops(encrypted)}`,
      [],
    ],
    [
      'with encrypted values under data is not reported',
      `data: { a: "${encrypted}" }\n${sops(encrypted)}`,
      [],
    ],
    [
      'with a plaintext value is reported',
      `stringData:\n  a: "${encrypted}"\n  b: horse\n${sops(encrypted)}`,
      ['6 plaintext-value'],
    ],
    [
      'with another text as its MAC is reported',
      `stringData: { a: "${encrypted}" }\n${sops('x')}`,
      ['4 plaintext-value'],
    ],
    ['without a MAC is reported', `stringData: { a: "${encrypted}" }`, ['4 plaintext-value']],
  ])('%s', (_, rest, rules) => {
    expect(brokenBy(manifest(rest))).toEqual(rules);
  });
});

const pieces = [
  ...['kind: Secret', 'stringData:', '  a: ', '- ', '---', '#', '|', '"', "'", '`', '\\', 'x'],
  ...['{{', '}}', '{{- ', ' -}}', '/*', '*/', '{', '}', ' ', '\n', '\r\n', '\r'],
  ...['\uFEFF', '\uE000'],
];
const texts = fc.array(fc.constantFrom(...pieces), { maxLength: 40 }).map((all) => all.join(''));

const notLineBreak = /[^\r\n]|\r(?!\n)/g;

test('masking keeps the length and the line breaks, and changes only templates', () => {
  fc.assert(
    fc.property(texts, (text) => {
      const { text: source, parts } = maskedIn(text);
      expect(source.replace(notLineBreak, ' ')).toBe(text.replace(notLineBreak, ' '));
      for (const { start, end } of parts) expect(source.slice(start, end)).not.toContain('{{');
      const outside = (whole: string) =>
        parts.reduceRight((rest, { start, end }) => rest.slice(0, start) + rest.slice(end), whole);
      expect(outside(source)).toBe(outside(text));
    }),
  );
});

describe('the first action outside of comments and quotes is found', () => {
  test.each([
    ['', undefined],
    ['# {{ a }}', undefined],
    ['  # {{ a }}\n# {{ b }}', undefined],
    ['# {{ a }}\n{{ b }}', 10],
    ['a: {{ b }} # c', 3],
    ['a: b # {{ c }}', undefined],
    ['a: "{{ b }}"', undefined],
    ["a: ['{{ b }}', {{ c }}]", 15],
    ['a: "b {{ include "c" . }}"', 6],
    ["a: it's {{ b }} isn't", 8],
  ])('in %j at %j', (text, offset) => {
    expect(actionIn(text)).toBe(offset);
  });
});

/** Entries of data. `!` marks a line with a plaintext value, `$k` is a key and `$v` a value. */
const entryForms = [
  ...['!  $k: $v', '!  $k: "$v"', "!  $k: '$v'", '!  $k: $v # {{ .c }}', '!  $k: { a: $v }'],
  ...['!  $k: |\n    $v', '!  $k: |-\n    $v\n{{ if .x }}\n    $v\n{{ end }}', '!  $k: 815'],
  ...[
    '  $k: {{ .v }}\n!    $v',
    '  $k: {{ .v }}\n!    -$v',
    '!  $k: |\n    $v\n{{ .v | indent 4 }}',
  ],
  ...['  $k:\n!    $v', '  $k:\n{{ if .x }}\n!    $v\n{{ end }}', '  ? $k\n!  : $v'],
  ...['!  $k: {{ if .x }}$v{{ end }}', '!  $k: "{{ if .x }}$v{{ else }}{{ .v }}{{ end }}"'],
  ...['!  $k: |\n    {{- if .x }}\n    $v\n    {{- end }}', '!  $k: {{/* .c */}}$v'],
  ...['!  {{ .k }}: $v', '!  {{ .k }}-$k: $v', '!  "{{ .k }}": $v', '!  {{ .k }}: |\n    $v'],
  ...['{{ if .x }}\n!  $k: $v\n  {{ else }}\n!  $k: $v\n{{- end }}', '  # {{ .c }} $v'],
  ...['  $k: {{ .v }}', '  $k: "{{ .v }}"', '  $k:\n{{ .v }}', '  $k: |\n    {{ .v }}'],
  ...[
    '  {{- include "a" . | nindent 2 }}',
    "  {{/* it's\n  $v */}}",
    '  {{ if and\n .x }}{{ end }}',
  ],
];
const kindForms = [
  ...Array(6).fill('kind: Secret'),
  ...['kind: {{ .k }}', 'kind: Secret{{ end }}', 'kind: Sec{{ "" }}ret', 'kind: "{{ .k }}"'],
  ...['kind: {{ if .x }}Secret{{ else }}ConfigMap{{ end }}', '{{ .k }}: Secret'],
  ...['kind: Secret # {{ .c }}', 'kind: {{ if .x -}} Secret {{- end }}'],
];
const metadataForms = [
  ...['  name: db', '  name: {{ .n }}-db', '  {{ .m }}\n  name: db', '  name: db # $v'],
  ...['  labels: {{ .l }}\n    app: db', '  labels: {{ .l }}\n\n      app: {{ .a }}'],
  ...[
    '  labels:\n{{ .l }}',
    '  labels:\n    {{ .k }}: "$v"',
    '  labels:\n  - a: |\n      {{ .l }}',
  ],
];
const fieldForms = ['data:', 'stringData:', 'stringData: {{ .d }}', 'data: # {{ .d }}'];

const secretTexts = fc
  .record({
    kind: fc.constantFrom(...kindForms),
    metadata: fc.constantFrom(...metadataForms),
    field: fc.constantFrom(...fieldForms),
    entries: fc.array(fc.constantFrom(...entryForms), { maxLength: 5 }),
    // Masked actions are private-use characters, which a text may also contain itself.
    value: fc.constantFrom('aG9yc2U=', '7oCB'),
    own: fc.constantFrom(...Array(9).fill(''), '\uE000', '\uE001', '\uF8FF'),
  })
  .map(({ kind, metadata, field, entries, value, own }) => {
    const head = ['{{ if .x }}', 'apiVersion: v1', kind, 'metadata:', metadata, field];
    const values = entries.map((entry, index) => entry.replaceAll('$k', `k${index}`));
    return [...head, ...values, '{{ end }}'].join('\n').replaceAll('$v', `${value}${own}`);
  });

test('no template hides a plaintext value: it is reported, or its document is unparsable', () => {
  const counts = { reported: 0, unparsable: 0 };
  fc.assert(
    fc.property(fc.array(secretTexts, { minLength: 1, maxLength: 2 }), (documents) => {
      const lines = documents.join('\n---\n').split('\n');
      const { findings } = verify(lines.map((line) => line.replace(/^!/, '')).join('\n'));
      const errors = findings.filter(({ severity }) => severity === 'error');
      const documentOf = (line: number) =>
        lines.slice(0, line).filter((text) => text === '---').length;
      for (const [index, text] of lines.entries()) {
        if (!text.startsWith('!')) continue;
        const line = index + 1;
        if (errors.some(({ position }) => position.line === line)) counts.reported++;
        else {
          counts.unparsable++;
          const unparsable = errors.filter(({ code }) => code === 'unparsable');
          const refused = unparsable.map(({ position }) => documentOf(position.line));
          expect(refused, `line ${line} is hidden`).toContain(documentOf(line));
        }
      }
    }),
    { numRuns: 300 },
  );
  expect(counts.reported).toBeGreaterThan(50);
  expect(counts.unparsable).toBeGreaterThan(50);
});
