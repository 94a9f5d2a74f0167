import * as v from 'valibot';
import { describe, expect, test } from 'vitest';
import { fields, listOf, mapOf, oneOf, readYaml, text, words } from '../../src/config/schema.ts';
import { expectedErrors } from '../../src/errors.ts';

const box = fields({
  name: text,
  colour: v.optional(oneOf(['red', 'green'])),
  tags: v.optional(listOf(text)),
  parts: v.optional(mapOf(text, (key) => /^[a-z]+$/.test(key), 'part')),
});

const read = (source: string) => readYaml(source, 'box.yaml', () => box);

/** The messages of all errors, without the path. */
function problems(source: string): string[] {
  try {
    read(source);
    return [];
  } catch (thrown) {
    return expectedErrors(thrown).map(({ code, message, hint }) => {
      expect({ code, hint }).toEqual({ code: 'CONFIG_INVALID', hint: expect.stringMatching(/./) });
      expect(message).toMatch(/^box\.yaml:/);
      return message.slice('box.yaml:'.length);
    });
  }
}

test('reads every kind of field', () => {
  const source = 'name: "a b"\ncolour: red\ntags: [x, "y z"]\nparts:\n  lid: top\n';
  expect(read(source)).toEqual({
    name: 'a b',
    colour: 'red',
    tags: ['x', 'y z'],
    parts: new Map([['lid', 'top']]),
  });
});

test('a refused field has words of its own', () => {
  const strict = fields({ name: text }, new Map([['nick', words('no nicknames', 'omit it')]]));
  expect(() => readYaml('name: x\nnick: y\n', 'box.yaml', () => strict)).toThrow(
    'box.yaml:2:1: no nicknames',
  );
});

test('an optional field may be missing', () => {
  expect(read('name: x')).toEqual({ name: 'x' });
});

test('the properties of every object are not fields', () => {
  expect(problems('name: x\nconstructor: y\n__proto__: z\n')).toEqual([
    '2:1: unknown field "constructor"',
    '3:1: unknown field "__proto__"',
  ]);
  const any = mapOf(text, () => true, 'part');
  const parts = readYaml('constructor: x\n__proto__: y\n', 'x', () => any);
  expect([...parts]).toEqual([
    ['constructor', 'x'],
    ['__proto__', 'y'],
  ]);
});

describe('reports with line and column', () => {
  test.each([
    ['an unknown field', 'name: x\nsiez: 3\n', ['2:1: unknown field "siez"']],
    ['a missing field', 'colour: red\n', ['1:1: missing field "name"']],
    ['an unknown choice', 'name: x\ncolour: rde\n', ['2:9: unknown value "rde"']],
    ['an empty field', 'name:\n', ['1:6: must be a string on one line']],
    ['several lines', 'name: |\n  x\n  y\n', ['1:7: must be a string on one line']],
    ['a control character', 'name: "\\e[2J"\n', ['1:7: must be a string on one line']],
    ['a list for a string', 'name: [x]\n', ['1:7: must be a string on one line']],
    ['a string for a list', 'name: x\ntags: y\n', ['2:7: must be a list']],
    ['a string for a mapping', 'name: x\nparts: y\n', ['2:8: must be a mapping']],
    ['a list for the document', '- x\n', ['1:1: must be a mapping']],
    ['a bad item', 'name: x\ntags: [y, [z]]\n', ['2:11: must be a string on one line']],
    ['a forbidden name', 'name: x\nparts: { Lid: y }\n', ['2:10: "Lid" is not a valid part']],
    ['a list for a name', 'name: x\n? [a]\n: y\n', ['2:3: a field name must be a string']],
    ['a duplicate', 'name: x\nname: y\n', ['2:1: duplicate key']],
    ['bad YAML', 'name: "x\n', ['2:1: missing colon, comma, space or closing quote']],
    ['a second document', 'name: x\n---\nname: y\n', ['3:1: second YAML document']],
    [
      'all problems at once, from top to bottom',
      'colour: blue\ntags: x\nnaem: y\n',
      [
        '1:1: missing field "name"',
        '1:9: unknown value "blue"',
        '2:7: must be a list',
        '3:1: unknown field "naem"',
      ],
    ],
    ['control characters as escapes', '"a\\nb": x\nname: y\n', ['1:1: unknown field "a\\u{a}b"']],
  ])('%s', (_, source, wanted) => {
    expect(problems(source)).toEqual(wanted);
  });

  test.each([
    ['an anchor', 'name: &a x\n', '1:10: anchors'],
    ['an anchor on a mapping', 'name: x\nparts: &a\n  lid: y\n', '3:3: anchors'],
    ['an anchor on a key', '&a name: x\n', '1:4: anchors'],
    ['an alias', 'name: &a x\ntags: [*a]\n', '2:8: aliases'],
    ['an alias for a list', 'name: &a x\ntags: *a\n', '2:7: aliases'],
    ['a tag', 'name: !!str x\n', '1:13: tags'],
    ['a tag on a list', 'name: x\ntags: !!seq [y]\n', '2:13: tags'],
    ['a tag on a key', '!!str name: x\n', '1:7: tags'],
  ])('%s', (_, source, wanted) => {
    expect(problems(source)).toContain(`${wanted} are not allowed`);
  });

  test('an anchor once, whatever the schema says about the node', () => {
    expect(problems('name: &a [x]\ncolour: *a\n')).toEqual([
      '1:10: anchors are not allowed',
      '2:9: aliases are not allowed',
    ]);
  });

  test('a merge key as an unknown field', () => {
    expect(problems('name: x\n<<: { colour: red }\n')).toEqual(['2:1: unknown field "<<"']);
  });
});

test.each([
  ['an unknown field', 'name: x\ntgas: y\n', 'did you mean tags?'],
  ['a choice', 'name: x\ncolour: gren\n', 'did you mean green?'],
  ['nothing similar', 'name: x\nweight: 3\n', 'use one of name, colour, tags, parts'],
])('suggests a name for %s', (_, source, hint) => {
  expect(() => read(source)).toThrow(expect.objectContaining({ hint }));
});

test('has a hint for a choice without candidates', () => {
  const error = { message: 'x:1:1: unknown key "y"', hint: 'omit it, or configure it first' };
  expect(() => readYaml('y', 'x', () => oneOf([], 'key'))).toThrow(expect.objectContaining(error));
});

test.each(['', '\n', '# only a comment\n', '\uFEFF'])('%j is empty', (source) => {
  expect(problems(source)).toEqual([' is empty']);
});

test('columns do not count a byte order mark, and CRLF is one line break', () => {
  expect(problems('\uFEFFnaem: x\r\nname: y\r\nsiez: 1\r\n')).toEqual([
    '1:1: unknown field "naem"',
    '3:1: unknown field "siez"',
  ]);
});

test('stops at twenty errors', () => {
  const source = `name: x\n${Array.from({ length: 1000 }, (_, i) => `f${i}: y\n`).join('')}`;
  expect(problems(source)).toHaveLength(20);
});
