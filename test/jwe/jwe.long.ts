import { describe, test } from 'vitest';
import { checkPrefixes } from './prefixes.ts';
import { checkBits, sealedValues } from './tampering.ts';

const { values, outcome } = await sealedValues();

describe.each(values)('a value %s', (_, value) => {
  test.each([0, 1, 2, 3, 4])('does not open with any bit of segment %i changed', (segment) =>
    checkBits(outcome, value, segment, 8),
  );
});

test('bytes look sealed exactly if their base64 begins with one of the four prefixes', () => {
  checkPrefixes(200_000);
});
