import fc from 'fast-check';
import { expect, test } from 'vitest';
import { parseJsonObject } from '../../src/jwe/encoding.ts';
import { decodeUtf8 } from '../../src/text.ts';
import { thrownBy } from './thrown.ts';

const parse = (text: string) => parseJsonObject(Buffer.from(text), 'header');

/** An object as a list of members, so that it can have duplicates. */
type Node = readonly [name: string, value: Node[] | string][];

function write(members: Node, space: string): string {
  const one = ([name, value]: Node[number]) =>
    `${JSON.stringify(name)}${space}:${space}${
      typeof value === 'string'
        ? JSON.stringify(value)
        : `[${value.map((node) => write(node, space)).join(',')}]`
    }`;
  return `{${space}${members.map(one).join(`${space},${space}`)}}`;
}

function hasDuplicate(members: Node): boolean {
  const names = members.map(([name]) => name);
  return (
    new Set(names).size < names.length ||
    members.some(([, value]) => typeof value !== 'string' && value.some(hasDuplicate))
  );
}

// Few names, some of them awkward, so that many texts have duplicates.
const name = fc.constantFrom('a', 'b', 'alg', '__proto__', '"', '\\', '{', ':', '\\"', 'é', '');
const node = fc.letrec<{ node: Node; value: Node[] | string }>((tie) => ({
  node: fc.array(fc.tuple(name, tie('value')), { maxLength: 4 }),
  value: fc.oneof({ maxDepth: 3 }, name, fc.array(tie('node'), { maxLength: 3 })),
})).node;

test('an object with a duplicate member at any depth is malformed, and no other', () => {
  let duplicates = 0;
  fc.assert(
    fc.property(node, fc.constantFrom('', ' ', '\n\t'), (members, space) => {
      const text = write(members, space);
      if (!hasDuplicate(members)) {
        expect(parse(text)).toEqual(JSON.parse(text));
        return;
      }
      duplicates++;
      expect(thrownBy(() => parse(text))).toMatchObject({
        code: 'JWE_MALFORMED',
        message: 'header has a duplicate member',
      });
    }),
    { numRuns: 300 },
  );
  expect(duplicates).toBeGreaterThan(30);
});

test('a member __proto__ is a member like any other', () => {
  const object = parse('{"__proto__":{"a":1}}');
  expect(Object.keys(object)).toEqual(['__proto__']);
  expect(object.a).toBeUndefined();
});

test('any object from JSON.stringify is parsed', () => {
  fc.assert(
    fc.property(fc.dictionary(fc.string(), fc.jsonValue()), (value) => {
      const text = JSON.stringify(value);
      expect(parse(text)).toEqual(JSON.parse(text));
    }),
  );
});

const codePoint = fc.oneof(
  fc.integer({ min: 0, max: 0xd7ff }),
  fc.integer({ min: 0xe000, max: 0x10ffff }),
);

test('decodeUtf8 keeps any text with its byte order mark, and rejects everything but UTF-8', () => {
  fc.assert(
    fc.property(fc.array(codePoint), (codePoints) => {
      const text = String.fromCodePoint(...codePoints);
      expect(decodeUtf8(Buffer.from(text))).toBe(text);
    }),
  );
  expect(decodeUtf8(Buffer.from('\ufeffa'))).toBe('\ufeffa');
  fc.assert(
    fc.property(fc.uint8Array(), (bytes) => {
      const text = decodeUtf8(bytes);
      const lossless = Buffer.from(bytes).equals(Buffer.from(Buffer.from(bytes).toString()));
      expect(text !== undefined).toBe(lossless);
    }),
  );
});
