import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createContext, runInContext } from 'node:vm';
import { Ajv } from 'ajv';
import { build } from 'esbuild';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { isDataKey, isNamespace, isSecretName } from '../../src/kubernetes/secret.ts';
import {
  type AskedValue,
  alphabets,
  checkRequest,
  formats,
  isRequest,
  jsonSchema,
  printRequest,
  readRequest,
  type SecretRequest,
  type Target,
} from '../../src/request/request.ts';
import { jsonText } from '../../src/text.ts';

const root = join(import.meta.dirname, '../..');
const folder = join(root, 'fixtures/requests');
const fixtures = (kind: string) =>
  readdirSync(join(folder, kind)).map((name) => [
    name,
    readFileSync(join(folder, kind, name), 'utf8'),
  ]);
const good = fixtures('good');
const bad = fixtures('bad');

const validate = new Ajv({ allowUnionTypes: true }).compile(jsonSchema());

/** The first problem, as `line:column message`. */
function problem(source: string): string | undefined {
  const [first] = readRequest(source).problems;
  return first && `${first.position.line}:${first.position.column} ${first.message}`;
}

const small = (more = '') => `ksealRequest: 1
title: Database
targets:
  - { file: db.yaml, namespace: hr, name: db }
values:
  password: { label: Password${more} }
`;

test.each(good)('%s is a request to the reader and the schema', (_, source = '') => {
  const { request, problems } = readRequest(source);
  expect(problems).toEqual([]);
  expect(request?.values.length).toBeGreaterThan(0);
  expect(isRequest(source)).toBe(true);
  expect([validate(parse(source)), validate.errors]).toEqual([true, null]);
});

test.each(bad)('%s is refused by the reader and the schema', (_, source = '') => {
  const { request, problems } = readRequest(source);
  expect(request).toBeUndefined();
  expect(problems.length).toBeGreaterThan(0);
  for (const { message, hint } of problems) {
    expect(hint).toMatch(/./);
    expect(`${message}${hint}`).not.toContain('CANARY');
  }
  expect(isRequest(source)).toBe(true);
  expect(validate(parse(source))).toBe(false);
});

test('a request has every field of its file', () => {
  const source = good.find(([name]) => name === 'full.yaml')?.[1] ?? '';
  const { targets = [], values = [], ...head } = readRequest(source).request ?? {};
  expect(head).toEqual({
    title: 'Database of the HR application',
    from: 'Ann, platform team',
    note: 'We move the application on Friday.',
  });
  expect(targets[0]).toEqual({
    file: '../clusters/prod/hr/db.yaml',
    namespace: 'hr',
    name: 'db',
    type: 'kubernetes.io/tls',
    key: 'prod',
    scope: 'strict',
    field: 'data',
  });
  expect(values[0]).toEqual({
    key: 'password',
    label: 'Password of the HR database',
    help: 'The user is hr_app; the team of the database knows it.',
    format: 'text',
    min: 12,
    max: 64,
    pattern: '[A-Za-z0-9]+',
    generate: 24,
    alphabet: 'letters-digits',
  });
  expect(values.map(({ format }) => format)).toEqual(expect.arrayContaining([...formats]));
});

describe('the reader also refuses', () => {
  test.each([
    [small(', min: 5, max: 4'), '6:45 is less than min'],
    [small(', generate: 8, min: 9'), '6:42 is not between min and max'],
    [
      small(", generate: 8, pattern: '[a-z]{8}'"),
      '6:42 makes up values that the pattern does not allow',
    ],
    [small(", pattern: '[z-a]'"), '6:41 has a range or a count whose ends are swapped'],
    [small(", min: 5, pattern: '[a-z]{4}'"), '6:49 allows no text of the length that is asked for'],
    [
      small(", max: 5, pattern: '[a-z]{6,}'"),
      '6:49 allows no text of the length that is asked for',
    ],
    [small(", min: 5000, pattern: '.*'"), '6:52 allows no text of the length that is asked for'],
    [
      small().replace('targets:', 'targets:\n  - { file: Db.yaml, namespace: hr, name: b }'),
      '5:13 is the file of another target',
    ],
    [
      small().replace('db.yaml', '"../\\u200c.git/x.yaml"'),
      '4:13 must be the relative path of a .yaml or .json file',
    ],
    [small(', value: CANARY'), '6:32 a request must not contain a value'],
    [
      small(', format: pem-private-key, certificate: ca.crt'),
      '6:70 is not a certificate of this request',
    ],
    [
      small().replace('targets:', 'targets:\n  - { file: db.yaml, namespace: hr, name: b }'),
      '5:13 is the file of another target',
    ],
    [`${small()}---\na: b\n`, '8:1 second YAML document'],
    [small().replace('title: Database', 'title: &a Database'), '2:11 anchors are not allowed'],
    [small().replace('title: Database', 'title: "a\\nb"'), '2:8 must be a string on one line'],
    [`${small()}  password: { label: Again }\n`, '7:3 duplicate key'],
    ['ksealRequest: [', '1:16 bad indentation'],
  ])('%j', (source, expected) => {
    expect(readRequest(source).request).toBeUndefined();
    expect(problem(source)).toBe(expected);
  });
});

