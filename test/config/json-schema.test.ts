import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Ajv } from 'ajv';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { parse as parseYaml } from 'yaml';
import { parseConfig } from '../../src/config/config.ts';
import { expectedErrors } from '../../src/errors.ts';
import { jsonText } from '../../src/text.ts';
import { rules } from '../../src/verify/rules/index.ts';

const root = join(import.meta.dirname, '../..');
const file = join(root, 'docs/config.schema.json');
const schema = JSON.parse(readFileSync(file, 'utf8'));
const validate = new Ajv({ strict: true, allErrors: true }).compile(schema);

/** Whether kseal reads a configuration. */
function isRead(text: string): boolean {
  try {
    parseConfig(Buffer.from(text), '.kseal.yaml', root);
    return true;
  } catch (thrown) {
    expectedErrors(thrown);
    return false;
  }
}

// `npm run docs` writes them.
test('the published schema has all rules', async () => {
  const severity = { enum: ['off', 'warning', 'error'] };
  schema.properties.verify.properties.rules.properties = Object.fromEntries(
    rules.map(({ id, summary }) => [id, { description: summary, ...severity }]),
  );
  await expect(jsonText(schema)).toMatchFileSnapshot(file);
});

const KID = '0kXvKlpSsgrjWF9OabfeEt2GMRDk3XdgljH7ezVH7pg';
const HEX = Buffer.from(KID, 'base64url').toString('hex');

const text = ['Production HR', 'gcpkms://p', 'ü', '', 'a\nb', [], {}];
const globs = ['**', 'a/**', '{a,b}', 'x'.repeat(512), 'x'.repeat(513), '', 'a\tb', {}];
const names = (valid: readonly string[]) => [...valid, 'other', '', []];

/** Good and bad values of each field, by its path. */
const choices: Readonly<Record<string, readonly unknown[]>> = {
  version: [1, 2, 'x', {}],
  'keys.prod.title': text,
  'keys.prod.file': text,
  'keys.prod.source': text,
  'keys.prod.private': text,
  'keys.prod.kid': [
    ...[KID, HEX, HEX.toUpperCase(), HEX.match(/../g)?.join(':'), HEX.match(/.{4}/g)?.join(' ')],
    ...[KID.slice(1), `${KID.slice(0, -1)}h`, `${HEX}0`, '', []],
  ],
  'keys.prod.state': names(['active', 'deprecated', 'revoked']),
  'keys.2024_next-1': [{}, { unknown: 'x' }, [], 'x'],
  'keys.a b': [{}],
  'rules.0.path': globs,
  'rules.0.scope': names(['strict', 'namespace-wide', 'cluster-wide']),
  'rules.0.field': names(['data', 'stringData']),
  'rules.0.namespace': ['hr', 'a-b', 'a'.repeat(63), 'a'.repeat(64), 'HR', '-', ''],
  'rules.0.key': ['prod', ''],
  'rules.1': [{ path: '**' }, {}, 'x'],
  'verify.ignore': [[], ['vendor/**', 'a'], [''], 'x'],
  'verify.rules': [{}, { 'string-data': 'off', 'weak-key': 'error' }, { 'a.b': 'off' }, []],
  'verify.rules.string-data': names(['off', 'warning', 'error']),
  'verify.unknown': ['x'],
  unknown: ['x'],
};

/** A configuration with chosen values of some fields. */
const config = fc
  .uniqueArray(
    fc.constantFrom(...Object.entries(choices)).chain(([path, values]) =>
      // The first values are good.
      fc.tuple(fc.constant(path), fc.oneof(fc.constant(values[0]), fc.constantFrom(...values))),
    ),
    { selector: ([path]) => path, maxLength: 4 },
  )
  .map((chosen) => {
    const data = { version: 1, keys: { prod: {} }, rules: [{ path: 'a' }], verify: { rules: {} } };
    for (const [path, value] of chosen) {
      const steps = path.split('.');
      const last = steps.pop() ?? '';
      let parent: Record<string, unknown> = data;
      for (const step of steps) parent = Object(parent[step]);
      parent[last] = value;
    }
    return data;
  });

test('the schema accepts what kseal reads, and nothing else', () => {
  const seen = { true: 0, false: 0 };
  fc.assert(
    fc.property(config, (data) => {
      const source = JSON.stringify(data);
      const accepted = validate(JSON.parse(source));
      seen[`${accepted}`]++;
      expect(accepted, JSON.stringify(validate.errors)).toBe(isRead(source));
    }),
    { numRuns: 200 },
  );
  expect(Math.min(seen.true, seen.false)).toBeGreaterThan(20);
});

test.each([
  ['an unknown field', 'version: 1\nkey: {}\n'],
  ['no version', 'keys: {}\n'],
  ['a key name with a dot', 'version: 1\nkeys: { a.b: {} }\n'],
  ['a rule without a path', 'version: 1\nrules: [{ scope: strict }]\n'],
  ['a malformed rule id', 'version: 1\nverify: { rules: { a.b: off } }\n'],
  ['a list as keys', 'version: 1\nkeys: []\n'],
])('neither accepts %s', (_, source) => {
  expect([isRead(source), validate(parseYaml(source))]).toEqual([false, false]);
});
