import { expect, test } from 'vitest';
import { describeBug } from '../../../src/webhook/server/log.ts';

test('an error is told by its kind and its place', () => {
  expect(describeBug(new RangeError('CANARY'))).toMatch(
    /^a bug in kseal: RangeError at .*bug\.test\.ts:\d+:\d+\)?$/,
  );
});

test('of its message nothing, not even what looks like a place', () => {
  const error = new TypeError('not JSON:\n    at CANARY (CANARY.ts:1:1)\n');
  expect(describeBug(error)).toMatch(/^a bug in kseal: TypeError at .*bug\.test\.ts/);
  error.message = 'another';
  expect(describeBug(error)).toBe('a bug in kseal: TypeError');
});

test('what has no place, and what is no error', () => {
  const error = new TypeError('CANARY');
  delete error.stack;
  expect(describeBug(error)).toBe('a bug in kseal: TypeError');
  expect(describeBug('CANARY')).toBe('a bug in kseal: something was thrown that is no error');
});
