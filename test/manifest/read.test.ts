import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { mayHoldSecret, readManifest } from '../../src/manifest/read.ts';
import { readsAnyText } from './any-text.ts';

const head = 'apiVersion: v1\nkind: Secret\n';
const sealed = `${Buffer.from('{"alg":"RSA-OAEP-256"}').toString('base64url')}.a.b.c.d`;

/** The problems of `source` as `code line:column secret key`. */
function problemsIn(source: string): string[] {
  return readManifest(source, 'db.yaml').problems.map(({ code, position, secret, key }) => {
    const place = `${position.line}:${position.column}`;
    return [code, place, secret, key].filter((part) => part !== undefined).join(' ');
  });
}

/** The Secrets of `source`, each as its name and its values as text. */
function secretsIn(source: string): unknown[] {
  const { secrets, problems } = readManifest(source, 'db.yaml');
  expect(problems).toEqual([]);
  return secrets.map(({ name, entries }) => [
    name,
    ...entries.map(({ field, key, bytes }) => `${field}.${key}=${Buffer.from(bytes)}`),
  ]);
}

describe('a Secret', () => {
  it('is read with its names, type, annotations, fields and values', () => {
    const { secrets, problems, path, source } = readManifest(
      `# c
apiVersion: v1
kind: Secret
type: Opaque
immutable: true
metadata:
  name: db
  namespace: hr
  generateName: ''
  annotations: { a: b }
stringData:
  user: scott
data: { password: dGlnZXI= }
`,
      'db.yaml',
    );
    expect([path, problems, secrets.length]).toEqual(['db.yaml', [], 1]);
    expect(source.startsWith('# c')).toBe(true);
    expect(secrets[0]).toMatchObject({
      name: 'db',
      generateName: undefined,
      namespace: 'hr',
      type: 'Opaque',
      immutable: true,
      annotations: [{ name: 'a', text: 'b', position: { line: 10, column: 18 } }],
      fields: new Set(['stringData', 'data']),
      position: { line: 2, column: 1 },
      entries: [
        { field: 'stringData', key: 'user', position: { line: 12, column: 9 } },
        { field: 'data', key: 'password', position: { line: 13, column: 19 } },
      ],
    });
    expect(secrets[0]?.entries.map(({ bytes }) => Buffer.from(bytes).toString())).toEqual([
      'scott',
      'tiger',
    ]);
  });

  it('can lack everything but apiVersion and kind, or have null for it', () => {
    const nothing = {
      name: undefined,
      namespace: undefined,
      type: undefined,
      immutable: false,
      entries: [],
    };
    expect(readManifest(head, 'x').secrets).toMatchObject([{ ...nothing, fields: new Set() }]);
    const empty = `${head}metadata: {name: , namespace: null}\ntype: ~\ndata:\nstringData: {}\n`;
    expect(readManifest(empty, 'x')).toMatchObject({
      problems: [],
      secrets: [{ ...nothing, fields: new Set(['data', 'stringData']) }],
    });
  });

  it('keeps data keys that are in Object.prototype', () => {
    expect(
      secretsIn(
        `${head}stringData: {__proto__: a, constructor: b, toString: c, .hidden: d, a.b: e}\n`,
      ),
    ).toEqual([
      [
        undefined,
        'stringData.__proto__=a',
        'stringData.constructor=b',
        'stringData.toString=c',
        'stringData..hidden=d',
        'stringData.a.b=e',
      ],
    ]);
  });

  it('has the bytes of any text and of any base64, even with line breaks', () => {
    const text = 'é😀\u0000\u0085\n';
    const source = `${head}stringData:\n  a: "é😀\\0\\N\\n"\n  b: "\\ud83d\\ude00"\ndata:\n  c: |\n    AAEC\n    /w==\n`;
    const [secret] = readManifest(source, 'x').secrets;
    expect(secret?.entries.map(({ bytes }) => Buffer.from(bytes))).toEqual([
      Buffer.from(text),
      Buffer.from('😀'),
      Buffer.from([0, 1, 2, 255]),
    ]);
  });

  it.each([
    ['scalars in quotes', 'stringData: {a: "0123", b: \'true\', c: "", "1": "~", \'no\': "="}\n'],
    [
      'sealed values',
      `stringData: {a: ${sealed}}\ndata: {b: ${Buffer.from(sealed).toString('base64')}}\n`,
    ],
    ['an anchor on a name', 'metadata: {name: &n db, labels: {app: *n}}\n'],
    [
      'anchors and merge keys in labels',
      'metadata: {labels: &l {a: b, <<: {c: d}}, managedFields: *l}\n',
    ],
    ['the directives of a patch', '$patch: delete\n$retainKeys: [data]\n$setElementOrder/a: [b]\n'],
    ['null values', 'stringData: {a: null, b: ~, c: }\ndata:\n  d:\n  e: # none\n'],
    ['the metadata of SOPS', 'sops: {mac: x}\n'],
    ['an alias for the text of an annotation', 'metadata: {name: &n db, annotations: {app: *n}}\n'],
    ['a block scalar without a line break at the end', 'stringData:\n  a: |-\n    b'],
    ['spaces at the end of a block scalar', 'stringData:\n  a: |\n    b\n     \n'],
  ])('has no problem with %s', (_, fields) => {
    expect(problemsIn(head + fields)).toEqual([]);
  });
});

