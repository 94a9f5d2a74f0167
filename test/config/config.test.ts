import { mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import {
  findConfig,
  loadConfig,
  parseConfig,
  parseReference,
  ruleFor,
} from '../../src/config/config.ts';
import { expectedErrors, type KsealError } from '../../src/errors.ts';
import { thrownBy } from '../jwe/thrown.ts';

const KID = '0kXvKlpSsgrjWF9OabfeEt2GMRDk3XdgljH7ezVH7pg';
const HEX = Buffer.from(KID, 'base64url').toString('hex');

const folder = realpathSync(mkdtempSync(join(tmpdir(), 'kseal-config-')));
afterAll(() => rmSync(folder, { recursive: true }));

function parse(text: string | Uint8Array) {
  return parseConfig(Buffer.from(text as string), '.kseal.yaml', folder);
}

function errorsIn(text: string): readonly KsealError[] {
  try {
    parse(text);
    return [];
  } catch (thrown) {
    return expectedErrors(thrown);
  }
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

  test('needs only a version', () => {
    expect(parse('version: 1\n')).toMatchObject({ keys: new Map(), rules: [], verify: {} });
  });

  test.each([
    ['CRLF', whole.replaceAll('\n', '\r\n')],
    ['a byte order mark', `\uFEFF${whole}`],
    ['JSON', JSON.stringify({ version: 1, keys: { prod: { file: 'keys/prod.pub' } } })],
    [
      'rules before the keys that they name',
      `version: 1\nrules: [{ path: a, key: x }]\nkeys: { x: {} }`,
    ],
  ])('accepts %s', (_, text) => {
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
    ['no version', 'keys: {}\n', '1:1: missing field "version"'],
    ['a later version', 'version: 2\n', '1:10: unsupported version "2"'],
    ['a mapping as version', 'version: {}\n', '1:10: must be a string on one line'],
    ['an unknown field', 'version: 1\nkey: {}\n', '2:1: unknown field "key"'],
    [
      'a key name with a dot',
      'version: 1\nkeys: { a.b: {} }\n',
      '2:9: "a.b" is not a valid key name',
    ],
    [
      'a malformed pin',
      'version: 1\nkeys: { a: { kid: abc } }\n',
      '2:19: must be a kid of 43 characters or 64 hex digits',
    ],
    ['an unknown state', 'version: 1\nkeys: { a: { state: old } }\n', '2:21: unknown value "old"'],
    [
      'a rule that names an unknown key',
      'version: 1\nkeys: { prod: {} }\nrules: [{ path: a, key: prd }]\n',
      '3:25: unknown key "prd"',
    ],
    [
      'a rule that names a key, without keys',
      'version: 1\nrules: [{ path: a, key: prd }]\n',
      '2:25: unknown key "prd"',
    ],
    [
      'a rule without a path',
      'version: 1\nrules: [{ scope: strict }]\n',
      '2:9: missing field "path"',
    ],
    [
      'an unknown scope',
      'version: 1\nrules: [{ path: a, scope: wide }]\n',
      '2:27: unknown value "wide"',
    ],
    [
      'a malformed namespace',
      'version: 1\nrules: [{ path: a, namespace: HR }]\n',
      '2:31: must be a namespace',
    ],
    [
      'a huge glob',
      `version: 1\nrules: [{ path: ${'a'.repeat(70_000)} }]\n`,
      '2:17: must be a glob of at most 512 characters',
    ],
    [
      'an unknown severity',
      'version: 1\nverify: { rules: { string-data: no } }\n',
      '2:33: unknown value "no"',
    ],
  ])('refuses %s', (_, text, message) => {
    const said = thrownBy(() => parse(text));
    expect(said).toMatchObject({ code: 'CONFIG_INVALID', message: `.kseal.yaml:${message}` });
    expect(said.hint).toMatch(/./);
  });

  test.each([
    ['UTF-16', Buffer.from(`\uFEFF${whole}`, 'utf16le')],
    ['bytes that are not text', Buffer.of(0xff, 0xfe, 0x00)],
  ])('refuses %s', (_, bytes) => {
    expect(thrownBy(() => parse(bytes))).toMatchObject({
      code: 'CONFIG_INVALID',
      message: '.kseal.yaml: is not UTF-8 text',
    });
  });
});

test('reports at most 20 errors', () => {
  const keys = Array.from({ length: 2_000 }, (_, i) => `  k${i}: {}\n`).join('');
  const rules = Array.from({ length: 100 }, (_, i) => `- {path: a, key: j${i}}\n`).join('');
  const errors = errorsIn(`version: 1\nkeys:\n${keys}rules:\n${rules}`);
  expect(errors).toHaveLength(20);
  expect(errors[0]?.message).toMatch(/^\.kseal\.yaml:2004:\d+: unknown key "j0"$/);
});

test.each(['[', '{a: '])('refuses an unclosed %s', (open) => {
  expect(errorsIn(`version: 1\nkeys: ${open.repeat(50_000)}`)).toMatchObject([
    { code: 'CONFIG_INVALID' },
  ]);
});

