import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { suggest } from '../src/text.ts';

const fields = ['title', 'file', 'source', 'private', 'kid', 'state'];

describe('nearest', () => {
  test.each([
    ['a letter too many', 'statee', 'state'],
    ['a letter too few', 'sate', 'state'],
    ['another letter', 'stade', 'state'],
    ['two letters swapped', 'kdi', 'kid'],
    ['capitals', 'SOURCE', 'source'],
    ['two slips in a long word', 'prvite', 'private'],
  ])('knows %s', (_, word, meant) => {
    expect(suggest(word, fields)).toBe(meant);
  });

  test.each(['secret', 'x', '', 'namespace'])('makes nothing of "%s"', (word) => {
    expect(suggest(word, fields)).toBeUndefined();
  });

  test('takes the closest, and of several that are as close the first', () => {
    expect(suggest('prot', ['proof', 'prod', 'prob'])).toBe('prod');
  });

  test('a word of one letter is a slip of none', () => {
    expect(suggest('a', ['b'])).toBeUndefined();
  });

  test('has an answer at once, however long the word and the list', () => {
    const many = Array.from({ length: 100_000 }, (_, i) => `key-${i}`);
    expect(suggest('x'.repeat(1_000_000), fields)).toBeUndefined();
    expect(suggest('kye-1', many)).toBe('key-1');
  });

  test('a candidate is nearest to itself', () => {
    const word = fc.stringMatching(/^[a-z]{2,20}$/);
    fc.assert(
      fc.property(word, fc.array(word), (own, others) => {
        expect(suggest(own, [...others, own])).toBe(own);
      }),
    );
  });
});
