import fc from 'fast-check';
import * as v from 'valibot';
import { describe, expect, test } from 'vitest';
import { glob, matchesGlob } from '../../src/config/glob.ts';

function problemOf(text: string): string | undefined {
  return v.safeParse(glob, text).issues?.[0].message.split('\n')[0];
}

describe('a glob', () => {
  test.each([
    ['*.yaml', ['a.yaml', '.a.yaml', '.yaml'], ['a/b.yaml', 'a.yaml.bak']],
    ['db?.yaml', ['db1.yaml', 'db\u{1F511}.yaml'], ['db.yaml', 'db12.yaml', 'db/.yaml']],
    ['**', ['a', 'a/b', '.a/.b'], ['..', '../a', 'a/../b']],
    ['**/a', ['a', 'b/a', 'b/c/a'], ['ba', 'a/b', '../a']],
    ['a/**', ['a', 'a/b', 'a/b/c'], ['ab', 'b/a', 'a/../b']],
    ['a/**/b', ['a/b', 'a/x/b', 'a/x/y/b'], ['ab', 'a/b/c']],
    ['*/**', ['a/b', '.a/b/c'], ['a', '.a', '../a']],
    ['a/*/**/**', ['a/b/c', 'a/b/c/d'], ['a/b', 'a']],
    ['a*/**', ['a/b', 'ab/c'], ['a', 'ab']],
    ['{a,b*}/**', ['a', 'a/c', 'bc/d'], ['b', 'bc']],
    ['*a/**', ['a', 'ba', 'ba/b'], ['b/a']],
    ['\\*/**', ['*', '*/a'], ['a', 'a/b']],
    ['a**b', ['ab', 'axb'], ['a/b', 'a/x/b']],
    ['*/b', ['a/b', '..a/b', '.../b'], ['b', 'a/a/b', '../b', './b']],
    ['../*', ['../a'], ['a', '../../a']],
    ['./a/*', ['a/b'], ['b']],
    ['[ab].[!ab]', ['a.c', 'b.d'], ['c.c', 'a.a', 'a./']],
    ['[a-c-][^0-9]', ['ax', 'b-', '-a'], ['dx', 'a0', 'a']],
    ['[\\]\\\\-]', [']', '\\', '-'], ['[', 'a']],
    ['[!]', ['!'], ['a']],
    ['[*?{]', ['*', '?', '{'], ['a', '[']],
    ['{a,b/**/c}/d', ['a/d', 'b/c/d', 'b/x/c/d'], ['b/d', 'c/d']],
    ['a{,b}{c,}', ['a', 'ab', 'ac', 'abc'], ['', 'bc']],
    ['{a\\,b,[,]}', ['a,b', ','], ['a', 'b', 'a\\']],
    ['a,b', ['a,b'], ['a', 'b']],
    ['\\*\\(\\)\\!\\{\\}\\[\\\\', ['*()!{}[\\'], ['x()!{}[\\']],
    ['a+$^.x!', ['a+$^.x!'], ['aa$^.x!', 'a+$^yx!']],
  ])('%s', (text, matching, others) => {
    expect(problemOf(text)).toBeUndefined();
    expect(matching.filter((path) => !matchesGlob(text, path))).toEqual([]);
    expect(others.filter((path) => matchesGlob(text, path))).toEqual([]);
  });

  test.each([
    ['!a', '!'],
    ['a/(b|c)', '('],
    ['+(a)', '('],
    ['a)', ')'],
    ['a|b', '|'],
    ['{a}', '{'],
    ['{1..9}', '{'],
    ['{a,{b,c}}', '{'],
    ['{a,b', '{'],
    ['a}', '}'],
    ['[a', '['],
    ['[]', '['],
    ['[a/b]', '['],
    ['[[:alpha:]]', ']'],
    ['a]', ']'],
    ['\\d', '\\'],
    ['[\\w]', '['],
    ['a\\', '\\'],
  ])('%s is refused', (text, part) => {
    expect(problemOf(text)).toBe(`unsupported "${part}" in a glob`);
  });

  test.each([
    'a'.repeat(513),
    '{a,b}'.repeat(8),
    `${'{a,b}'.repeat(9)}x`,
    `${'{,}'.repeat(100)}`,
    `{${','.repeat(500)}}{,}`,
  ])('of more than 512 characters is refused, also if its braces make them: %s', (text) => {
    expect(problemOf(text)).toBe('must be a glob of at most 512 characters');
  });
});

test.each([
  ['*a'.repeat(200), 'b', 'a'.repeat(4096)],
  [`*${'a'.repeat(500)}`, 'b', 'a'.repeat(4096)],
  ['**/a/'.repeat(100), 'b', 'a/'.repeat(2048)],
  ['**/*a*/'.repeat(50), 'b', 'aaa/'.repeat(1024)],
  ['{*a,**}'.repeat(3), 'b', 'a'.repeat(4096)],
])('a hostile glob, %s…, is matched without backtracking', (start, end, path) => {
  expect(problemOf(start + end)).toBeUndefined();
  expect([matchesGlob(start + end, path), matchesGlob(start + end, path + end)]).toEqual([
    false,
    true,
  ]);
});

/** A part of a glob as text, and as a regular expression. */
type Part = readonly [glob: string, regex: string];
const inName: readonly Part[] = [
  ['a', 'a'],
  ['b', 'b'],
  ['.x', '\\.x'],
  ['*', '[^/]*'],
  ['?', '[^/]'],
  ['[ab]', '[ab]'],
  ['[!a]', '[^a/]'],
  ['{a,b*}', '(?:a|b[^/]*)'],
];
const name = fc
  .array(fc.constantFrom(...inName), { minLength: 1, maxLength: 5 })
  .map((parts): Part => [parts.map(([text]) => text).join(''), parts.map(([, x]) => x).join('')])
  .filter(([text]) => text !== '**');
const anyFolders: Part = ['**', '.*'];

test('a glob matches like its regular expression', () => {
  const segments = fc.array(fc.oneof(name, fc.constant(anyFolders)), {
    minLength: 1,
    maxLength: 5,
  });
  const character = fc.constantFrom('a', 'b', 'ab', '.x', '/', '/');
  const path = fc
    .array(character, { minLength: 1, maxLength: 10 })
    .map((parts) =>
      parts
        .join('')
        .replace(/\/{2,}/g, '/')
        .replace(/^\/|\/$/g, ''),
    )
    .filter((text) => text !== '');
  fc.assert(
    fc.property(segments, path, (parts, text) => {
      const pattern = parts.map(([part]) => part).join('/');
      // `**` matches names with a slash after each, and at the end for names with one before.
      // There, it matches at least one name if a star precedes it.
      const regex = parts
        .map(([, x]) => `${x === '.*' ? '(?:[^/]+/)*' : `${x}/`}`)
        .join('')
        .replace(/(\[\^\/\]\*)(\)?\/(?:\(\?:\[\^\/\]\+\/\)\*)+)$/, '$1(?=/.)$2');
      expect(matchesGlob(pattern, text)).toBe(new RegExp(`^${regex}$`).test(`${text}/`));
    }),
    { numRuns: 5000 },
  );
});
