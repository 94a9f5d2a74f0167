import fc from 'fast-check';
import { expect } from 'vitest';
import { composeYaml } from '../../src/yaml/compose.ts';
import { parseYaml, scanBlocks } from '../../src/yaml/parse.ts';

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

/** Scalars on one line, each with what may follow it. */
const scalar = fc
  .tuple(
    fc.constantFrom('v', '0123', '~x', 'x y', 'a:b', "it's", 'a#b', '<a,b>', 'é', 'ZXlK+/=='),
    fc.constantFrom('', '"', "'"),
    fc.constantFrom('', '', ' ', ' # c', '  # "c": d'),
  )
  .map(([text, quote, end]) => `${quote}${text.replaceAll(quote || ' ', ' ')}${quote}${end}\n`);

const key = fc.constantFrom('a', 'kind', 'stringData', '.x', 'a.b/c-d', '_', '0', 'null');
const noise = fc.constantFrom('', '', '', '\n', '  \n', '# c\n', '    # c: d\n');
const width = fc.integer({ min: 1, max: 4 });

type Lines = (indent: number) => string;

/** Block collections of scalars: functions from an indentation to lines. */
const { map, seq } = fc.letrec<{ map: Lines; seq: Lines; entry: Lines; item: Lines }>((tie) => ({
  map: fc
    .uniqueArray(fc.tuple(key, tie('entry')), {
      minLength: 1,
      maxLength: 4,
      selector: (it) => it[0],
    })
    .map(
      (all) => (indent) =>
        all.map(([name, entry]) => `${' '.repeat(indent)}${name}:${entry(indent)}`).join(''),
    ),
  seq: fc
    .array(tie('item'), { minLength: 1, maxLength: 3 })
    .map((items) => (indent) => items.map((item) => item(indent)).join('')),
  entry: fc.oneof(
    { depthSize: 'small' },
    fc.tuple(width, scalar, noise).map(([space, text, after]) => () => {
      return ' '.repeat(space) + text + after;
    }),
    fc.tuple(noise, width, tie('map')).map(([before, deeper, inner]) => (indent: number) => {
      return `\n${before}${inner(indent + deeper)}`;
    }),
    fc.tuple(noise, width, tie('seq')).map(([before, deeper, inner]) => (indent: number) => {
      return ` # c\n${before}${inner(indent + deeper - 1)}`;
    }),
  ),
  item: fc.oneof(
    fc.tuple(width, scalar, noise).map(([space, text, after]) => (indent: number) => {
      return `${' '.repeat(indent)}-${' '.repeat(space)}${text}${after}`;
    }),
    fc.tuple(width, tie('map')).map(([space, inner]) => (indent: number) => {
      const lines = inner(indent + 1 + space);
      return `${' '.repeat(indent)}-${' '.repeat(space)}${lines.trimStart()}`;
    }),
  ),
}));

/** Texts of documents that are plain enough for `scanBlocks`. */
const plainText = fc
  .tuple(noise, fc.array(fc.oneof(map, seq), { minLength: 1, maxLength: 3 }), fc.boolean())
  .map(([before, documents, isCut]) => {
    const text = before + documents.map((lines) => lines(0)).join('---\n');
    return isCut ? text.trimEnd() : text;
  });

const oddPiece = fc.oneof(
  piece.filter((text) => text.length < 5 && !/[^\t\r\n -~]/.test(text)),
  fc.constantFrom(
    ' ',
    '  ',
    '\n  ',
    '\n- ',
    'b: ',
    ':\n',
    '\u00A0',
    '{}',
    '&a ',
    '!t ',
    '|\n',
    '...',
  ),
);

/** Such texts after some edits, which put anything anywhere or remove something. */
const oddText = fc
  .tuple(
    plainText,
    fc.array(fc.tuple(fc.nat(), fc.nat(6), oddPiece), { minLength: 1, maxLength: 3 }),
  )
  .map(([text, edits]) =>
    edits.reduce((before, [at, length, inserted]) => {
      const start = at % (before.length + 1);
      return before.slice(0, start) + inserted + before.slice(start + length);
    }, text),
  );

/** Whether the scanner returns nodes for a text, which must be those of the package. */
export function isScanned(text: string): boolean {
  const roots = scanBlocks(text);
  if (roots !== undefined) expect(composeYaml(text)).toStrictEqual({ roots, errors: [] });
  return roots !== undefined;
}

/** The scanner accepts plain texts. */
export const scansPlainText = fc.property(plainText, (text) => {
  expect(isScanned(text)).toBe(true);
});

/** The scanner leaves other texts to the package, or returns the same nodes. */
export const scansOddText = fc.property(oddText, (text) => {
  isScanned(text);
});
