import fc from 'fast-check';
import { expect, test } from 'vitest';
import { reviewDeadline } from '../../../src/webhook/server/handler.ts';

test.each([
  ['1s', 500],
  ['2s', 500],
  ['3s', 1500],
  ['5s', 3500],
  ['10s', 8500],
  ['30s', 28_500],
  ['0m30s', 28_500],
])('W20: of %s it takes %d ms', (timeout, budget) => {
  expect(reviewDeadline(timeout)).toBe(budget);
});

test.each([
  undefined,
  '',
  '0s',
  '-1s',
  '-1',
  '1',
  '10',
  '31s',
  '1m0s',
  '1h',
  '1h0m0s',
  '99s',
  '999999s',
  'x',
  '1.5s',
  '1e1s',
  '10s10s',
  ' 10s',
  '10s\n',
  '１０s',
  '500ms',
  '1m',
  'Infinity',
  'NaN',
  '0x5s',
])('W20: a timeout of %j, which no API server sends, is taken for 10 s', (timeout) => {
  expect(reviewDeadline(timeout)).toBe(8_500);
});

test('W20: whatever it says, the answer comes before the API server stops waiting', () => {
  fc.assert(
    fc.property(fc.string(), (timeout) => {
      const budget = reviewDeadline(timeout);
      return budget >= 500 && budget <= 28_500;
    }),
  );
  for (let seconds = 1; seconds <= 30; seconds++) {
    // It may have been rounded up by almost a second.
    const wait = Math.max(seconds - 1, 0.75) * 1000;
    expect(reviewDeadline(`${seconds}s`)).toBeLessThan(wait);
  }
});
