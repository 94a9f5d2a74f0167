import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Edit, editManifest } from '../../src/manifest/edit.ts';
import { newManifest } from '../../src/manifest/new-manifest.ts';
import { readManifest } from '../../src/manifest/read.ts';
import type { Manifest } from '../../src/manifest/types.ts';

const bare = {
  name: 'db',
  namespace: undefined,
  type: undefined,
  labels: new Map<string, string>(),
  annotations: new Map<string, string>(),
  json: false,
};
const full = {
  ...bare,
  namespace: 'hr',
  type: 'kubernetes.io/basic-auth',
  labels: new Map([
    ['app', 'db'],
    ['on', 'true'],
  ]),
  annotations: new Map([['example.org/note', 'a: "b"\n']]),
};

function edited(manifest: Manifest, values: readonly Value[]): string {
  const [secret] = manifest.secrets;
  if (secret === undefined) throw new Error('no Secret');
  return editManifest(
    manifest,
    values.map((value): Edit => ({ kind: 'set', secret, ...value })),
  );
}

type Value = Pick<Extract<Edit, { kind: 'set' }>, 'field' | 'key' | 'bytes'>;

function withValue(manifest: Manifest): string {
  return edited(manifest, [{ field: 'data', key: 'password', bytes: Buffer.from('abc') }]);
}

const keys = ['password', 'tls.key', 'true', '1e3', '.hidden', '-', '__proto__', 'null'];
const values: fc.Arbitrary<readonly Value[]> = fc
  .record({
    field: fc.constantFrom('data' as const, 'stringData' as const),
    entries: fc.uniqueArray(
      fc.record({ key: fc.constantFrom(...keys), text: fc.string({ unit: 'grapheme' }) }),
      { selector: ({ key }) => key },
    ),
  })
  .map(({ field, entries }) =>
    entries.map(({ key, text }) => ({ field, key, bytes: Buffer.from(text) })),
  );

describe('newManifest', () => {
  it('writes only the given members', () => {
    expect(newManifest(bare).source).toBe('apiVersion: v1\nkind: Secret\nmetadata:\n  name: db\n');
  });

  it('quotes scalars that some YAML reader would not read as strings', () => {
    expect(withValue(newManifest({ ...full, name: '0123' }))).toBe(`apiVersion: v1
kind: Secret
metadata:
  name: "0123"
  namespace: hr
  labels:
    app: db
    "on": "true"
  annotations:
    example.org/note: "a: \\"b\\"\\n"
type: kubernetes.io/basic-auth
data:
  password: YWJj
`);
  });

  it('writes JSON, indented by two spaces', () => {
    const text = withValue(newManifest({ ...full, json: true }));
    expect(text).toBe(`${JSON.stringify(JSON.parse(text), null, 2)}\n`);
    expect(JSON.parse(text)).toEqual({
      apiVersion: 'v1',
      kind: 'Secret',
      metadata: {
        name: 'db',
        namespace: 'hr',
        labels: { app: 'db', on: 'true' },
        annotations: { 'example.org/note': 'a: "b"\n' },
      },
      type: 'kubernetes.io/basic-auth',
      data: { password: 'YWJj' },
    });
  });

  it('is read as it says, although a Secret with only names is not parsed', () => {
    for (const json of [true, false])
      for (const names of [{ ...bare }, { ...bare, namespace: 'hr', name: '0123' }]) {
        const { fresh, ...manifest } = newManifest({ ...names, json });
        expect(fresh).toEqual({ ...names, json });
        expect(manifest).toEqual(readManifest(manifest.source, ''));
      }
  });

  it('prints values exactly as an edit of the parsed text adds them', () => {
    const secrets = fc.record({
      ...{ type: fc.constant(undefined), labels: fc.constant(bare.labels) },
      ...{ annotations: fc.constant(bare.annotations), json: fc.boolean() },
      name: fc.constantFrom('db', '0123', 'true', 'a.b'),
      namespace: fc.constantFrom(undefined, 'hr', '1e3'),
    });
    fc.assert(
      fc.property(secrets, values, (secret, changes) => {
        const manifest = newManifest(secret);
        const parsed = readManifest(manifest.source, '');
        expect(edited(manifest, changes)).toBe(edited(parsed, changes));
      }),
    );
  });
});