test('all problems are reported, at most 20', () => {
  const wrong = Array.from({ length: 30 }, (_, at) => `  v${at}: { labl: x }`).join('\n');
  expect(readRequest(`${small()}${wrong}\n`).problems).toHaveLength(20);
});

test.each([
  ['a comment before it', `# c\n---\n${small()}`, true],
  ['a byte order mark', `\uFEFF{"ksealRequest": 1}`, true],
  ['the marker in another place', 'data:\n  ksealRequest: 1\n', false],
  ['the word in a text', 'a: see ksealRequest\n', false],
  ['another document', 'version: 1\n', false],
])('a text with %s is a request: %j', (_, source, expected) => {
  expect(isRequest(source)).toBe(expected);
});

test('a huge request is refused without reading it', () => {
  const values = Array.from({ length: 25_000 }, (_, at) => `  v${at}: { labl: x }\n`).join('');
  expect(readRequest(`${small()}${values}`).problems).toEqual([
    {
      position: { line: 1, column: 1 },
      message: 'is larger than 262144 characters',
      hint: 'split the request',
    },
  ]);
});

const optional = <T>(value: fc.Arbitrary<T>) => fc.option(value, { nil: undefined });
const line = fc
  .string({ minLength: 1, maxLength: 40, unit: 'grapheme' })
  .filter((text) => /^[^\p{Cc}\p{Zl}\p{Zp}\uFEFF]+$/u.test(text));
const label = fc.stringMatching(/^[a-z0-9]([-a-z0-9]{0,8}[a-z0-9])?$/);
const dataKey = fc.stringMatching(/^[-_a-zA-Z0-9]{1,8}(\.[a-z]{1,3})?$/);
const anyTarget: fc.Arbitrary<Target> = fc.record({
  file: fc.stringMatching(
    /^(\.\.\/){0,2}([a-z ä]{1,5}\/){0,2}[a-zA-Z0-9_-]{1,8}\.(yaml|yml|json)$/,
  ),
  namespace: label,
  name: label,
  type: optional(line),
  key: optional(fc.stringMatching(/^(\.\/)?[a-zA-Z0-9_-]{1,8}(\.pub)?$/)),
  scope: optional(fc.constantFrom('strict', 'namespace-wide', 'cluster-wide')),
  field: optional(fc.constantFrom('data', 'stringData')),
});
const anyValue: fc.Arbitrary<AskedValue> = fc
  .record({
    key: dataKey,
    label: line,
    help: optional(line),
    format: fc.constantFrom(...formats),
    min: optional(fc.integer({ min: 0, max: 8 })),
    max: optional(fc.integer({ min: 64, max: 1000 })),
    generate: optional(fc.integer({ min: 8, max: 64 })),
    alphabet: optional(fc.constantFrom(...(Object.keys(alphabets) as (keyof typeof alphabets)[]))),
    pattern: optional(fc.constantFrom('[A-Za-z0-9]+', '\\d{1,999}', 'x y.*', '.*')),
  })
  .map(({ generate, alphabet, pattern, ...rest }) => {
    if (rest.format !== 'text') return rest;
    if (generate === undefined) return { ...rest, pattern };
    return { ...rest, generate, alphabet };
  });
const anyRequest: fc.Arbitrary<SecretRequest> = fc.record({
  title: line,
  from: optional(line),
  note: optional(line),
  targets: fc.uniqueArray(anyTarget, { minLength: 1, maxLength: 3, selector: ({ file }) => file }),
  values: fc.uniqueArray(anyValue, { minLength: 1, maxLength: 4, selector: ({ key }) => key }),
});

test('a printed request is read again, and fits the schema', () => {
  fc.assert(
    fc.property(anyRequest, (request) => {
      const source = printRequest(request);
      const read = readRequest(source);
      expect(read.problems).toEqual([]);
      expect(JSON.stringify(sorted(read.request))).toBe(JSON.stringify(sorted(request)));
      expect([validate(parse(source)), validate.errors]).toEqual([true, null]);
    }),
  );
});

