import fc from 'fast-check';
import { expect } from 'vitest';
import { parseAllDocuments } from 'yaml';
import { type Edit, editManifest } from '../../src/manifest/edit.ts';
import { readManifest } from '../../src/manifest/read.ts';
import type { Field, SecretDocument } from '../../src/manifest/types.ts';
import { contentOf, layouts, linesOf, textOf, type Value, values } from './random-secret.ts';

interface Step {
  readonly kind: 'set' | 'remove';
  readonly field: Field;
  readonly key: string;
  readonly text: string;
}

const text = fc.oneof(
  fc.string({ unit: 'grapheme' }),
  fc.constantFrom('', 'true', '0123', 'a\n', 'eyJ.a-b.c', '\u05b7\u05b7', "it's"),
);

/** Random edits of the values `all` and of two new keys. */
function stepsOn(all: readonly Value[]): fc.Arbitrary<Step[]> {
  const added = [
    { field: 'data', key: 'new1' } as const,
    { field: 'stringData', key: 'new2' } as const,
  ];
  const step = fc.record({
    kind: fc.constantFrom('set' as const, 'remove' as const),
    target: fc.constantFrom(...all, ...added),
    text,
  });
  const steps = step.map(({ kind, target: { field, key }, text }) => ({ kind, field, key, text }));
  return fc.array(steps, { maxLength: 6 });
}

const cases = fc
  .tuple(values, layouts)
  .chain(([all, layout]) => fc.tuple(fc.constant(all), fc.constant(layout), stepsOn(all)));

function editsOf(steps: readonly Step[], secret: SecretDocument): Edit[] {
  return steps.map(({ kind, field, key, text }) =>
    kind === 'remove'
      ? { kind, secret, field, key }
      : { kind, secret, field, key, bytes: Buffer.from(text) },
  );
}

/** The Secret in `source` as plain data, read by the package yaml alone. */
function plainSecret(source: string) {
  const objects = parseAllDocuments(source.replace('\uFEFF', '')).map((document) =>
    document.toJS(),
  );
  const all = objects.flatMap((object) => (object?.kind === 'List' ? object.items : [object]));
  const { data, stringData, ...rest } = all.find((object) => object?.kind === 'Secret');
  const decoded = Object.entries<string>(data ?? {}).map(
    ([key, value]) => `data ${key} ${Buffer.from(value, 'base64')}`,
  );
  const texts = Object.entries(stringData ?? {}).map(
    ([key, value]) => `stringData ${key} ${value}`,
  );
  return { values: [...decoded, ...texts].sort(), rest };
}

/** The edit changes exactly the values in the edits. */
export const changesOnlyEdited = fc.property(cases, ([all, layout, steps]) => {
  const source = textOf(linesOf(all, layout), layout);
  const manifest = readManifest(source, 'db.yaml');
  const [secret] = manifest.secrets;
  if (secret === undefined) throw new Error('no Secret');
  expect(manifest.problems).toEqual([]);

  const expected = new Map(
    all.map((value) => [value.key, `${value.field} ${value.key} ${contentOf(value, layout)}`]),
  );
  expect(plainSecret(source).values).toEqual([...expected.values()].sort());
  for (const { kind, field, key, text } of steps) {
    if (kind === 'remove') expected.delete(key);
    else expected.set(key, `${field} ${key} ${text}`);
  }
  const edited = plainSecret(editManifest(manifest, editsOf(steps, secret)));
  expect(edited.values).toEqual([...expected.values()].sort());
  expect(edited.rest).toEqual(plainSecret(source).rest);
});

/** The lines of all other values, the byte order mark and the line ends stay. */
export const keepsOtherLines = fc.property(cases, ([all, layout, steps]) => {
  const lines = linesOf(all, layout);
  const manifest = readManifest(textOf(lines, layout), 'db.yaml');
  const [secret] = manifest.secrets;
  if (secret === undefined) throw new Error('no Secret');
  const edited = editManifest(manifest, editsOf(steps, secret));

  const touched = new Set(['', ...steps.map(({ key }) => key)]);
  const staying = lines.filter(({ key }) => key === undefined || !touched.has(key));
  const left = edited.slice(layout.mark.length).split(layout.eol);
  for (const { text } of staying) {
    const at = left.indexOf(text);
    expect(at, text).toBeGreaterThanOrEqual(0);
    left.splice(0, at + 1);
  }
  expect(edited.startsWith('\uFEFF')).toBe(layout.mark !== '');
  expect(/(^|[^\r])\n/.test(edited)).toBe(layout.eol === '\n' && edited.includes('\n'));
});
