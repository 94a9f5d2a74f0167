import { describe, expect, it } from 'vitest';
import { checkEdited, type Edit, editManifest, statesAfter } from '../../src/manifest/edit.ts';
import { readManifest } from '../../src/manifest/read.ts';
import { applySplices } from '../../src/manifest/splice.ts';
import type { Manifest, SecretDocument } from '../../src/manifest/types.ts';

const source = `apiVersion: v1
kind: Secret
metadata:
  name: db
stringData:
  a: x # c
`;

function read(text: string): { manifest: Manifest; secret: SecretDocument } {
  const manifest = readManifest(text, 'db.yaml');
  const [secret] = manifest.secrets;
  if (secret === undefined) throw new Error('no Secret');
  return { manifest, secret };
}

function set(secret: SecretDocument, key: string, text: string | Uint8Array): Edit {
  return { kind: 'set', secret, field: 'stringData', key, bytes: Buffer.from(text) };
}

describe('editManifest', () => {
  it('returns the source if nothing changes', () => {
    const { manifest, secret } = read(source);
    expect(editManifest(manifest, [])).toBe(source);
    expect(editManifest(manifest, [set(secret, 'a', 'x')])).toBe(source);
    expect(
      editManifest(manifest, [
        set(secret, 'b', 'y'),
        { ...set(secret, 'b', ''), kind: 'remove' } as Edit,
      ]),
    ).toBe(source);
  });

  it('keeps unchanged base64 that is on several lines', () => {
    const text = 'apiVersion: v1\nkind: Secret\ndata:\n  a: |\n    QU\n    JD\n';
    const { manifest, secret } = read(text);
    expect(
      editManifest(manifest, [
        { kind: 'set', secret, field: 'data', key: 'a', bytes: Buffer.from('ABC') },
      ]),
    ).toBe(text);
  });

  it('applies edits in order', () => {
    const { manifest, secret } = read(source);
    const edited = editManifest(manifest, [set(secret, 'a', 'y'), set(secret, 'a', 'z')]);
    expect(edited).toBe(source.replace('a: x', 'a: z'));
  });

  it('throws an Error for a value under stringData that is not UTF-8', () => {
    const { manifest, secret } = read(source);
    const edit = set(secret, 'a', Uint8Array.of(0xff));
    expect(() => editManifest(manifest, [edit])).toThrow('not UTF-8');
  });

  it('moves a value to another field', () => {
    const { manifest, secret } = read(source);
    const bytes = Uint8Array.of(0xff);
    const edited = editManifest(manifest, [
      { kind: 'remove', secret, field: 'stringData', key: 'a' },
      { kind: 'set', secret, field: 'data', key: 'a', bytes },
    ]);
    expect(edited).toBe(source.replace(/stringData:.*/s, 'stringData: {}\ndata:\n  a: /w==\n'));
  });

  it('keeps a byte order mark at the beginning of a value', () => {
    const { manifest, secret } = read(source);
    const edited = editManifest(manifest, [set(secret, 'a', '\uFEFFx')]);
    expect(edited).toBe(source.replace('a: x', 'a: "\\ufeffx"'));
  });

  it('throws an Error for a manifest with problems and for a Secret of another manifest', () => {
    const { secret } = read(source);
    const invalid = read(`${source}data: {b: 1}\n`).manifest;
    expect(() => editManifest(invalid, [set(secret, 'a', 'y')])).toThrow('with problems');
    const other = read(source).manifest;
    expect(() => editManifest(other, [set(secret, 'a', 'y')])).toThrow('not in the manifest');
  });

  it('throws an Error if stringData is renamed next to data', () => {
    const { manifest, secret } = read(`${source}data: {}\n`);
    expect(() => editManifest(manifest, [{ kind: 'rename-field', secret }])).toThrow('second data');
  });

  it('throws an Error if a data key would be in both fields', () => {
    const { manifest, secret } = read(source);
    const edit = { ...set(secret, 'a', 'y'), field: 'data' } as Edit;
    expect(() => editManifest(manifest, [edit])).toThrow('not as intended');
  });
});

describe('checkEdited', () => {
  const { manifest, secret } = read(`${source}---\nkind: Other\nlist: [1, &x 2, *x]\n`);
  const check = (text: string) =>
    checkEdited(manifest, statesAfter(manifest, [set(secret, 'a', 'new')]), text);
  const edited = manifest.source.replace('a: x', 'a: new');

  it('passes the intended text', () => {
    expect(() => check(edited)).not.toThrow();
  });

  it.each([
    ['the old value', manifest.source],
    ['another value', manifest.source.replace('a: x', 'a: z')],
    ['an extra value', edited.replace('a: new', 'a: new\n  b: new')],
    ['a missing value', edited.replace('a: new', '{}')],
    ['another name', edited.replace('name: db', 'name: dc')],
    ['another annotation', edited.replace('name: db', 'name: db\n  annotations: {a: b}')],
    ['an extra field', edited.replace('kind: Secret', 'kind: Secret\ntype: a')],
    ['a change in another document', edited.replace('[1', '[2')],
    ['a missing alias', edited.replace('*x', '2')],
    ['another anchor', edited.replace('&x', '&y').replace('*x', '*y')],
    ['a tag', edited.replace('[1', '[!!str 1')],
    ['a longer list', edited.replace('[1', '[0, 1')],
    ['quotes that turn a number into a string', edited.replace('[1', '["1"')],
    ['an extra document', `${edited}---\n`],
    ['a missing Secret', edited.replace('kind: Secret', 'kind: Sealed')],
    ['text that cannot be parsed', `${edited}@`],
  ])('throws for %s', (_, text) => {
    expect(text === edited).toBe(false);
    expect(() => check(text)).toThrow('not as intended');
  });
});

describe('applySplices', () => {
  it('applies splices in any order, insertions first', () => {
    expect(
      applySplices('abcdef', [
        { start: 4, end: 6, text: 'Z' },
        { start: 0, end: 2, text: '' },
        { start: 2, end: 2, text: 'X' },
        { start: 0, end: 0, text: 'W' },
      ]),
    ).toBe('WXcdZ');
  });

  it('allows only removals to overlap', () => {
    expect(
      applySplices('abcdef', [
        { start: 0, end: 3, text: '' },
        { start: 2, end: 5, text: '' },
      ]),
    ).toBe('f');
    const overlap = [
      { start: 0, end: 3, text: '' },
      { start: 2, end: 5, text: 'x' },
    ];
    expect(() => applySplices('abcdef', overlap)).toThrow('overlap');
  });
});
