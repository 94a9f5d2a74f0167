import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { type Edit, editManifest } from '../../src/manifest/edit.ts';
import { readManifest } from '../../src/manifest/read.ts';
import type { Manifest } from '../../src/manifest/types.ts';

const folder = new URL('../../fixtures/manifests', import.meta.url).pathname;

/** An edit in edits.json, with the index of the Secret, and the bytes as text or base64. */
type WrittenEdit = Omit<Edit, 'secret'> & { secret: number; text?: string; base64?: string };

function editsOf(manifest: Manifest, written: readonly WrittenEdit[]): Edit[] {
  return written.map(({ secret, text, base64, ...rest }) => {
    const bytes = Buffer.from(text ?? base64 ?? '', text === undefined ? 'base64' : 'utf8');
    return { ...rest, bytes, secret: manifest.secrets[secret] } as Edit;
  });
}

describe.each(readdirSync(folder))('fixtures/manifests/%s', (name) => {
  const files = readdirSync(join(folder, name));
  const read = (start: string) => {
    const file = files.find((candidate) => candidate.startsWith(start)) ?? start;
    return readFileSync(join(folder, name, file), 'utf8');
  };
  const manifest = readManifest(read('in.'), name);

  it('is read without problems', () => {
    expect(manifest.problems).toEqual([]);
  });

  it('is edited byte for byte', () => {
    expect(editManifest(manifest, editsOf(manifest, JSON.parse(read('edits.'))))).toBe(
      read('out.'),
    );
  });

  it('stays the same without edits', () => {
    expect(editManifest(manifest, [])).toBe(manifest.source);
  });
});