test('refuses a manifest named .kseal.yaml', () => {
  expect(thrownBy(() => parse('apiVersion: v1\nkind: Secret\n'))).toEqual({
    code: 'CONFIG_INVALID',
    message: '.kseal.yaml:1:1: is a Kubernetes manifest, not a configuration of kseal',
    hint: 'rename the file',
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
  make('repo/apps/own/.kseal.yaml', 'version: 1\n');
  make('repo/vendor/.git', 'gitdir: elsewhere');
  make('repo/vendor/deploy/x');
  mkdirSync(join(folder, 'odd/.kseal.yaml'), { recursive: true });
  mkdirSync(join(folder, 'dangling'));
  symlinkSync('nowhere', join(folder, 'dangling/.kseal.yaml'));

  test.each([
    ['in the folder', 'repo', 'repo'],
    ['above the folder', 'repo/apps/db', 'repo'],
    ['the nearest one', 'repo/apps/own', 'repo/apps/own'],
    ['above a folder that does not exist yet', 'repo/apps/new/deep', 'repo'],
  ])('finds the configuration %s', (_, from, where) => {
    expect(findConfig(join(folder, 'repo'), undefined)(join(folder, from))).toMatchObject({
      folder: join(folder, where),
      path: where === 'repo' ? '.kseal.yaml' : 'apps/own/.kseal.yaml',
    });
  });

  test('stops at a repository, whether its .git is a folder or a file', () => {
    expect(findConfig(folder, undefined)(join(folder, 'repo/vendor/deploy'))).toBeUndefined();
  });

  test('reads a configuration once', () => {
    const find = findConfig(folder, undefined);
    expect(find(join(folder, 'repo/apps/db'))).toBe(find(join(folder, 'repo')));
  });

  test.each([
    ['a folder', 'odd', 'is a folder, not a file'],
    ['a dangling link', 'dangling', 'no such file'],
  ])('reports %s named .kseal.yaml', (_, name, problem) => {
    expect(thrownBy(() => findConfig(folder, undefined)(join(folder, name)))).toMatchObject({
      code: 'IO',
      message: `${name}/.kseal.yaml: ${problem}`,
    });
  });
});

test('resolves paths against its own folder', () => {
  const path = join(folder, 'repo/.kseal.yaml');
  expect(loadConfig(path, '../.kseal.yaml')).toMatchObject({
    folder: join(folder, 'repo'),
    path: '../.kseal.yaml',
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

  test('** matches nothing above the folder of the configuration', () => {
    const all = parse("version: 1\nrules: [{ path: '**', namespace: hr }]\n");
    expect(ruleFor(all, join(folder, 'x/y'))?.namespace).toBe('hr');
    expect(ruleFor(all, join(folder, '../elsewhere/y'))).toBeUndefined();
  });
});

const VERSION = 'projects/p/locations/l/keyRings/r/cryptoKeys/k/cryptoKeyVersions/3';

test.each([
  ['prod', { kind: 'name', name: 'prod' }],
  ['prod-2_B', { kind: 'name', name: 'prod-2_B' }],
  ['2024_next-1', { kind: 'name', name: '2024_next-1' }],
  ['-', { kind: 'name', name: '-' }],
  ['__proto__', { kind: 'name', name: '__proto__' }],
  ['./prod', { kind: 'file', path: './prod' }],
  ['prod\n', { kind: 'file', path: 'prod\n' }],
  ['prod.pub', { kind: 'file', path: 'prod.pub' }],
  ['keys/prod.pub', { kind: 'file', path: 'keys/prod.pub' }],
  ['/keys/prod', { kind: 'file', path: '/keys/prod' }],
  ['../prod', { kind: 'file', path: '../prod' }],
  ['~/prod', { kind: 'file', path: '~/prod' }],
  ['my key', { kind: 'file', path: 'my key' }],
  ['schlüssel', { kind: 'file', path: 'schlüssel' }],
  ['C:\\keys\\prod.pub', { kind: 'file', path: 'C:\\keys\\prod.pub' }],
  ['C:/keys/prod.pub', { kind: 'file', path: 'C:/keys/prod.pub' }],
  ['C:prod', { kind: 'file', path: 'C:prod' }],
  ['gcpkms:prod', { kind: 'file', path: 'gcpkms:prod' }],
  ['gcpkms:/prod', { kind: 'file', path: 'gcpkms:/prod' }],
  [`gcpkms://${VERSION}`, { kind: 'remote', scheme: 'gcpkms' }],
  ['GCPKMS://P', { kind: 'remote', scheme: 'gcpkms' }],
  ['git+https://host/org/repo.git?ref=main#keys/prod.pub', { kind: 'remote', scheme: 'git+https' }],
  ['git+ssh://git@host/a b', { kind: 'remote', scheme: 'git+ssh' }],
  ['file:///keys/prod.pub', { kind: 'remote', scheme: 'file' }],
  ['azurekms://a\nb', { kind: 'remote', scheme: 'azurekms' }],
])('parses the key reference %j', (text, reference) => {
  expect(parseReference(text)).toEqual(reference);
});

test('an empty key reference is refused', () => {
  expect(thrownBy(() => parseReference(''))).toEqual({
    code: 'KEY_REFERENCE_INVALID',
    message: 'empty key reference',
    hint: '-k KEY',
  });
});

const kmsName = 'projects/acme/locations/global/keyRings/kseal/cryptoKeys/hr';

test.each([
  kmsName,
  `/${kmsName}`,
  `${kmsName}/cryptoKeyVersions/1`,
  `//cloudkms.googleapis.com/${kmsName}`,
  `cloudkms.googleapis.com/v1/${kmsName}`,
])('the name %s of a KMS key without its scheme is refused', (text) => {
  const error = thrownBy(() => parseReference(text)) as KsealError;
  const meant = `gcpkms://${text.slice(text.indexOf('projects/'))}`;
  expect(error).toMatchObject({
    code: 'KEY_REFERENCE_INVALID',
    message: `${text}: a key in Cloud KMS begins with gcpkms://`,
    hint: `did you mean '${meant}'?`,
  });
});

test.each(['projects/acme/keys/prod.pub', `${kmsName.replace('projects', 'project')}.pub`])(
  'a path such as %s is not a KMS key',
  (text) => {
    expect(parseReference(text)).toEqual({ kind: 'file', path: text });
  },
);
