import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  type Found,
  jsonSource,
  locate,
  stringAt,
  stringsIn,
  typeAt,
} from '../../src/webhook/json.ts';

const find = (text: string | Buffer, wanted = {}) =>
  locate(jsonSource(Buffer.from(text as string)), wanted);

/** Whether JSON.parse accepts `text`, as it is after its encoding in UTF-8. */
function parses(text: string): boolean {
  try {
    JSON.parse(Buffer.from(text).toString());
    return true;
  } catch {
    return false;
  }
}

const pieces = fc.constantFrom(
  ...[
    '{',
    '}',
    '[',
    ']',
    ',',
    ':',
    '"',
    '\\',
    '"a"',
    '"\\u00e9"',
    '"\\ud800"',
    '"\\x"',
    '"\\u12"',
    '"\x1f"',
    '"\x7f"',
  ],
  ...['0', '-', '1', '01', '1.5', '1.', '.5', '1e5', '1E+5', '1e', '-0', 'true', 'false', 'null'],
  ...[
    'nul',
    'truee',
    ' ',
    '\n',
    '\r',
    '\t',
    '\f',
    '\v',
    '\u00a0',
    '\ufeff',
    '\u2028',
    '\0',
    'é',
    '😀',
  ],
);

/** JSON with white space between its tokens. */
const spaced = fc
  .tuple(fc.json(), fc.array(fc.constantFrom('', ' ', '\n', '\t', '\r\n'), { minLength: 1 }))
  .map(([text, spaces]) => {
    let at = 0;
    return text.replace(/"(?:\\.|[^"\\])*"|[{}[\],:]/g, (token) => {
      at++;
      return `${spaces[at % spaces.length]}${token}${spaces[(at + 1) % spaces.length]}`;
    });
  });

/** JSON with one change, which often makes it invalid. */
const changed = fc
  .tuple(spaced, fc.nat(), fc.nat({ max: 2 }), pieces)
  .map(([text, offset, length, piece]) => {
    const at = offset % (text.length + 1);
    return text.slice(0, at) + piece + text.slice(at + length);
  });

