import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  placeholderTool,
  refuseOpaque,
  refuseSops,
  toolNamedIn,
} from '../../src/manifest/other-tools.ts';
import { readManifest } from '../../src/manifest/read.ts';

const variable = (name: string) => `$\u007b${name}}`;

/** The annotations of a Secret that has only one. */
function annotated(name: string) {
  return [{ name, text: 'kv/data/hr', position: { line: 1, column: 1 } }];
}

describe('the tool that replaces a value', () => {
  test.each([
    ['argocd-vault-plugin', '<path:kv/data/hr#password>'],
    ['argocd-vault-plugin', '<path:kv/data/hr#password#2>'],
    ['argocd-vault-plugin', '<path:kv/data/{{ .Release.Name }}#password>\n'],
    ['argocd-vault-plugin', '<path:a/b#c | base64encode>'],
    ['argocd-vault-plugin', "<path:a/b#c#v3 | jsonPath {.user}{':'}{.password} | base64encode>"],
    ['argocd-vault-plugin', '<path:a/b#yaml | yamlParse | jsonParse>'],
    ['argocd-vault-plugin', '<path:a/b#user><path:a/b#password>'],
    ['argocd-vault-replacer', '<secret:/store/data/path~key>'],
    ['argocd-vault-replacer', '<vault:/store/data/path~key|base64>'],
    ['vals', 'ref+vault://kv/hr#/password'],
    ['vals', 'secretref+awssecrets://hr/db?region=eu-west-1#/password'],
    ['vals', 'ref+gcpsecrets://hr/db+'],
    ['vals', 'ref+vault://kv/a#/user+ref+vault://kv/a#/password+'],
    ['vals', `ref+vault://kv/${variable('ENV')}#/password`],
    ['Bank-Vaults', 'vault:secret/data/mysql#MYSQL_PASSWORD'],
    ['Bank-Vaults', 'vault:secret/data/mysql#MYSQL_PASSWORD#2'],
    ['Bank-Vaults', '>>vault:database/creds/app#password'],
    ['Bank-Vaults', `vault:secret/data/mysql#${variable('.PASSWORD | b64dec')}`],
    ['Bank-Vaults', variable('vault:secret/data/mysql#PASSWORD')],
    ['Bank-Vaults', 'bao:secret/data/mysql#PASSWORD'],
    ['Bank-Vaults', 'vault:v1:8SDd3WHDOjf7mq69CyCqYjBXAiQQAVZRkFM13ok481zoCmHnSeDX9vyf7w=='],
    ['1Password', 'op://vault/item/password'],
    ['1Password', 'op://Private/My Login/section 1/password'],
    ['1Password', 'OP://hr/db/one-time password?attribute=otp'],
    ['1Password', `op://${variable('APP_ENV')}/db/password`],
    ['1Password', '"op://hr/db/password"'],
    ['1Password', '{{ op://hr/db/password }}'],
    ['envsubst', variable('DB_PASSWORD')],
    ['envsubst', variable('DB_PASSWORD:=')],
    ['envsubst', variable('DB_PASSWORD:-')],
    ['envsubst', variable('DB_PASSWORD-')],
    ['envsubst', variable('DB_PASSWORD:=""')],
    ['envsubst', variable('DB_PASSWORD:?')],
    ['envsubst', variable('DB_PASSWORD^^')],
    ['envsubst', variable(`DB_PASSWORD:-${variable('OTHER')}`)],
    ['envsubst', `${variable('A')} ${variable('B')}`],
    ['a template engine', '{{ .Values.password }}'],
  ])('is %s for %s', (tool, value) => {
    expect(placeholderTool(value)).toBe(tool);
  });

  test.each([
    '<password>',
    '<path:hunter2>',
    '<path:a/b#c>hunter2',
    'hunter2<path:a/b#c>',
    '<path:a/b#c | hunter2>',
    '<secret:hunter2>',
    'ref+vault://kv/hr#/password hunter2',
    'hunter2ref+vault://kv/hr#/password',
    'ref+echo://hunter2',
    'ref+envsubst://hunter2',
    'ref+httpjson://user:hunter2@example.org/a#/b',
    'ref+hunter2',
    '{"a":"ref+vault://kv/hr#/a","b":"hunter2"}',
    'vault:hunter2#x',
    'vault:secret/data/mysql',
    `vault:secret/data/mysql#hunter2:${variable('.PASSWORD')}`,
    `vault:secret/data/mysql#${variable('.PASSWORD')} hunter2`,
    '>>vault:pki/issue/app#key#{"password":"hunter2"}',
    'vault:v1:hunter2',
    'op://hunter2',
    'op://vault/item',
    'op://vault/item/password hunter2',
    'op://vault/item/password?hunter2',
    variable('DB_PASSWORD:-hunter2'),
    variable('DB_PASSWORD:=hunter2'),
    variable('DB_PASSWORD-hunter2'),
    variable('DB_PASSWORD:?hunter2'),
    variable(`A:-${variable('B:-hunter2')}`),
    `$${variable('A')}{hunter2}`,
    '{{ default "hunter2" .Values.password }}',
    '$hunter2',
    'hunter2',
    '',
    '  ',
    '""',
  ])('is unknown for %s', (value) => {
    expect(placeholderTool(value)).toBeUndefined();
  });

  test.each([
    ['<password>', 'avp.kubernetes.io/path', 'argocd-vault-plugin'],
    ['<password | base64encode>', 'avp.kubernetes.io/path', 'argocd-vault-plugin'],
    ['<password>', 'avp.kubernetes.io/remove-missing', 'argocd-vault-plugin'],
    ['<user>hunter2', 'avp.kubernetes.io/path', undefined],
    ['<password>', 'avp.kubernetes.io/ignore', undefined],
    ['<password>', 'example.org/path', undefined],
  ])('of %s with the annotation %s is %s', (value, annotation, tool) => {
    expect(placeholderTool(value, annotated(annotation))).toBe(tool);
  });

  test('is unknown for a value that ends with plaintext, whatever the placeholder is', () => {
    const words = fc.array(fc.string({ unit: fc.constantFrom(...'hunter2!?&'), minLength: 1 }));
    const forms = ['<path:a/b#c>', variable('A'), '{{ .a }}', 'ref+a://b#c+', '{{ op://a/b/c }}'];
    fc.assert(
      fc.property(words, fc.constantFrom(...forms), (parts, form) => {
        const plain = parts.join(form);
        fc.pre(plain.replaceAll(form, '') !== '');
        expect(placeholderTool(`${form}${plain}`)).toBeUndefined();
      }),
    );
  });

  test('is looked for in linear time', () => {
    const parts = ['<', '<path:', '$\u007b', '{{', 'op://', '<a ', 'vault:a/', 'ref+a://:', '| '];
    const annotations = annotated('avp.kubernetes.io/path');
    const start = performance.now();
    for (const part of [...parts, '{{ op://a/', '<a | jsonPath '])
      placeholderTool(`${part}${part.repeat(4096 / part.length - 1)}`, annotations);
    toolNamedIn('<path:a#b | jsonPath '.repeat(40_000));
    toolNamedIn(`ref+a://${':'.repeat(1_000_000)}`);
    expect(performance.now() - start).toBeLessThan(2000);
  });
});