describe('a document', () => {
  it.each([
    ['another kind', 'apiVersion: v1\nkind: ConfigMap\ndata: &d {a: 1}\nb: {<<: *d}\n'],
    ['a Secret of another API group', 'apiVersion: foo.io/v1\nkind: Secret\ndata: {a: 1}\n'],
    [
      'a SealedSecret',
      'apiVersion: bitnami.com/v1alpha1\nkind: SealedSecret\nspec: {data: {a: 1}}\n',
    ],
    ['a merge key that does not add a kind', 'a: &a {b: c}\n<<: *a\nkind: Other\n'],
    [
      'merge keys that add another kind',
      'a: &a {kind: Pod, <<: {b: c}}\n<<: [*a, {items: [*a]}]\n',
    ],
    [
      'aliases as keys of another kind',
      'a: &a kind\nb: &b Pod\n*a : *b\n!!binary aXRlbXM=: [{a: b}]\n',
    ],
    [
      'a merge key of another API group',
      '<<: {apiVersion: foo.io/v1, kind: Secret}\ndata: {a: 1}\n',
    ],
    ['text of several lines', 'kind\n  of text\n'],
    ['a List without items', 'apiVersion: v1\nkind: List\nitems:\n'],
    [
      'a List of other objects',
      'apiVersion: v1\nkind: List\nitems:\n- {kind: Pod}\n- &a {kind: Pod}\n- *a\n',
    ],
    ['not an object', '- kind: Secret\n---\nkind\n---\n'],
  ])('that is %s is ignored', (_, source) => {
    expect(secretsIn(source)).toEqual([]);
  });

  it('can have Secrets at any depth of Lists', () => {
    expect(
      secretsIn(`kind: ConfigMap
---
apiVersion: v1
kind: List
items:
- {apiVersion: v1, kind: Secret, metadata: {name: one}, stringData: {a: b}}
- apiVersion: v1
  kind: SecretList
  items:
  - metadata: {name: two}
  - {kind: Secret, metadata: {name: three}}
  - {kind: Pod}
---
{"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "four"}}
`),
    ).toEqual([['one', 'stringData.a=b'], ['two'], ['three'], ['four']]);
  });
});

