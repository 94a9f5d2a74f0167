import fc from 'fast-check';
import { expect, test } from 'vitest';
import { parse } from 'yaml';
import { printYaml } from '../../src/yaml/print.ts';

/** Plain scalars that are not strings to some YAML reader. */
const traps = ['yes', 'No', 'on', 'y', 'null', '~', '', '0123', '0o17', '1e3', '1_000', '12:30'];
const text = fc.oneof(
  fc.string({ unit: 'grapheme' }),
  fc.constantFrom(...traps, '-', '# a', 'a: b', 'a\nb\n'),
);

test('strings are the same to readers of YAML 1.1 and 1.2', () => {
  fc.assert(
    fc.property(fc.dictionary(text, text, { noNullPrototype: true }), (texts) => {
      const printed = printYaml(texts);
      for (const version of ['1.1', '1.2'] as const)
        expect(parse(printed, { version })).toEqual(texts);
    }),
  );
});

test('long lines are not folded, shared objects are written out, and the comment comes first', () => {
  const shared = { a: 'b c '.repeat(60).trim() };
  const printed = printYaml({ one: shared, two: shared }, 'Why.\n\nIndeed: really');
  expect(printed).toBe(
    `# Why.\n# \n# Indeed: really\n\none:\n  a: ${shared.a}\ntwo:\n  a: ${shared.a}\n`.replace(
      '# \n',
      '#\n',
    ),
  );
});

test('a comment cannot be ended by its text', () => {
  expect(printYaml({ a: 'b' }, 'one\rtwo\u0085\u2028three\nfour')).toBe(
    '# one\\u{d}two\\u{85}\\u{2028}three\n# four\n\na: b\n',
  );
});
