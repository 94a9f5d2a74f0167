import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  describePattern,
  MAX_MATCHED,
  MAX_PATTERN,
  matchesPattern,
  parsePattern,
} from '../../src/request/pattern.ts';

function parsed(text: string) {
  const pattern = parsePattern(text);
  if (pattern === undefined) throw new Error(`not a pattern: ${text}`);
  return pattern;
}

describe('a pattern is refused', () => {
  test.each([
    ['with a group', '(a)'],
    ['with alternatives', 'a|b'],
    ['with a lookahead', '(?=a)'],
    ['with a backreference', '\\1'],
    ['with an escape that other dialects read differently', '\\b'],
    ['with a lazy count', 'a+?'],
    ['with a count of counts', 'a{2}{3}'],
    ['with a bare brace', 'a{x}'],
    ['with an empty class', '[]'],
    ['with an open class', '[a'],
    ['with a swapped range', '[z-a]'],
    ['with a range from a class', '[\\d-z]'],
    ['with a swapped count', 'a{3,2}'],
    ['that is empty', ''],
    ['that is too long', 'a'.repeat(MAX_PATTERN + 1)],
  ])('%s: %j', (_, text) => {
    expect(parsePattern(text)).toBeUndefined();
  });
});

const piece = fc.tuple(
  fc.constantFrom(
    ...[
      'a',
      'b',
      '-',
      '"',
      '.',
      '\\.',
      '\\d',
      '\\w',
      '\\s',
      '[a-c]',
      '[^a-c]',
      '[a\\-]',
      '[-a]',
      '[a-]',
    ],
    ...['[^\\d]', '[.]', 'ä', '😀', '[😀-😂]', '\\\\', '/'],
  ),
  fc.constantFrom('', '', '?', '*', '+', '{2}', '{1,}', '{0,2}', '{2,3}'),
);

test('a pattern matches like the regular expression of the same text', () => {
  const pieces = fc.array(piece, { minLength: 1, maxLength: 5 });
  const letter = fc.constantFrom('a', 'b', 'c', 'd', '-', '.', '1', ' ', '_', 'ä', '😀', '\\', '"');
  const text = fc.array(letter, { maxLength: 8 }).map((letters) => letters.join(''));
  fc.assert(
    fc.property(pieces, fc.array(text, { minLength: 1, maxLength: 20 }), (list, texts) => {
      const source = list.map((one) => one.join('')).join('');
      const pattern = parsed(source);
      const expression = new RegExp(`^(?:${source})$`, 'su');
      for (const one of texts)
        expect([one, matchesPattern(pattern, one)]).toEqual([one, expression.test(one)]);
    }),
    { numRuns: 2000 },
  );
});

test('anchors at both ends change nothing, because the whole text must match', () => {
  expect(matchesPattern(parsed('^a+$'), 'aa')).toBe(true);
  expect(matchesPattern(parsed('a+'), 'aab')).toBe(false);
});

// A regular expression takes exponential or high polynomial time for these.
test.each([
  'a*'.repeat(66),
  'a?'.repeat(66),
  '.*'.repeat(66),
  '[a-z]*'.repeat(22),
  'a{0,4096}'.repeat(20),
])('a hostile pattern and text take no time: %s', (source) => {
  const pattern = parsed(`${source}b`);
  const start = process.cpuUsage();
  expect(matchesPattern(pattern, 'a'.repeat(MAX_MATCHED))).toBe(false);
  expect(process.cpuUsage(start).user).toBeLessThan(2_000_000);
});

test('a text of more characters than can be matched does not match', () => {
  expect(matchesPattern(parsed('a*'), 'a'.repeat(MAX_MATCHED))).toBe(true);
  expect(matchesPattern(parsed('a*'), 'a'.repeat(MAX_MATCHED + 1))).toBe(false);
});

test('parsing any text takes no time and throws nothing', () => {
  const special = fc.constantFrom(...'[]^-\\{}(),*+?.|$ad0123'.split(''));
  fc.assert(
    fc.property(fc.array(special, { maxLength: 80 }), (letters) => {
      const pattern = parsePattern(letters.join(''));
      if (pattern !== undefined) expect(describePattern(pattern)).not.toBe('');
    }),
  );
});

test.each([
  ['HR-\\d{4}', '"HR-", then 4 digits'],
  ['[A-Z]{2,}', '2 or more characters from A-Z'],
  ['[^:/]*@?', 'any number of characters other than :/, then up to 1 "@"'],
  ['\\w{8,64}', '8 to 64 characters from A-Za-z0-9_'],
  ['\\d[A-Z]?', '1 digit, then up to 1 character from A-Z'],
  ['.+', '1 or more characters of any kind'],
])('%s is described as: %s', (source, words) => {
  expect(describePattern(parsed(source))).toBe(words);
});