describe('a problem', () => {
  it.each([
    ['kind: Secret\ndata: {a: QQ==}\n', 'missing-version 1:1 (no name)'],
    ['apiVersion: v2\nkind: Secret\n', 'misspelt-kind 1:13 (no name)'],
    ['apiVersion: /v1\nkind: Secret\n', 'misspelt-kind 1:13 (no name)'],
    ['kind: List\nitems:\n- apiVersion: v1\n  kind: Secret\n', 'missing-version 1:1'],
    ['apiVersion: v1\nkind: !!str Secret\n', 'unsupported-yaml 2:13 (no name)'],
    ['type: &k Secret\napiVersion: v1\nkind: *k\n', 'unsupported-yaml 3:7 (no name)'],
    ['a: &k {kind: Secret}\n<<: *k\n', 'unsupported-yaml 2:1'],
    ['apiVersion: v1\nkind: !!binary U2VjcmV0\n', 'unsupported-yaml 2:16 (no name)'],
    ['apiVersion: v1\n!!binary a2luZA==: Secret\n', 'unsupported-yaml 2:10'],
    ['apiVersion: v1\n!x kind: Secret\n', 'unsupported-yaml 2:4'],
    ['a: &k kind\napiVersion: v1\n*k : Secret\n', 'unsupported-yaml 3:1'],
    ['kind: ConfigMap\napiVersion: v1\n<<: {kind: Secret}\n', 'unsupported-yaml 3:1'],
    ['apiVersion: v1\n! "<<": {kind: Secret}\n', 'unsupported-yaml 2:3'],
    ['<<: {kind: Secret, apiVersion: a/b}\napiVersion: v1\n', 'unsupported-yaml 1:1'],
    ['<<: {kind: Secret, apiVersion: a.io/b}\napiVersion: v1\n', 'unsupported-yaml 1:1'],
    [
      'kind: Secret\napiVersion: &v v1\n!!binary YXBpVmVyc2lvbg==: *v\n',
      'unsupported-yaml 3:10 (no name)',
    ],
    ['kind: Pod\n!!binary aXRlbXM=: [{apiVersion: v1, kind: Secret}]\n', 'unsupported-yaml 2:10'],
    ['kind: Pod\nitems: !!seq [{apiVersion: v1, kind: Secret}]\n', 'unsupported-yaml 2:14'],
    [
      'kind: Pod\nitems: [!!map {apiVersion: v1, kind: Secret}]\n',
      'unsupported-yaml 2:15 (no name)',
    ],
    [
      'kind: SecretList\napiVersion: v1\nitems: [{kind: 1, data: {<<: {}}}]\n',
      'unsupported-yaml 3:26 (no name)',
    ],
    [
      'kind: SecretList\napiVersion: v1\nitems: [{!!str <<: {kind: Pod}, data: {}}]\n',
      'unsupported-yaml 3:16 (no name)',
    ],
    [
      'kind: SecretList\napiVersion: v1\nitems: [{!a <<: {apiVersion: a.io/b}, data: {}}]\n',
      'unsupported-yaml 3:13 (no name)',
    ],
    [`${head}items:\n`, 'unknown-field 3:1 (no name)'],
    [`${head}items: []\n`, 'unknown-field 3:1 (no name)'],
    [
      'kind: Pod\n<<: [{a: b}, {apiVersion: v1, kind: List, items: [{kind: Secret}]}]\n',
      'unsupported-yaml 2:1',
    ],
    [
      'apiVersion: v1\nkind: List\nitems:\n- &s {kind: Pod, spec: &t {apiVersion: v1, kind: Secret}}\n- *t\n',
      'unsupported-yaml 5:3',
    ],
    [
      'i: &i [{apiVersion: v1, kind: Secret}]\napiVersion: v1\nkind: List\nitems: *i\n',
      'unsupported-yaml 4:8',
    ],
    ['apiVersion: v1\nkind: List\nitems: {a: b}\n', 'wrong-type 3:8'],
    [
      'apiVersion: v1\nkind: List\nitems:\n<<: [{apiVersion: v1, kind: Secret}]\n',
      'unsupported-yaml 4:1',
    ],
    ['apiVersion: v1\nkind: List\nitems:\n- x\n', 'wrong-type 4:3'],
    [
      'apiVersion: v1\nkind: List\n<<: {a: b}\nitems:\n- {apiVersion: v1, kind: Secret}\n',
      'unsupported-yaml 3:1',
    ],
  ])('with the kind of an object, in %j', (source, expected) => {
    expect(problemsIn(source)).toEqual([expected]);
  });

  it.each([
    ['<<: {type: a}\n', 'unsupported-yaml 3:1 (no name)'],
    ['metadata: &m {name: db}\n', 'unsupported-yaml 3:14 db'],
    ['metadata: x\n', 'wrong-type 3:11 (no name)'],
    ['metadata: {name: 1}\n', 'ambiguous-scalar 3:18 1'],
    ['metadata: {name: db, namespace: no}\n', 'ambiguous-scalar 3:33 no/db'],
    ['metadata: {name: [db]}\n', 'not-a-scalar 3:18 (no name)'],
    ['metadata: {labels: {a: &a b}, name: *a}\n', 'unsupported-yaml 3:37 (no name)'],
    ['metadata: {name: db, <<: {namespace: hr}}\n', 'unsupported-yaml 3:22 db'],
    ['metadata: {name: db, annotations: {<<: {a: b}}}\n', 'unsupported-yaml 3:36 db'],
    ['metadata: {labels: &l {a: b}, annotations: *l}\n', 'unsupported-yaml 3:44 (no name)'],
    ['metadata: {annotations: {a: &a b}}\n', 'unsupported-yaml 3:32 (no name)'],
    ['type: 1\n', 'ambiguous-scalar 3:7 (no name)'],
    ['? [a]\n: b\n', 'unsupported-yaml 3:3 (no name)'],
    ['Data: {a: b}\n', 'unknown-field 3:1 (no name)'],
    ['stringdata: {a: b}\n', 'unknown-field 3:1 (no name)'],
    ['metadata: {type: Opaque}\n', 'unknown-field 3:12 (no name)'],
    ['metadata: {name: db, stringData: {a: b}}\n', 'unknown-field 3:22 db'],
    ['stringsData: {a: b}\n', 'unknown-field 3:1 (no name)'],
    ['spec: {stringData: {a: b}}\n', 'unknown-field 3:1 (no name)'],
    ['password: hunter2\n', 'unknown-field 3:1 (no name)'],
    ['stringData:\npassword: hunter2\n', 'unknown-field 4:1 (no name)'],
    ['metadata: {name: db, password: hunter2}\n', 'unknown-field 3:22 db'],
    ['"": hunter2\n', 'unknown-field 3:1 (no name)'],
    ['sops: hunter2\n', 'unknown-field 3:1 (no name)'],
    ['$password: hunter2\n', 'unknown-field 3:1 (no name)'],
    ['&a password: hunter2\n', 'unsupported-yaml 3:4 (no name)'],
    ['data: [a]\n', 'wrong-type 3:7 (no name)'],
    ['stringData: a\n', 'wrong-type 3:13 (no name)'],
    ['data: &d {a: QQ==}\n', 'unsupported-yaml 3:10 (no name)'],
    ['data: !!map {a: QQ==}\n', 'unsupported-yaml 3:13 (no name)'],
    ['metadata: {labels: &l {a: QQ==}}\ndata: *l\n', 'unsupported-yaml 4:7 (no name)'],
    ['data: {<<: {a: QQ==}}\n', 'unsupported-yaml 3:8 (no name)'],
  ])('with a field, in %j', (fields, expected) => {
    expect(problemsIn(head + fields)).toEqual([expected]);
  });

  it.each([
    ['stringdata: {a: b}\n', 'did you mean stringData?'],
    ['Data: {a: b}\n', 'did you mean data?'],
    ['name: db\n', 'move it into metadata'],
    ['Labels: {a: b}\n', 'move it into metadata'],
    ['metadata: {Data: {a: b}}\n', 'move it out of metadata, to the top level of the Secret'],
    ['metadata: {label: {a: b}}\n', 'did you mean labels?'],
    ['metadata: {hunter2: x}\n', 'remove it'],
    ['hunter2: x\n', 'remove it, or indent it if it is a data key'],
    ['spec: {a: b}\n', 'remove it, or move its entries to the top level of the Secret'],
  ])('with an unknown field, in %j, never shows its name', (fields, hint) => {
    const [problem] = readManifest(head + fields, 'db.yaml').problems;
    expect(problem?.message).toMatch(/^unknown field in (?:a Secret|metadata)$/);
    expect(problem?.hint).toBe(hint);
  });

  it.each([
    ['a/b', 'invalid-data-key 3:14 (no name)'],
    ['..x', 'invalid-data-key 3:14 (no name)'],
    ['.', 'invalid-data-key 3:14 (no name)'],
    ['""', 'invalid-data-key 3:14 (no name)'],
    ['a'.repeat(254), 'invalid-data-key 3:14 (no name)'],
    ['0123', 'invalid-data-key 3:14 (no name)'],
    ['yes', 'invalid-data-key 3:14 (no name)'],
    ['~', 'invalid-data-key 3:14 (no name)'],
    ['[a]', 'invalid-data-key 3:14 (no name)'],
    ['!!str a', 'unsupported-yaml 3:20 (no name)'],
    ['&k a', 'unsupported-yaml 3:17 (no name)'],
  ])('with the data key %j', (key, expected) => {
    expect(problemsIn(`${head}stringData: {${key}: x}\n`)).toEqual([expected]);
  });

  it.each([
    ['null #a\n', 'null-value'],
    ...['[a]', '{a: b}'].map((value) => [value, 'not-a-scalar']),
    ...[
      '0123',
      '1e3',
      'true',
      '12345678901234567890',
      '2024-01-01',
      'yes',
      'on',
      '0o17',
      '1_000',
    ].map((value) => [value, 'ambiguous-scalar']),
    ...['1', '1.5', '=', '"\\ud800"', '"a\\\n\n   b"'].map((value) => [value, 'ambiguous-scalar']),
  ])('with the value %j', (value, id) => {
    expect(problemsIn(`${head}stringData: {k: ${value}}\n`)).toEqual([`${id} 3:17 (no name) k`]);
  });

  it.each(['!!binary QQ==', '!!str a', '! a', '&a b', '!!str &a b'])(
    'with the node %j',
    (value) => {
      const [problem] = readManifest(`${head}stringData: {k: ${value}}\n`, 'x').problems;
      expect(problem).toMatchObject({ code: 'unsupported-yaml', key: 'k' });
    },
  );

  it.each([
    ['a: |\n    b', 'ambiguous-scalar 4:6 (no name) a'],
    ['a: |+\n    b', 'ambiguous-scalar 4:6 (no name) a'],
    ['a: |1\n    b\n    \n', 'ambiguous-scalar 4:6 (no name) a'],
    ['a: |\n    \n', 'ambiguous-scalar 4:6 (no name) a'],
  ])('with the block scalar %j, which readers read differently', (entry, expected) => {
    expect(problemsIn(`${head}stringData:\n  ${entry}`)).toEqual([expected]);
  });

  it.each([
    ['plain text', 'not-base64'],
    ['YQ', 'not-base64'],
    ['YQ=', 'not-base64'],
    ['YR==', 'not-base64'],
    ['"YQ== "', 'not-base64'],
    ['-_8=', 'not-base64'],
    ['YQ==YQ==', 'not-base64'],
    [sealed, 'raw-jwe-in-data'],
  ])('with the base64 %j', (value, id) => {
    expect(problemsIn(`${head}data: {k: ${value}}\n`)).toEqual([`${id} 3:11 (no name) k`]);
  });

  it.each([
    ['data: {a: QQ==}\nstringData: {a: b}\n', ['duplicate-data-key 4:14 (no name) a']],
    ['stringData: {a: b, c: d, a: e}\n', ['duplicate-data-key 3:26 (no name) a']],
    ['stringData: {a: b}\nstringData: {c: d}\n', ['duplicate-key 4:1']],
    ['metadata: {name: a, name: b}\n', ['duplicate-key 3:21']],
    [
      'stringData: {a: 1, a: 2}\n',
      [
        'ambiguous-scalar 3:17 (no name) a',
        'duplicate-key 3:20',
        'ambiguous-scalar 3:23 (no name) a',
      ],
    ],
  ])('with a duplicate, in %j', (fields, expected) => {
    expect(problemsIn(head + fields)).toEqual(expected);
  });

  it('with the YAML syntax is unparsable, and no Secret is read', () => {
    const { secrets, problems } = readManifest(`${head}data: {a: *b}\n`, 'x');
    expect(secrets).toEqual([]);
    expect(problems).toMatchObject([{ code: 'unparsable', position: { line: 3, column: 11 } }]);
  });

  it('that is fatal is reported even after others that are not', () => {
    expect(problemsIn(`a\n  b\n---\n${head}---\na: *b\n`)).toEqual(['unparsable 7:4']);
    expect(problemsIn(`${'a: b\n'.repeat(30)}c: *d\n`)).toEqual(['unparsable 31:4']);
  });

  it('is reported in source order', () => {
    const source = `${head}stringData:\n  a: 1\n  b: yes\nmetadata: {name: db}\n`;
    expect(problemsIn(source)).toEqual(['ambiguous-scalar 4:6 db a', 'ambiguous-scalar 5:6 db b']);
  });

  it('never quotes a value', () => {
    const canary = 'CANARY-manifest';
    const forms = [
      canary,
      `1 ${canary}`,
      `[${canary}]`,
      `{${canary}}`,
      `!!${canary} a`,
      `*${canary}`,
      `&${canary} a`,
      `|\n    ${canary}`,
      `"\\q${canary}"`,
      `"${canary}`,
      `@${canary}`,
      `${canary}: a`,
      `"${canary}\\ud800"`,
      `"${canary}\\\n\n  a"`,
    ];
    const places = [
      'data:\n  a: ',
      'stringData:\n  a: ',
      'stringData: ',
      'data: ',
      'metadata:\n  name: a\n  annotations:\n    a: ',
      '<<: ',
      'stringData:\n  a/b: ',
      'stringData:\n  a: b\n  a: ',
      'stringData:\n  ? ',
    ];
    const problems = places.flatMap((place) =>
      forms.map((form) => readManifest(`${head}${place}${form}`, 'x').problems),
    );
    expect(problems.filter((found) => found.length > 0).length).toBeGreaterThan(100);
    expect(JSON.stringify(problems)).not.toContain(canary);
  });
});

