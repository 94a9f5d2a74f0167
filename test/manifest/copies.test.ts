import { deflateRawSync, gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { copiesIn, keepsCopy, plaintextAnnotations } from '../../src/manifest/copies.ts';
import type { Edit } from '../../src/manifest/edit.ts';
import { readManifest } from '../../src/manifest/read.ts';
import { contentOf, layouts, linesOf, textOf, values } from './random-secret.ts';

const kubectl = 'kubectl.kubernetes.io/last-applied-configuration';
const jwe = `${Buffer.from('{"alg":"RSA-OAEP-256"}').toString('base64url')}.a.b.c.d`;
const base64 = (text: string | Uint8Array) => Buffer.from(text).toString('base64');
const gzip = (text: string) => base64(gzipSync(text));

/** A zip archive with one member whose length is given after it, as archive/zip of Go writes it. */
function zip(text: string): string {
  const header = Buffer.alloc(30);
  header.write('PK\x03\x04', 'latin1');
  header.writeUInt16LE(8, 8);
  header.writeUInt16LE(8, 26);
  return base64(Buffer.concat([header, Buffer.from('original'), deflateRawSync(text), header]));
}

/** Returns the names of the annotations with plaintext. */
function found(annotations: Record<string, string>): readonly string[] {
  const source = JSON.stringify({ apiVersion: 'v1', kind: 'Secret', metadata: { annotations } });
  return readManifest(source, 'db.json').secrets.flatMap((secret) =>
    plaintextAnnotations(secret).map(({ name }) => name),
  );
}

const plain = '{"apiVersion":"v1","kind":"Secret","data":{"a":"cGxhaW4="}}';
const sealedCopy = JSON.stringify({ data: { a: base64(jwe) }, stringData: { b: jwe } });

describe('plaintextAnnotations', () => {
  it.each([
    ['plaintext under data', '{"data":{"a":"cGxhaW4="}}'],
    ['plaintext under stringData', '{"stringData":{"a":"plain"}}'],
    ['plaintext next to a sealed value', JSON.stringify({ data: { a: base64(jwe), b: 'eA==' } })],
    ['a field in the wrong case', '{"stringdata":{"a":"plain"}}'],
    ['a value that is not a string', '{"data":{"a":1}}'],
    ['a field that is not a mapping', '{"data":"plain"}'],
    ['text that is not JSON', 'plain'],
    ['JSON that is not an object', '["plain"]'],
    ['gzip', gzip(plain)],
    ['gzip without padding', gzip(plain).replace(/=+$/, '')],
    ['gzip that is damaged', gzip(plain).slice(0, 40)],
    ['gzip that expands without limit', gzip(' '.repeat(5 << 20))],
    ['zip', zip(plain)],
    ['zip that is cut off', zip(plain).slice(0, 24)],
  ])('returns a copy with %s', (_, text) => {
    expect(found({ [kubectl]: text })).toEqual([kubectl]);
  });

  it.each([
    ['only sealed values', sealedCopy],
    ['only sealed values, in gzip', gzip(sealedCopy)],
    ['only sealed values, in zip', zip(sealedCopy)],
    ['no values', '{"data":{},"metadata":{"name":"db"}}'],
    ['null instead of values', '{"data":null}'],
    ['the word of KubeVela for no copy', 'skip'],
  ])('ignores a copy with %s', (_, text) => {
    expect(found({ [kubectl]: text })).toEqual([]);
  });

  it.each([
    'kubectl.kubernetes.io/last-applied-configuration',
    'kubecfg.ksonnet.io/last-applied-configuration',
    'app.oam.dev/last-applied-configuration',
    'banzaicloud.com/last-applied',
    'kustomization.kubestack.com/last-applied-config-gzip',
    'kopf.zalando.org/last-handled-configuration',
    'operator.example.com/last-handled-configuration',
    'kapp.k14s.io/original',
    'kapp.k14s.io/original-diff',
    'kapp.k14s.io/original-diff-full',
    'objectset.rio.cattle.io/applied',
    'configmanagement.gke.io/declared-config',
    'openshift.io/token-secret.value',
  ])('returns %s, even if it cannot be read', (name) => {
    expect(keepsCopy(name)).toBe(true);
    expect(found({ [name]: 'CANARY' })).toEqual([name]);
  });

  it.each([
    ['a Secret in JSON', plain],
    ['a Secret in YAML', 'apiVersion: v1\nkind: Secret\nstringData:\n  a: plain\n'],
    ['a Secret in a List', `{"apiVersion":"v1","kind":"List","items":[${plain}]}`],
    ['a Secret in base64', base64(plain)],
    ['a Secret in gzip', gzip(plain)],
    ['a Secret that cannot be sealed', 'apiVersion: v1\nkind: Secret\nstringdata:\n  a: plain\n'],
  ])('returns any annotation with %s', (_, text) => {
    expect(keepsCopy('example.com/backup')).toBe(false);
    expect(found({ 'example.com/backup': text })).toEqual(['example.com/backup']);
  });

  it.each([
    ['a sealed Secret', JSON.stringify({ ...JSON.parse(plain), data: { a: base64(jwe) } })],
    ['another object', '{"kind":"ConfigMap","data":{"a":"Secret"}}'],
    ['a word', 'the Secret of hr'],
    ['a checksum', '0123456789abcdef0123456789abcdef'],
    ['a template', 'kind: Secret\ndata: {{ .Values.data }}'],
  ])('ignores an annotation with %s', (_, text) => {
    expect(found({ 'example.com/note': text, 'kapp.k14s.io/original-diff-md5': text })).toEqual([]);
  });
});

/** Returns the copies of the values of all Secrets, as `LINE KEY where`. */
function copies(source: string): readonly string[] {
  const manifest = readManifest(source, 'db.yaml');
  expect(manifest.problems).toEqual([]);
  const plaintexts = manifest.secrets.flatMap((secret) =>
    secret.entries.map((entry) => ({ ...entry, secret })),
  );
  const edits = plaintexts.map((entry): Edit => {
    return { ...entry, kind: 'set', bytes: new Uint8Array() };
  });
  return copiesIn(manifest, edits, plaintexts).map(
    ({ location: { position, key }, where }) => `${position.line} ${key} ${where}`,
  );
}

const head = 'apiVersion: v1\nkind: Secret\nmetadata: { name: db, namespace: hr }\n';
const PASSWORD = `CANARY-it's "p&ss"/1`;
const quoted = JSON.stringify(PASSWORD);
const secret = `${head}stringData:\n  password: ${quoted}\n`;

describe('copiesIn', () => {
  it.each([
    ['itself', PASSWORD],
    ['base64', base64(PASSWORD)],
    ['base64 without padding', base64(PASSWORD).replace(/=+$/, '')],
    ['base64url', Buffer.from(PASSWORD).toString('base64url')],
    ['base64 with a newline', base64(`${PASSWORD}\n`)],
    ['base64 after another character', base64(`:${PASSWORD}`)],
    ['base64 after two other characters', base64(`u:${PASSWORD}@db`)],
    ['a JSON string', quoted],
    ['a JSON string as Go writes it', quoted.replace('&', '\\u0026')],
    ['single quotes of YAML', `'${PASSWORD.replaceAll("'", "''")}'`],
    ['single quotes of a shell', `'${PASSWORD.replaceAll("'", "'\\''")}'`],
    ['a part of a URL', `postgres://db:${encodeURIComponent(PASSWORD)}@db/x`],
    ['a part of a word', `my${PASSWORD}2`],
  ])('finds a value in a comment, written as %s', (_, text) => {
    expect(copies(`# ${text}\n${secret}`)).toEqual(['1 password in a comment']);
    expect(copies(`${secret}  # ${text}`)).toEqual(['6 password in a comment']);
    expect(copies(secret.replace(quoted, `${quoted} # ${text}`))).toEqual([
      '5 password in a comment',
    ]);
  });

  const json = JSON.stringify({ url: `x://${PASSWORD}@db` });
  it.each([
    ['text', PASSWORD],
    ['JSON', json],
    ['JSON in JSON', JSON.stringify({ applied: json })],
    ['JSON in base64', base64(json)],
    ['base64 in JSON in gzip', gzip(JSON.stringify({ data: { a: base64(PASSWORD) } }))],
    ['JSON in zip', zip(json)],
    ['gzip in JSON', JSON.stringify({ blob: gzip(json) })],
  ])('finds a value in an annotation, in %s', (_, text) => {
    for (const written of [
      JSON.stringify(text),
      `'${text.replaceAll("'", "''")}'`,
      `|\n      ${text}`,
    ]) {
      const annotated = `apiVersion: v1\nkind: Secret\nmetadata:\n  annotations:\n    x/y: ${written}\n`;
      const lines = copies(`${annotated}stringData: { password: ${quoted} }\n`);
      expect(lines).toEqual([expect.stringMatching(/^[56] password in annotation x\/y$/)]);
    }
  });

  const other = (rest: string) => `---\napiVersion: v1\nkind: ConfigMap\n${rest}\n`;
  it.each([
    ['an annotation', 'metadata: { annotations: { a: CANARY-1 } }', 'in annotation a'],
    ['a label', 'metadata: { labels: { a: CANARY-1 } }', 'in label a'],
    ['a value', 'data: { a: CANARY-1 }', 'in another document'],
    ['a value of the data key kind', 'data: { kind: CANARY-1 }', 'in another document'],
    ['a text', 'data:\n  a: |\n\n    password=CANARY-1', 'in another document'],
    ['a folded text', 'data:\n  a: "x CAN\\\n    ARY-1"', 'in another document'],
    ['the comment of a block scalar', 'data:\n  a: | # CANARY-1\n    x', 'in a comment'],
  ])('finds a value in %s of another document', (_, rest, where) => {
    const [copy] = copies(`${head}stringData: { p: CANARY-1 }\n${other(rest)}`);
    expect(copy).toMatch(new RegExp(`^\\d+ p ${where}$`));
  });

  it('finds a value in another object of a List, and in another field', () => {
    const items = `- {kind: ConfigMap, data: {a: CANARY-1}}\n- {apiVersion: v1, kind: Secret, type: x-CANARY-1, data: {p: ${base64('CANARY-1')}}}\n`;
    expect(copies(`apiVersion: v1\nkind: List\nitems:\n${items}`)).toEqual([
      '4 p in another object',
      '5 p in field type',
    ]);
  });

  it('finds the lines of a value of several lines, and reports adjacent ones once', () => {
    const key = Buffer.alloc(96, 'CANARY').toString('base64').match(/.{64}/g)?.join('\n') ?? '';
    const pem = `-----BEGIN PRIVATE KEY-----\n${key}\n-----END PRIVATE KEY-----\n`;
    const value = pem.replace(/^/gm, '    ').trimEnd();
    const comment = pem.trim().replace(/^/gm, '# ');
    expect(copies(`${comment}\n${head}stringData:\n  tls.key: |\n${value}\n`)).toEqual([
      '2 tls.key in a comment',
    ]);
  });

  it.each([
    ['names of objects', other('metadata: { name: CANARY-1, namespace: CANARY-1 }')],
    ['fields', other('data: { CANARY-1: x }')],
    ['a shorter text', '# CANARY-'],
    ['an empty text', ''],
  ])('does not find a value in %s', (_, rest) => {
    expect(copies(`${head}stringData: { p: CANARY-1 }\n${rest}`)).toEqual([]);
  });

  it('does not find short values, names of the Secret, and words within other words', () => {
    const fields =
      'stringData: { a: CANAR, password: password, name: db-credentials, w: CANARY }\n';
    const named = head.replace('name: db', 'name: db-credentials');
    expect(copies(`# CANAR password db-credentials CANARYx xCANARY\n${named}${fields}`)).toEqual(
      [],
    );
    expect(copies(`# CANARY_\n${head}${fields}`)).toEqual(['1 w in a comment']);
  });

  it('does not search for the names of other objects and fields', () => {
    const named = other('metadata: { name: CANARY-1 }\ndata: { a: CANARY-1, b: CANARY-2 }');
    const fields = 'stringData: { p: CANARY-1, CANARY-2: x, q: CANARY-2 }\n';
    expect(copies(`# CANARY-1 CANARY-2\n${head}${fields}${named}`)).toEqual([]);
  });

  it('reports every line with a value of one line, and each of them once', () => {
    const comments = '# CANARY-1 CANARY-1\n# CANARY-1\n';
    expect(copies(`${comments}${head}stringData: { p: CANARY-1 }\n`)).toEqual([
      '1 p in a comment',
      '2 p in a comment',
    ]);
  });

  it('ends the search for a value in text that repeats itself', () => {
    const fields = Array.from({ length: 200 }, (_, n) => `k${n}: ${'A'.repeat(300)}${n}`).join();
    const text = 'A'.repeat(200_000);
    const lines = copies(`${head}stringData: { ${fields} }\n---\nkind: Other\nspec: ${text}\n`);
    expect(lines).toHaveLength(200);
  });

  it('does not find public certificates', () => {
    const certificate = `-----BEGIN CERTIFICATE-----\n${base64('CANARY'.repeat(8))}\n-----END CERTIFICATE-----\n`;
    const value = JSON.stringify(certificate);
    const bundle = other(`caBundle: ${base64(certificate)}`);
    expect(copies(`${head}stringData: { ca.crt: ${value} }\n${bundle}`)).toEqual([]);
  });

  it('reads JSON that is nested without limit', () => {
    const nested = `${'['.repeat(50_000)}"CANARY\\u002d1"${']'.repeat(50_000)}`;
    const source = `${head}stringData: { p: CANARY-1 }\n---\nkind: Other\nspec: '${nested}'\n`;
    expect(copies(source)).toEqual(['7 p in another document']);
  });

  it('lists at most ten copies of a value', () => {
    const list = copies(`${head}stringData: { p: CANARY-1 }\n${'# CANARY-1\n\n'.repeat(12)}`);
    expect(list).toHaveLength(10);
    expect(list.at(-1)).toBe('23 p in a comment, and in 2 more places');
  });

  it('finds no value of a random Secret before one is planted, and each afterwards', () => {
    const forms: readonly ((text: string) => string)[] = [
      (text) => text,
      base64,
      (text) => JSON.stringify({ a: [text] }),
      gzip,
      (text) => base64(JSON.stringify({ a: text })),
    ];
    const inComment = (text: string) => `\n# ${text.replaceAll('\n', '\n# ')}\n`;
    const inMetadata = (field: string) => (text: string) =>
      `\n---\nkind: Other\nmetadata: { ${field}: { a: ${JSON.stringify(text)} } }\n`;
    const places = [
      inComment,
      inMetadata('annotations'),
      inMetadata('labels'),
      inMetadata('other'),
    ];
    fc.assert(
      fc.property(
        values,
        layouts,
        fc.nat(),
        fc.constantFrom(...forms),
        fc.constantFrom(...places),
        (all, layout, pick, form, place) => {
          const secretValues = all.map((value, n) => ({
            ...value,
            text: `CANARY-value-${n}-${value.text}`,
          }));
          const source = textOf(linesOf(secretValues, layout), layout);
          expect(copies(source)).toEqual([]);
          const value = secretValues[pick % secretValues.length];
          // Comments are not decoded.
          if (value === undefined || (place === inComment && forms.indexOf(form) > 1)) return;
          const planted = source + place(form(contentOf(value, layout).trim()));
          expect(copies(planted).map((copy) => copy.split(' ')[1])).toContain(value.key);
        },
      ),
    );
  });
});
