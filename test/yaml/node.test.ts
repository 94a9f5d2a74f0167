import fc from 'fast-check';
import { expect, test } from 'vitest';
import { lastAtMost, rangesAt } from '../../src/yaml/node.ts';

const numbers = fc.array(fc.nat(40), { maxLength: 12 }).map((all) => all.sort((a, b) => a - b));

test('lastAtMost finds the last number that is at most the limit', () => {
  fc.assert(
    fc.property(numbers, fc.nat(41), (ascending, limit) => {
      expect(lastAtMost(ascending, limit)).toBe(ascending.findLastIndex((n) => n <= limit));
    }),
  );
});

test('rangesAt finds the range that contains a number', () => {
  fc.assert(
    fc.property(numbers, fc.nat(41), (bounds, at) => {
      const ranges = bounds.flatMap((start, index) =>
        index % 2 === 0 ? [{ start, end: bounds[index + 1] ?? start }] : [],
      );
      const holds = ranges.findLast(({ start, end }) => start <= at && at < end);
      expect(rangesAt(ranges)(at)).toEqual(holds);
    }),
  );
});