describe('the items of any object', () => {
  const item = '{metadata: {name: a}, data: {k: QQ==}}';
  it.each(['Secret', 'SecretList'])('have the kind of %s without List, as for kubectl', (kind) => {
    const { secrets } = readManifest(`apiVersion: v1\nkind: ${kind}\nitems: [${item}]\n`, 'x');
    expect(secrets.map(({ name }) => name)).toContain('a');
  });

  it('have its apiVersion, so that they may be of another API group', () => {
    expect(secretsIn(`apiVersion: foo.io/v1\nkind: SecretList\nitems: [${item}]\n`)).toEqual([]);
    expect(problemsIn(`apiVersion: v2\nkind: SecretList\nitems: [${item}]\n`)).toEqual([
      'misspelt-kind 1:13',
    ]);
  });
});

describe('an action or a placeholder in the kind', () => {
  const withKind = (kind: string, rest = 'stringData: {a: b}') =>
    readManifest(`apiVersion: v1\nkind: ${kind}\n${rest}\n`, 'x');
  it.each([
    'Secret{{ end }}',
    'Sec{{ "" }}ret',
    'S{{ .x }}',
    'Secret{{ if .x }}List{{ end }}',
    "'{{ if .x }}ConfigMap{{ else }} Secret {{ end }}'",
    "'{{ .kind }}'",
    '$\u007BKIND}',
  ])('can make a Secret, which is a problem: %s', (kind) => {
    const { secrets, problems } = withKind(kind);
    expect(secrets.length).toBe(1);
    expect(problems).toMatchObject([{ code: 'unrendered-kind', position: { line: 2 } }]);
    expect(withKind(kind, 'spec: {}')).toMatchObject({ secrets: [], problems: [] });
  });

  it.each([
    'Cluster{{ .x }}',
    'Secrets{{ .x }}',
    '{Secret}',
    "'{{ if .x }}Pod{{ else }}Job{{ end }}'",
  ])('cannot make a Secret: %s', (kind) => {
    expect(withKind(kind).secrets).toEqual([]);
  });

  it('is judged in linear time', () => {
    const kind = `"${'{{ .x }}'.repeat(20_000)}Secrets"`;
    expect(withKind(kind).secrets).toEqual([]);
    expect(withKind(`"${'{{ x '.repeat(100_000)}"`).secrets.length).toBe(1);
    expect(mayHoldSecret(`a${',!'.repeat(200_000)}`)).toBe(false);
    expect(mayHoldSecret('a: {{ b\n'.repeat(100_000))).toBe(false);
  });
});

