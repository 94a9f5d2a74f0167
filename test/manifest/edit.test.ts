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
  it('leaves the source alone where nothing changes', () => {
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

  it('keeps base64 that stands on several lines and stays the same', () => {
    const text = 'apiVersion: v1\nkind: Secret\ndata:\n  a: |\n    QU\n    JD\n';
    const { manifest, secret } = read(text);
    expect(
      editManifest(manifest, [
        { kind: 'set', secret, field: 'data', key: 'a', bytes: Buffer.from('ABC') },
      ]),
    ).toBe(text);
  });

  it('applies edits in their order', () => {
    const { manifest, secret } = read(source);
    const edited = editManifest(manifest, [set(secret, 'a', 'y'), set(secret, 'a', 'z')]);
    expect(edited).toBe(source.replace('a: x', 'a: z'));
  });

  it('refuses bytes under stringData that are not UTF-8, and says where', () => {
    const { manifest, secret } = read(source);
    expect(() => editManifest(manifest, [set(secret, 'a', Uint8Array.of(0xff))])).toThrow(
      expect.objectContaining({
        code: 'VALUE_REFUSED',
        message:
          'db.yaml:1:1: Secret db, data key "a": binary values cannot be stored under stringData',
        hint: 'put it under data',
      }),
    );
  });

  it('keeps a byte order mark that a value begins with', () => {
    const { manifest, secret } = read(source);
    const edited = editManifest(manifest, [set(secret, 'a', '\uFEFFx')]);
    expect(edited).toBe(source.replace('a: x', 'a: "\\ufeffx"'));
  });

  it('takes it for a bug to edit a manifest with problems, or one of another Secret', () => {
    const { secret } = read(source);
    const faulty = read(`${source}data: {b: 1}\n`).manifest;
    expect(() => editManifest(faulty, [set(secret, 'a', 'y')])).toThrow('with problems');
    const other = read(source).manifest;
    expect(() => editManifest(other, [set(secret, 'a', 'y')])).toThrow('not in the manifest');
  });

  it('takes it for a bug to rename stringData beside data', () => {
    const { manifest, secret } = read(`${source}data: {}\n`);
    expect(() => editManifest(manifest, [{ kind: 'rename-field', secret }])).toThrow('second data');
  });

  it('takes it for a bug when the key would be in both fields', () => {
    const { manifest, secret } = read(source);
    const edit = { ...set(secret, 'a', 'y'), field: 'data' } as Edit;
    expect(() => editManifest(manifest, [edit])).toThrow('does not hold what was meant');
  });
});

describe('checkEdited', () => {
  const { manifest, secret } = read(`${source}---\nkind: Other\nlist: [1, &x 2, *x]\n`);
  const check = (text: string) =>
    checkEdited(manifest, statesAfter(manifest, [set(secret, 'a', 'new')]), text);
  const edited = manifest.source.replace('a: x', 'a: new');

  it('passes what was meant', () => {
    expect(() => check(edited)).not.toThrow();
  });

  it.each([
    ['the old value', manifest.source],
    ['another value', manifest.source.replace('a: x', 'a: z')],
    ['one value more', edited.replace('a: new', 'a: new\n  b: new')],
    ['one value less', edited.replace('a: new', '{}')],
    ['another name', edited.replace('name: db', 'name: dc')],
    ['another annotation', edited.replace('name: db', 'name: db\n  annotations: {a: b}')],
    ['one field more', edited.replace('kind: Secret', 'kind: Secret\ntype: a')],
    ['another document changed', edited.replace('[1', '[2')],
    ['an alias less', edited.replace('*x', '2')],
    ['quotes that turn a number into a string', edited.replace('[1', '["1"')],
    ['one document more', `${edited}---\n`],
    ['a Secret less', edited.replace('kind: Secret', 'kind: Sealed')],
    ['what cannot be parsed', `${edited}@`],
  ])('refuses %s', (_, text) => {
    expect(text === edited).toBe(false);
    expect(() => check(text)).toThrow('does not hold what was meant');
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

  it('lets removals overlap, and nothing else', () => {
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