describe('locate', () => {
  test('accepts exactly what JSON.parse accepts', async () => {
    const seen = { sound: 0, invalid: 0 };
    const soup = fc.array(pieces, { maxLength: 12 }).map((parts) => parts.join(''));
    await fc.assert(
      fc.asyncProperty(fc.oneof(spaced, changed, soup), async (text) => {
        const isSound = parses(text);
        seen[isSound ? 'sound' : 'invalid']++;
        const found = await find(text);
        expect(typeof found === 'string' ? found : 'sound').toBe(isSound ? 'sound' : 'not JSON');
      }),
      { numRuns: 5_000, examples: [['{:1}'], ['{"a":1,:2}'], ['{,}'], ['[,1]']] },
    );
    expect(Math.min(seen.sound, seen.invalid)).toBeGreaterThan(500);
  });

  const name = fc.constantFrom('a', 'b', 'c', '__proto__', 'toString', 'a.b', '"');
  const wanted = {
    a: { a: {}, __proto: {} },
    b: { b: { c: {} } },
    c: {},
    ['__proto__']: { a: {} },
  };

  test('finds exactly the wanted members', async () => {
    const { value } = fc.letrec<{ value: unknown }>((tie) => ({
      value: fc.oneof(
        { depthSize: 'small', withCrossShrink: true },
        fc.constantFrom(0, 'x', null, true),
        fc.array(tie('value'), { maxLength: 3 }),
        fc
          .uniqueArray(fc.tuple(name, tie('value')), { selector: ([key]) => key, maxLength: 4 })
          .map((entries) => Object.fromEntries(entries)),
      ),
    }));
    let deepest = 0;
    await fc.assert(
      fc.asyncProperty(value, async (parsed) => {
        const text = Buffer.from(JSON.stringify(parsed, null, 1));
        const found = await locate(jsonSource(text), wanted);
        if (typeof found === 'string') throw new Error(found);
        const compare = (one: Found, part: unknown, names: object, depth: number) => {
          deepest = Math.max(deepest, depth);
          expect(JSON.parse(text.toString('utf8', one.start, one.end))).toEqual(part);
          const isObject = typeof part === 'object' && part !== null && !Array.isArray(part);
          const members = isObject ? Object.keys(part) : [];
          const present = members.filter((key) => Object.hasOwn(names, key));
          expect([...one.members.keys()]).toEqual(present);
          for (const key of present) {
            const [child, own] = [one.members.get(key), new Map(Object.entries(names)).get(key)];
            if (child)
              compare(child, new Map(Object.entries(part as object)).get(key), own, depth + 1);
          }
        };
        compare(found, parsed, wanted, 0);
      }),
      { numRuns: 2_000 },
    );
    expect(deepest).toBeGreaterThan(1);
  });

  test('compares names after decoding their escapes', async () => {
    const found = await find('{"\\u0061":1,"b":2}', { a: {} });
    expect(typeof found === 'string' ? found : [...found.members.keys()]).toEqual(['a']);
  });

  test.each([
    ['a wanted member twice', '{"a":1,"a":2}', 'a is given twice'],
    ['the same with an escape', '{"a":1,"\\u0061":2}', 'a is given twice'],
    ['invalid UTF-8', Buffer.from([0x22, 0xc3, 0x28, 0x22]), 'not UTF-8'],
    ['a UTF-8 surrogate', Buffer.from([0x22, 0xed, 0xa0, 0x80, 0x22]), 'not UTF-8'],
    ['nothing', '', 'not JSON'],
    ['10,001 lists', `${'['.repeat(10_001)}${']'.repeat(10_001)}`, 'nested too deeply'],
    ['a million unfinished objects', '{"a":'.repeat(1_000_000), 'nested too deeply'],
  ])('refuses %s', async (_, text, problem) => {
    expect(await find(text, { a: {} })).toBe(problem);
  });

  test('accepts 10,000 lists, and other members twice', async () => {
    expect(await find(`${'['.repeat(10_000)}${']'.repeat(10_000)}`)).toMatchObject({ start: 0 });
    expect(await find('{"b":1,"b":2,"c":{"a":1,"a":2}}', { a: {} })).toMatchObject({ start: 0 });
  });

  test('lets others run before and while it reads', async () => {
    const turns = async (text: string) => {
      let count = 0;
      let isReading = true;
      const next = () => {
        count++;
        if (isReading) setImmediate(next);
      };
      setImmediate(next);
      expect(await find(text)).toMatchObject({ start: 0, end: text.length });
      isReading = false;
      return count;
    };
    expect(await turns('0')).toBeGreaterThan(0);
    // No machine reads 4 MB within the slice of one turn.
    expect(await turns(`[${'0,'.repeat(2_000_000)}0]`)).toBeGreaterThan(2);
  });

  test('reads only one text in each turn', async () => {
    const ends: number[] = [];
    let turn = 0;
    let isReading = true;
    const next = () => {
      turn++;
      if (isReading) setImmediate(next);
    };
    setImmediate(next);
    const text = '[0]';
    await Promise.all(
      Array.from({ length: 5 }, async () => {
        await find(text);
        ends.push(turn);
      }),
    );
    isReading = false;
    expect(new Set(ends).size).toBe(5);
  });
});

describe('stringsIn', () => {
  async function strings(text: string) {
    const source = jsonSource(Buffer.from(text));
    const found = await locate(source, {});
    if (typeof found === 'string') throw new Error(found);
    expect(typeAt(source, found)).toBe('object');
    const members: [string, string][] = [];
    const areStrings = await stringsIn(source, found, (name, value) => {
      members.push([stringAt(source, name), stringAt(source, value)]);
    });
    return { areStrings, members };
  }

  test('visits the strings of any object, in order', async () => {
    const entries = fc.array(
      fc.tuple(fc.string({ unit: 'binary' }), fc.string({ unit: 'binary' })),
    );
    await fc.assert(
      fc.asyncProperty(entries, fc.constantFrom(undefined, 2), async (given, space) => {
        const members = given.map(
          ([key, value]) => `${JSON.stringify(key)} : ${JSON.stringify(value)}`,
        );
        const text = space ? `{ ${members.join(' ,\n')} }` : `{${members.join(',')}}`;
        const decoded = given.map((pair) => pair.map((part) => Buffer.from(part).toString()));
        expect(await strings(text)).toEqual({ areStrings: true, members: decoded });
      }),
    );
  });

  test('passes over null, and stops at anything else', async () => {
    expect(await strings('{}')).toEqual({ areStrings: true, members: [] });
    expect(await strings('{"a":null,"b":"x"}')).toEqual({
      areStrings: true,
      members: [['b', 'x']],
    });
    for (const value of ['1', 'true', 'false', '[]', '{}', '-1.5e3'])
      expect(await strings(`{"a":"x","b":${value},"c":"y"}`)).toEqual({
        areStrings: false,
        members: [['a', 'x']],
      });
  });
});