describe('a text that is not YAML may hold a Secret', () => {
  it.each([
    ['kind: Secret', true],
    ['{"kind":"SecretList"', true],
    ['"Sec\\\n  ret"\nkind', true],
    ['"Sec\\\r\n  ret"\nkind', true],
    ['a\\x53b', true],
    ['a: !!binary b', true],
    ['[!<tag:yaml.org,2002:%62inary> b', true],
    ['a\u2028kind: Secret', true],
    ['patch: "apiVersion: v1\\nkind:\\tSecret\\n"', true],
    ['kind: SecretGenerator', true],
    ['secretGenerator:\n- literals: [a=b]', true],
    ['extra:\n  stringData: {a: b}', true],
    ['%TAG !e! tag:yaml.org,2002:bin\n--- !e!ary', true],
    ['kind: {{ .kind }}', true],
    ['kind: Se{{ "cret" }}', true],
    ['{{ include "head" . }}\nstringData:', true],
    ['', false],
    ['kind: Pod\nimagePullSecrets: []', false],
    ['a Secret of a mankind', false],
    ['a: b != c && !binary', true],
    ['date +%s; test a != b', false],
    ['a \\\n  b', false],
    ['kind: Deployment\n{{ include "a" . }}\ndata', false],
    ['{{ include "a" . }}\nmetadata: {}', false],
    ['{{ if .x }}data: {{ end }}', false],
  ])('%j: %s', (text, expected) => {
    expect(mayHoldSecret(text)).toBe(expected);
  });
});

