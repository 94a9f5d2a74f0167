import { mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, describe, expect, test } from 'vitest';
import {
  findConfig,
  isKeyName,
  loadConfig,
  parseConfig,
  ruleFor,
} from '../../src/config/config.ts';
import { errorsOf, KsealError } from '../../src/errors.ts';
import { thrownBy } from '../jwe/thrown.ts';

const KID = '0kXvKlpSsgrjWF9OabfeEt2GMRDk3XdgljH7ezVH7pg';
const HEX = Buffer.from(KID, 'base64url').toString('hex');

const folder = realpathSync(mkdtempSync(join(tmpdir(), 'kseal-config-')));
afterAll(() => rmSync(folder, { recursive: true }));

function parse(text: string | Uint8Array) {
  return parseConfig(Buffer.from(text as string), '.kseal.yaml', folder);
}

const whole = `# the keys of the HR team
version: 1
keys:
  prod:
    title: Production HR
    file: keys/prod.pub
    source: gcpkms://projects/p/locations/l/keyRings/r/cryptoKeys/hr/cryptoKeyVersions/3
    private: keys/prod.pem
    kid: ${KID}
    state: deprecated
  2024_next-1: {}
rules:
  - { path: 'clusters/prod/**', key: prod, scope: namespace-wide, field: stringData, namespace: hr }
  - path: '**'
verify:
  ignore: ['vendor/**']
  rules: { string-data: off }
`;

describe('parseConfig', () => {
  test('reads every field', () => {
    expect(parse(whole)).toEqual({
      path: '.kseal.yaml',
      folder,
      keys: new Map([
        [
          'prod',
          {
            title: 'Production HR',
            file: 'keys/prod.pub',
            source: 'gcpkms://projects/p/locations/l/keyRings/r/cryptoKeys/hr/cryptoKeyVersions/3',
            private: 'keys/prod.pem',
            kid: KID,
            state: 'deprecated',
          },
        ],
        ['2024_next-1', {}],
      ]),
      rules: [
        {
          path: 'clusters/prod/**',
          key: 'prod',
          scope: 'namespace-wide',
          field: 'stringData',
          namespace: 'hr',
        },
        { path: '**' },
      ],
      verify: { ignore: ['vendor/**'], rules: new Map([['string-data', 'off']]) },
    });
  });

  test('needs nothing but its version', () => {
    expect(parse('version: 1\n')).toMatchObject({ keys: new Map(), rules: [], verify: {} });
  });

  test.each([
    ['CRLF', whole.replaceAll('\n', '\r\n')],
    ['a byte order mark', `\uFEFF${whole}`],
    ['JSON', JSON.stringify({ version: 1, keys: { prod: { file: 'keys/prod.pub' } } })],
    [
      'rules that name a key below them',
      `version: 1\nrules: [{ path: a, key: x }]\nkeys: { x: {} }`,
    ],
  ])('takes %s', (_, text) => {
    expect(parse(text).keys.size).toBeGreaterThan(0);
  });

  test.each([
    ['hex', HEX],
    ['hex in groups', `'${HEX.match(/.{4}/g)?.join(' ')}'`],
    ['hex with colons, in capitals', `'${HEX.toUpperCase().match(/../g)?.join(':')}'`],
  ])('a pin may be written as %s', (_, kid) => {
    expect(parse(`version: 1\nkeys: { prod: { kid: ${kid} } }`).keys.get('prod')?.kid).toBe(KID);
  });

  test.each([
    ['no version', 'keys: {}\n', '1:1: the field "version" is missing'],
    ['a later version', 'version: 2\n', '1:10: not version 1, the only one there is'],
    ['an unknown field', 'version: 1\nkey: {}\n', '2:1: unknown field "key"'],
    ['a key name with a dot', 'version: 1\nkeys: { a.b: {} }\n', '2:9: "a.b" is no key name'],
    [
      'a pin that is none',
      'version: 1\nkeys: { a: { kid: abc } }\n',
      '2:19: not a kid of 43 characters or 64 hex digits',
    ],
    [
      'another state',
      'version: 1\nkeys: { a: { state: old } }\n',
      '2:21: unknown "old", not active, deprecated, revoked',
    ],
    [
      'a rule for no key',
      'version: 1\nkeys: { prod: {} }\nrules: [{ path: a, key: prd }]\n',
      '3:25: unknown "prd", not prod',
    ],
    [
      'a rule where there is no key',
      'version: 1\nrules: [{ path: a, key: prd }]\n',
      '2:25: unknown "prd", and there are none',
    ],
    [
      'a rule without a path',
      'version: 1\nrules: [{ scope: strict }]\n',
      '2:9: the field "path" is missing',
    ],
    [
      'another scope',
      'version: 1\nrules: [{ path: a, scope: wide }]\n',
      '2:27: unknown "wide", not strict, namespace-wide, cluster-wide',
    ],
    [
      'a namespace that cannot be one',
      'version: 1\nrules: [{ path: a, namespace: HR }]\n',
      '2:31: not a namespace',
    ],
    [
      'a glob without end',
      `version: 1\nrules: [{ path: ${'a'.repeat(70_000)} }]\n`,
      '2:17: not a short glob',
    ],
    [
      'another severity',
      'version: 1\nverify: { rules: { string-data: no } }\n',
      '2:33: unknown "no", not off, warning, error',
    ],
  ])('refuses %s', (_, text, message) => {
    const said = thrownBy(() => parse(text));
    expect(said).toMatchObject({ code: 'CONFIG_INVALID', message: `.kseal.yaml:${message}` });
    expect(said.hint).toMatch(/./);
  });

  test.each([
    ['UTF-16', Buffer.from(`\uFEFF${whole}`, 'utf16le')],
    ['bytes that are no text', Buffer.of(0xff, 0xfe, 0x00)],
  ])('refuses %s', (_, bytes) => {
    expect(thrownBy(() => parse(bytes))).toMatchObject({
      code: 'CONFIG_INVALID',
      message: '.kseal.yaml: is not UTF-8 text',
    });
  });
});

