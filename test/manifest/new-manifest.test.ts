import { describe, expect, it } from 'vitest';
import { editManifest, newManifest } from '../../src/manifest/edit.ts';
import { readManifest } from '../../src/manifest/read.ts';

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

function withValue(text: string): string {
  const manifest = readManifest(text, 'db.yaml');
  const [secret] = manifest.secrets;
  if (secret === undefined) throw new Error('no Secret');
  return editManifest(manifest, [
    { kind: 'set', secret, field: 'data', key: 'password', bytes: Buffer.from('abc') },
  ]);
}

describe('newManifest', () => {
  it('writes only the given members', () => {
    expect(newManifest(bare)).toBe('apiVersion: v1\nkind: Secret\nmetadata:\n  name: db\n');
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
});