/** A copy whose fields are in alphabetical order, without those that are undefined. */
function sorted(data: unknown): unknown {
  if (Array.isArray(data)) return data.map(sorted);
  if (typeof data !== 'object' || data === null) return data;
  const entries = Object.entries(data).filter(([, value]) => value !== undefined);
  return Object.fromEntries(
    entries.sort(([a], [b]) => (a < b ? -1 : 1)).map(([k, v]) => [k, sorted(v)]),
  );
}

test('reading any text throws nothing', () => {
  fc.assert(
    fc.property(
      fc.constantFrom(...good, ...bad),
      fc.nat(),
      fc.string(),
      ([, source = ''], at, more) => {
        const offset = at % source.length;
        const { request, problems } = readRequest(
          source.slice(0, offset) + more + source.slice(offset),
        );
        expect(request === undefined).toBe(problems.length > 0);
      },
    ),
  );
});

test('the names in the schema are those that Kubernetes allows', () => {
  const base = { ksealRequest: 1, title: 't' };
  const accepts = (target: object, key = 'k') =>
    validate({
      ...base,
      targets: [{ file: 'a.yaml', namespace: 'n', name: 'n', ...target }],
      values: { [key]: { label: 'l' } },
    });
  const name = fc.string({ unit: fc.constantFrom(...'aZ09-._ '.split('')), maxLength: 8 });
  fc.assert(
    fc.property(name, (text) => {
      expect(accepts({ namespace: text })).toBe(isNamespace(text));
      expect(accepts({ name: text })).toBe(isSecretName(text));
      expect(accepts({}, text)).toBe(isDataKey(text));
    }),
    { numRuns: 1000 },
  );
  for (const length of [63, 64, 253, 254]) {
    const text = 'a'.repeat(length);
    expect(accepts({ namespace: text })).toBe(isNamespace(text));
    expect(accepts({ name: text })).toBe(isSecretName(text));
    expect(accepts({}, text)).toBe(isDataKey(text));
  }
});

test('a request that is not a file has the same problems, with the path of each field', () => {
  const data = new Map<string, unknown>([
    ['title', 'T'],
    [
      'targets',
      [
        new Map([
          ['file', 'a.yaml'],
          ['namespace', 'HR'],
          ['name', 'db'],
        ]),
      ],
    ],
    [
      'values',
      new Map([
        [
          'x',
          new Map([
            ['label', 'X'],
            ['min', '5'],
            ['max', '4'],
          ]),
        ],
      ]),
    ],
  ]);
  const { request, problems } = checkRequest(data);
  expect(request).toBeUndefined();
  expect(problems.map(({ path, message }) => `${path.join('.')}: ${message}`)).toEqual([
    'targets.0.namespace: is not a namespace',
    'values.x.max: is less than min',
  ]);
});

test('the published schema is the one that kseal prints', async () => {
  await expect(jsonText(jsonSchema())).toMatchFileSnapshot(join(root, 'docs/request.schema.json'));
});

test('the model and its checks run without Node.js', async () => {
  const modules = readdirSync(join(root, 'src/request')).map((name) => `./src/request/${name}`);
  const { outputFiles } = await build({
    stdin: {
      contents: modules.map((name) => `export * from '${name}';`).join('\n'),
      resolveDir: root,
    },
    bundle: true,
    write: false,
    platform: 'browser',
    format: 'iife',
    globalName: 'request',
    alias: { yaml: './node_modules/yaml/browser/index.js' },
    logLevel: 'silent',
  });
  const [{ text } = { text: '' }] = outputFiles;
  expect(text).toContain('ksealRequest');
  expect(text.match(/\bBuffer[.(]|\bprocess[.[]|\brequire\(|node:\w+/g)).toBeNull();
  // Everything of a browser that they need.
  const page = createContext({ TextDecoder, URL, source: small(', min: 12') });
  const use = `${text}
    const { values: [asked] } = request.readRequest(source).request;
    const pem = { isCertificate: () => true, isPrivateKey: () => true, isMismatch: () => false };
    [request.problemOf(asked, new Uint8Array(3), pem), request.makeUp({ generate: 8 }, () => 0)]`;
  expect([...runInContext(use, page)]).toEqual([
    'It has 3 characters, but needs at least 12.',
    'AAAAAAAA',
  ]);
});
