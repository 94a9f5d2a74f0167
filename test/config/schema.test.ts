import { describe, expect, test } from 'vitest';
import {
  listOf,
  mapOf,
  objectOf,
  oneOf,
  type Reader,
  readYaml,
  text,
  textAs,
} from '../../src/config/schema.ts';
import { errorsOf, KsealError } from '../../src/errors.ts';

interface Box {
  readonly name: string;
  readonly size?: number;
  readonly colour?: 'red' | 'green';
  readonly tags?: readonly string[];
  readonly parts?: ReadonlyMap<string, string>;
}

const box = objectOf<Box>(
  {
    name: text,
    size: textAs((written) => Number(written) || undefined, 'a number'),
    colour: oneOf(['red', 'green']),
    tags: listOf(text),
    parts: mapOf(text, (key) => /^[a-z]+$/.test(key), 'part'),
  },
  ['name'],
);

/** The messages of all errors, each less the path. */
function faults<T>(source: string, reader: Reader<T>): string[] {
  try {
    readYaml(source, 'box.yaml', reader);
    return [];
  } catch (thrown) {
    return errorsOf(thrown).map((error) => {
      expect(error).toBeInstanceOf(KsealError);
      const { code, message, hint } = error as KsealError;
      expect({ code, hint }).toEqual({ code: 'CONFIG_INVALID', hint: expect.stringMatching(/./) });
      expect(message).toMatch(/^box\.yaml:/);
      return message.slice('box.yaml:'.length);
    });
  }
}

test('reads what the shape says', () => {
  const source = 'name: "a b"\nsize: 3\ncolour: red\ntags: [x, "y z"]\nparts:\n  lid: top\n';
  expect(readYaml(source, 'box.yaml', box)).toEqual({
    name: 'a b',
    size: 3,
    colour: 'red',
    tags: ['x', 'y z'],
    parts: new Map([['lid', 'top']]),
  });
});

test('leaves out what is not written', () => {
  expect(readYaml('name: x', 'box.yaml', box)).toEqual({ name: 'x' });
});

test('names no field that an object has by itself', () => {
  expect(faults('name: x\nconstructor: y\n__proto__: z\n', box)).toEqual([
    '2:1: unknown field "constructor"',
    '3:1: unknown field "__proto__"',
  ]);
  const parts = readYaml(
    'constructor: x\n',
    'x',
    mapOf(text, () => true, 'part'),
  );
  expect([...parts]).toEqual([['constructor', 'x']]);
});

describe('says with line and column', () => {
  test.each([
    ['an unknown field', 'name: x\nsiez: 3\n', ['2:1: unknown field "siez"']],
    ['a missing field', 'size: 3\n', ['1:1: the field "name" is missing']],
    ['another choice', 'name: x\ncolour: rde\n', ['2:9: unknown "rde", not red, green']],
    ['a text that is none', 'name: x\nsize: many\n', ['2:7: not a number']],
    ['nothing', 'name:\n', ['1:6: a text of one line belongs here']],
    ['several lines', 'name: |\n  x\n  y\n', ['1:7: a text of one line belongs here']],
    ['a control character', 'name: "\\e[2J"\n', ['1:7: a text of one line belongs here']],
    ['a list for a text', 'name: [x]\n', ['1:7: a text of one line belongs here']],
    ['a text for a list', 'name: x\ntags: y\n', ['2:7: a list belongs here']],
    ['a text for a mapping', 'name: x\nparts: y\n', ['2:8: a mapping belongs here']],
    [
      'a list for all',
      '- x\n',
      ['1:1: a mapping belongs here', '1:1: the field "name" is missing'],
    ],
    ['a key that is not allowed', 'name: x\nparts: { Lid: y }\n', ['2:10: "Lid" is no part']],
    ['a key that is no text', 'name: x\n? [a]\n: y\n', ['2:3: the name of a field belongs here']],
    ['a duplicate', 'name: x\nname: y\n', ['2:1: duplicate key']],
    ['bad YAML', 'name: "x\n', ['2:1: missing colon, comma, space or closing quote']],
    ['a second document', 'name: x\n---\nname: y\n', ['3:1: a second document']],
    [
      'all at once',
      'colour: blue\nsize: x\nnaem: y\n',
      [
        '1:9: unknown "blue", not red, green',
        '2:7: not a number',
        '3:1: unknown field "naem"',
        '1:1: the field "name" is missing',
      ],
    ],
  ])('%s', (_, source, wanted) => {
    expect(faults(source, box)).toEqual(wanted);
  });

  test.each([
    ['an anchor', 'name: &a x\n', '1:10: an anchor'],
    ['an anchor on a mapping', 'name: x\nparts: &a\n  lid: y\n', '3:3: an anchor'],
    ['an anchor on a key', '&a name: x\n', '1:4: an anchor'],
    ['an alias', 'name: &a x\ntags: [*a]\n', '2:8: an alias'],
    ['an alias for a list', 'name: &a x\ntags: *a\n', '2:7: an alias'],
    ['a tag', 'name: !!str x\n', '1:13: a tag'],
    ['a tag on a list', 'name: x\ntags: !!seq [y]\n', '2:13: a tag'],
    ['a tag on a key', '!!str name: x\n', '1:7: a tag'],
  ])('%s', (_, source, wanted) => {
    expect(faults(source, box)).toContain(`${wanted} does not belong here`);
  });

  test('a merge key, which is a field of no name that is known', () => {
    expect(faults('name: x\n<<: { size: 3 }\n', box)).toEqual(['2:1: unknown field "<<"']);
  });
});

test.each([
  ['an unknown field', 'name: x\nsiez: 3\n', 'did you mean size?'],
  ['a choice', 'name: x\ncolour: gren\n', 'did you mean green?'],
  ['nothing alike', 'name: x\nweight: 3\n', 'use one of name, size, colour, tags, parts'],
])('says what may be meant by %s', (_, source, hint) => {
  expect(() => readYaml(source, 'box.yaml', box)).toThrow(expect.objectContaining({ hint }));
});

test('of nothing to choose from it says so', () => {
  const error = { message: 'x:1:1: unknown "y", and there are none' };
  expect(() => readYaml('y', 'x', oneOf([]))).toThrow(expect.objectContaining(error));
});

test.each(['', '\n', '# only a comment\n', '\uFEFF'])('%j is empty', (source) => {
  expect(faults(source, box)).toEqual([' is empty']);
});

test('columns leave a byte order mark out, and count behind CRLF', () => {
  expect(faults('\uFEFFnaem: x\r\nname: y\r\nsiez: 1\r\n', box)).toEqual([
    '1:1: unknown field "naem"',
    '3:1: unknown field "siez"',
  ]);
});

test('stops at twenty errors', () => {
  const source = `name: x\n${Array.from({ length: 1000 }, (_, i) => `f${i}: y\n`).join('')}`;
  expect(faults(source, box)).toHaveLength(20);
});
