import { execFileSync } from 'node:child_process';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  counted,
  listOf,
  padded,
  printable,
  shellWord,
  suggest,
  widthOf,
  wrapped,
} from '../src/text.ts';

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

describe('widthOf', () => {
  test.each([
    ['', 0],
    ['db.yaml', 7],
    ['café', 4],
    ['cafe\u0301', 4],
    ['日本語', 6],
    ['한국어', 6],
    ['ｶﾀｶﾅ', 4],
    ['カタカナ', 8],
    ['ＡＢ', 4],
    ['。', 2],
    ['🔑', 2],
    ['☂\ufe0f', 2],
    ['☂', 1],
    ['🇩🇪', 2],
    ['…', 1],
    ['\u0301', 0],
  ])('of "%s" is %d', (text, width) => {
    expect(widthOf(text)).toBe(width);
  });
});

describe('padded', () => {
  test('has the width that was asked for, unless the text is wider', () => {
    expect(padded('日本', 6)).toBe('日本  ');
    expect(padded('日本', 2)).toBe('日本');
  });
});

describe('wrapped', () => {
  test('breaks only between words, and keeps a longer word', () => {
    expect(wrapped('seal it with kseal', 7)).toEqual(['seal it', 'with', 'kseal']);
    expect(wrapped('a verylongword b', 5)).toEqual(['a', 'verylongword', 'b']);
    expect(wrapped('', 5)).toEqual(['']);
    expect(wrapped('seal it with kseal', 7, 2)).toEqual(['seal it', '  with', '  kseal']);
  });

  test('gives the text back, in lines that fit or are one word', () => {
    const text = fc.string({ unit: fc.constantFrom('a', ' ', '日'), maxLength: 60 });
    fc.assert(
      fc.property(text, fc.integer({ min: 1, max: 30 }), (any, width) => {
        const lines = wrapped(any, width);
        expect(lines.join(' ')).toBe(any);
        for (const line of lines) expect(widthOf(line) <= width || !line.includes(' ')).toBe(true);
      }),
    );
  });
});

describe('counted and listOf', () => {
  test('one, several and thousands', () => {
    expect(counted(1, 'file')).toBe('1 file');
    expect(counted(0, 'file')).toBe('0 files');
    expect(counted(12_345, 'file')).toBe('12,345 files');
  });

  test('ten names are listed, and further ones are counted', () => {
    const names = Array.from({ length: 2000 }, (_, index) => printable(`n${index}`));
    expect(listOf([])).toBe('');
    expect(listOf(names.slice(0, 10))).toBe(names.slice(0, 10).join(', '));
    expect(listOf(names)).toBe(`${names.slice(0, 10).join(', ')} and 1,990 more`);
  });
});