test.each([
  ['vals', 'url=ref+vault://kv/hr#/password'],
  ['argocd-vault-plugin', 'postgres://app:<path:kv/data/hr#password>@db'],
  ['Bank-Vaults', `Bearer ${variable('vault:secret/data/hr#token')}`],
  ['1Password', 'password = {{ op://hr/db/password }}'],
  [undefined, `listen ${variable('PORT')}`],
  [undefined, 'see op://hr/db/password'],
  [undefined, '{{ .Values.password }}'],
])('the tool named in a longer text is %s: %s', (tool, text) => {
  expect(toolNamedIn(text)).toBe(tool);
});

describe('a manifest of SOPS', () => {
  const refusal = (text: string) => {
    try {
      refuseSops(readManifest(text, 'db.yaml'), 'db.yaml');
      return undefined;
    } catch (error) {
      return (error as Error).message;
    }
  };

  test.each([
    ['a: b\nsops: { mac: x }', '2:1'],
    ['{"a": 1, "sops": {"version": "3.9.4"}}', '1:10'],
    ['a: b\n---\nsops: {}\n', '3:1'],
    ['{ apiVersion: v1, kind: List, items: [{ apiVersion: v1, kind: Secret, sops: {} }] }', '1:71'],
  ])('is refused: %s', (text, place) => {
    expect(refusal(text)).toMatch(`db.yaml:${place}: encrypted by SOPS`);
  });

  test.each(['a: { sops: {} }', 'sops: x', '- sops: {}', 'sops:\n', ''])(
    'is not this: %s',
    (text) => {
      expect(refusal(text)).toBeUndefined();
    },
  );
});

test.each([
  ['db.yaml', 'sops decrypt db.yaml'],
  ['my db.json', "sops decrypt 'my db.json'"],
  ['db.enc', 'sops decrypt --input-type yaml --output-type yaml db.enc'],
  ['-', 'sops decrypt FILE'],
])('the hint for %s of SOPS is %s', (typed, hint) => {
  const manifest = readManifest('sops: {}', typed);
  expect(() => refuseSops(manifest, typed)).toThrow(expect.objectContaining({ hint }));
  expect(() => refuseSops(manifest, typed, () => 'kseal seal -f -')).toThrow(
    expect.objectContaining({ hint: `${hint} | kseal seal -f -` }),
  );
});

describe('a file of another tool', () => {
  const refusal = (text: string, path = 'db.yaml') => {
    try {
      refuseOpaque(Buffer.from(text, 'latin1'), path);
      return undefined;
    } catch (error) {
      const { message, hint } = error as { message: string; hint?: string };
      return `${message}; ${hint}`;
    }
  };

  test.each([
    ['version https://git-lfs.github.com/spec/v1\noid sha256:0\n', 'a Git LFS pointer'],
    ['version https://git-lfs.github.com/spec/v1\r\noid sha256:0\r\n', 'a Git LFS pointer'],
    ['\n version https://hawser.github.com/spec/v1\n', 'a Git LFS pointer'],
    ['\u00EF\u00BB\u00BFversion http://git-media.io/v/2\n', 'a Git LFS pointer'],
    ['/annex/objects/SHA256E-s1--0.yaml\n', 'a git-annex pointer'],
    ['\0GITCRYPT\0abc', 'encrypted by git-crypt'],
  ])('is refused: %j', (text, problem) => {
    expect(refusal(text)).toMatch(`db.yaml: ${problem}`);
  });

  test.each([
    'version: https://git-lfs.github.com/spec/v1',
    '# version https://git-lfs.github.com/spec/v1',
    'version https://example.org/spec/v1',
    '$ANSIBLE_VAULT;1.1;AES256',
    'GITCRYPT',
    '',
  ])('is not this: %j', (text) => {
    expect(refusal(text)).toBeUndefined();
  });

  test('has a command for its path as the hint', () => {
    const text = '/annex/objects/SHA256E-s1--0.yaml\n';
    expect(refusal(text, 'my db.yml')).toMatch(/; run git annex get 'my db\.yml',/);
    expect(refusal(text, 'stdin')).toMatch(/; run git annex get FILE,/);
  });
});
