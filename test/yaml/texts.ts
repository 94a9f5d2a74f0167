import fc from 'fast-check';
import { expect } from 'vitest';
import { parseYaml } from '../../src/yaml/parse.ts';

const piece = fc.oneof(
  fc.constantFrom(
    ...'\n \t:-?,[]{}#&*!|>\'"%@`\\',
    '  ',
    ': ',
    '- ',
    '---\n',
    '...\n',
    '<<: ',
    '\r\n',
  ),
  fc.string({ unit: 'binary', maxLength: 3 }),
);

/** Any text is parsed or rejected without an exception. */
export const parsesAnyText = fc.property(fc.array(piece, { maxLength: 60 }), (pieces) => {
  const source = pieces.join('');
  for (const { offset } of parseYaml(source).errors) {
    expect(offset).toBeGreaterThanOrEqual(0);
    expect(offset).toBeLessThanOrEqual(source.length + 1);
  }
});

/** Texts of about `size` characters, each of one kind. */
export const longTexts = (size: number): [kind: string, text: string][] => [
  ['a plain scalar', `a: ${'x'.repeat(size)}\n`],
  ['a double-quoted scalar', `a: "${'x'.repeat(size)}"\n`],
  ['a single-quoted scalar of quotes', `a: '${"''".repeat(size / 2)}'\n`],
  ['a block scalar', `a: |\n${'  0123456789\n'.repeat(size / 10)}`],
  ['empty lines', `a: 1\n${'\n'.repeat(size / 10)}`],
  ['comments', `a:\n${'  # c\n'.repeat(size / 10)}  b: 1\n`],
  ['many keys', Array.from({ length: size / 50 }, (_, at) => `k${at}: v\n`).join('')],
];
