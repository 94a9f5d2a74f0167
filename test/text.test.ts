import { execFileSync } from 'node:child_process';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { shellWord, suggest } from '../src/text.ts';

const fields = ['title', 'file', 'source', 'private', 'kid', 'state'];

describe('suggest', () => {
  test.each([
    ['a letter too many', 'statee', 'state'],
    ['a letter too few', 'sate', 'state'],
    ['a wrong letter', 'stade', 'state'],
    ['two swapped letters', 'kdi', 'kid'],
    ['two swapped letters at the end', 'plaintext-valeu', 'plaintext-value'],
    ['two swapped letters in a word of two', 'bd', 'db'],
    ['other case', 'SOURCE', 'source'],
    ['two typos in a long word', 'prvite', 'private'],
  ])('finds the word for %s', (_, word, meant) => {
    expect(suggest(word, [...fields, 'db', 'plaintext-value'])).toBe(meant);
  });

  test.each(['secret', 'x', '', 'namespace', 'dik'])('finds nothing for "%s"', (word) => {
    expect(suggest(word, fields)).toBeUndefined();
  });

  test('returns the closest word, and the first of several equally close ones', () => {
    expect(suggest('prot', ['proof', 'prod', 'prob'])).toBe('prod');
  });

  test('finds nothing for a single letter', () => {
    expect(suggest('a', ['b'])).toBeUndefined();
  });

  test('gives up on a long word, and on candidates after the first thousand', () => {
    const many = Array.from({ length: 100_000 }, (_, i) => `key-${i}`);
    expect(suggest('x'.repeat(1_000_000), fields)).toBeUndefined();
    expect(suggest('kye-1', many)).toBe('key-1');
    expect(suggest('kye-50000', many.slice(1))).not.toBe('key-50000');
  });

  test('suggests a candidate for itself', () => {
    const word = fc.stringMatching(/^[a-z]{2,20}$/);
    fc.assert(
      fc.property(word, fc.array(word), (own, others) => {
        expect(suggest(own, [...others, own])).toBe(own);
      }),
    );
  });
});

describe('shellWord', () => {
  test.each(['keys/prod.pub', 'a-b_c.d', 'user@host:path', 'KEY=value', 'a,b%c+d', '/x'])(
    'leaves %s as it is',
    (word) => {
      expect(shellWord(word)).toBe(word);
    },
  );

  test('every word reaches the program unchanged', () => {
    const words = [
      ...['', ' ', 'a b', "it's", "''", '"', '\\', '$HOME', '`id`', '$(id)', '!x', '~', '*', '?'],
      ...['[a]', 'a;b', 'a&b', 'a|b', 'a>b', '#x', '(x)', '{a,b}', 'a\nb', '\t', 'é', '密', '-n'],
      ...['--', '%s'],
    ];
    const script = `printf '%s\\0' ${words.map(shellWord).join(' ')}`;
    const printed = execFileSync('sh', ['-c', script]).toString();
    expect(printed.split('\0').slice(0, -1)).toEqual(words);
  });
});