describe('whatever the text, there is a configuration or a KsealError', () => {
  function outcome(text: string): void {
    try {
      parse(text);
    } catch (thrown) {
      for (const error of errorsOf(thrown)) {
        if (!(error instanceof KsealError)) throw error;
        expect(error.code).toBe('CONFIG_INVALID');
      }
    }
  }

  test('random text', () => {
    fc.assert(fc.property(fc.string({ unit: 'binary', maxLength: 300 }), outcome), {
      numRuns: 100,
    });
  });

  test('pieces of YAML in any order', () => {
    const pieces = fc.constantFrom(
      ...['version: 1\n', 'keys:', 'rules:', 'verify:', '  prod:', 'kid: ', '- ', '---\n', '...\n'],
      ...[
        '&a ',
        '*a',
        '!!str ',
        '<<: ',
        '{',
        '}',
        '[',
        ']',
        ',',
        '"',
        "'",
        '|\n',
        '>-\n',
        '? ',
        ': ',
      ],
      ...['\n', '\n  ', '\t', '\r\n', '\uFEFF', '#', '%YAML 1.2\n', 'path: a', 'key: prod', '\0'],
    );
    const text = fc.array(pieces, { maxLength: 60 }).map((parts) => parts.join(''));
    fc.assert(fc.property(text, outcome), { numRuns: 300 });
  });

  test('the right fields with the wrong content', () => {
    const { node } = fc.letrec<{ node: unknown }>((tie) => ({
      node: fc.oneof(
        { maxDepth: 4 },
        fc.string(),
        fc.constant(null),
        fc.integer(),
        fc.array(tie('node'), { maxLength: 4 }),
        fc.dictionary(
          fc.constantFrom(
            'version',
            'keys',
            'rules',
            'verify',
            'path',
            'key',
            'kid',
            'a',
            '__proto__',
          ),
          tie('node'),
          { maxKeys: 5 },
        ),
      ),
    }));
    const document = fc.record({ version: fc.constant(1), keys: node, rules: node, verify: node });
    fc.assert(
      fc.property(document, (value) => outcome(JSON.stringify(value))),
      { numRuns: 200 },
    );
  });

  test('many keys and many wrong rules', () => {
    const keys = Array.from({ length: 2_000 }, (_, i) => `  k${i}: {}\n`).join('');
    const rules = Array.from({ length: 2_000 }, (_, i) => `- {path: a, key: j${i}}\n`).join('');
    outcome(`version: 1\nkeys:\n${keys}rules:\n${rules}`);
  });

  test('a nesting without end is refused', () => {
    outcome(`version: 1\nkeys: ${'['.repeat(100_000)}`);
    outcome(`version: 1\nkeys: ${'{a: '.repeat(50_000)}`);
  });
});