/** Forms in which a YAML reader may take a text for `text`; `anchor` has it in the document. */
const formsOf = (text: string, anchor: string): string[] => [
  ...[text, `"${text}"`, `'${text}'`, `!!str ${text}`, `! ${text}`, `!own ${text}`],
  ...[`!!binary ${base64(text)}`, `!<tag:yaml.org,2002:binary> "${base64(text)}"`, `*${anchor}`],
  `"\\x${text.charCodeAt(0).toString(16)}${text.slice(1)}"`,
];
const base64 = (text: string) => Buffer.from(text).toString('base64');

const disguiseOf = (text: string, anchor: string) =>
  fc.oneof(
    { weight: 3, arbitrary: fc.constant(text) },
    { weight: 1, arbitrary: fc.constantFrom(...formsOf(text, anchor)) },
  );

const field = (name: string, value: fc.Arbitrary<string>) =>
  fc
    .tuple(disguiseOf(name, name), value, fc.constantFrom('', '', '', '<<', '! "<<"'))
    // An alias needs a space before the colon.
    .map(([key, text, merge]) => (merge ? `${merge}: {${key} : ${text}}` : `${key} : ${text}`));

const disguised = fc
  .tuple(
    field('apiVersion', disguiseOf('v1', 'v')),
    field('kind', disguiseOf('Secret', 'k')),
    field('stringData', fc.constantFrom('{p: CANARY}', '&d {p: CANARY}', '!!map {p: CANARY}')),
  )
  .chain((fields) => fc.shuffledSubarray(fields, { minLength: 3 }))
  .map((fields) => [
    'metadata: {labels: {a: &apiVersion apiVersion, b: &kind kind, c: &stringData stringData,',
    '  d: &v v1, e: &k Secret, f: &i items}}',
    ...fields,
  ]);

const wrapped = fc
  .tuple(disguised, fc.oneof(fc.constant(''), disguiseOf('items', 'i')), fc.boolean())
  .map(([lines, items, isAliased]) => {
    if (items === '') return lines.join('\n');
    const item = [`- ${isAliased ? '&item ' : ''}`, ...lines.map((line) => `  ${line}`)];
    const head = 'kind: Some\nx: &i items';
    return [head, `${items} :`, ...item, ...(isAliased ? ['- *item'] : [])].join('\n');
  });

it('a Secret in any disguise is read or refused', () => {
  const counts = { read: 0, refused: 0 };
  fc.assert(
    fc.property(wrapped, (source) => {
      const { secrets, problems } = readManifest(source, 'x');
      // The anchors are in a field that a Secret does not have.
      if (problems.some(({ code }) => code !== 'unknown-field')) counts.refused++;
      else {
        expect(secrets.flatMap(({ entries }) => entries).length, source).toBeGreaterThan(0);
        counts.read++;
      }
    }),
    { numRuns: 2000 },
  );
  expect(Math.min(counts.read, counts.refused)).toBeGreaterThan(0);
});

it('any text is read without an exception', () => {
  fc.assert(readsAnyText, { numRuns: 200 });
});