describe('findConfig', () => {
  const make = (path: string, text = '') => {
    mkdirSync(join(folder, path, '..'), { recursive: true });
    writeFileSync(join(folder, path), text);
  };
  make('repo/.kseal.yaml', 'version: 1\n');
  make('repo/.git/HEAD');
  make('repo/apps/db/x');
  make('repo/apps/own/.kseal.yaml');
  make('repo/vendor/.git', 'gitdir: elsewhere');
  make('repo/vendor/deploy/x');

  test.each([
    ['in the folder', 'repo', 'repo'],
    ['above it', 'repo/apps/db', 'repo'],
    ['the nearest', 'repo/apps/own', 'repo/apps/own'],
    ['above a folder still to be made', 'repo/apps/new/deep', 'repo'],
  ])('%s', (_, from, where) => {
    expect(findConfig(join(folder, from))).toBe(join(folder, where, '.kseal.yaml'));
  });

  test('not beyond a repository, be its .git a folder or a file', () => {
    expect(findConfig(join(folder, 'repo/vendor/deploy'))).toBeUndefined();
  });

  test('its folder is where its paths start', () => {
    const path = join(folder, 'repo/.kseal.yaml');
    expect(loadConfig(path, '../.kseal.yaml')).toMatchObject({
      folder: join(folder, 'repo'),
      path: '../.kseal.yaml',
    });
  });

  test('what cannot be read is an error, and not passed over', () => {
    mkdirSync(join(folder, 'odd/.kseal.yaml'), { recursive: true });
    expect(findConfig(join(folder, 'odd'))).toBe(join(folder, 'odd/.kseal.yaml'));
    expect(thrownBy(() => loadConfig(join(folder, 'odd/.kseal.yaml'), 'c'))).toMatchObject({
      code: 'IO',
      message: 'c: cannot read: is a folder, not a file',
    });
  });
});

describe('ruleFor', () => {
  const config = parse(`version: 1
rules:
  - { path: 'clusters/prod/**', scope: strict }
  - { path: 'clusters/*/db.yaml', scope: namespace-wide }
  - { path: '*.yaml', scope: cluster-wide }
  - { path: '**/.hidden/*.yaml', namespace: hidden }
  - { path: 'a{b,c}/[xy].json', namespace: braces }
  - { path: './dotted/**', namespace: dotted }
  - { path: '../outside/**', namespace: outside }
`);
  const of = (path: string) => {
    const rule = ruleFor(config, join(folder, path));
    return rule?.namespace ?? rule?.scope;
  };

  test.each([
    ['clusters/prod/db.yaml', 'strict'],
    ['clusters/prod/deep/er/x', 'strict'],
    ['clusters/test/db.yaml', 'namespace-wide'],
    ['db.yaml', 'cluster-wide'],
    ['x/.hidden/db.yaml', 'hidden'],
    ['ab/x.json', 'braces'],
    ['ac/y.json', 'braces'],
    ['dotted/a/b', 'dotted'],
    ['../outside/x', 'outside'],
    ['clusters/test/other.yaml', undefined],
    ['sub/db.yaml', undefined],
    ['ad/x.json', undefined],
  ])('%s: %s', (path, wanted) => {
    expect(of(path)).toBe(wanted);
  });

  test('** stays below the folder of the configuration', () => {
    const all = parse("version: 1\nrules: [{ path: '**', namespace: hr }]\n");
    expect(ruleFor(all, join(folder, 'x/y'))?.namespace).toBe('hr');
    expect(ruleFor(all, join(folder, '../elsewhere/y'))).toBeUndefined();
  });
});

test.each([
  ['prod', true],
  ['2024_next-1', true],
  ['a.b', false],
  ['', false],
  ['a/b', false],
  ['a\n', false],
])('isKeyName(%j) is %s', (name, wanted) => {
  expect(isKeyName(name)).toBe(wanted);
});
