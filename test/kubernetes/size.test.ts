import { expect, test } from 'vitest';
import { checkCount, checkSize } from '../../src/kubernetes/secret.ts';
import { thrownBy } from '../jwe/thrown.ts';

const KIB = 1024;

test.each([0, 1, 128 * KIB])('%i bytes need no words', (bytes) => {
  expect(checkSize(bytes)).toEqual([]);
});

test.each([128 * KIB + 1, 1024 * KIB])('%i bytes fit, with a hint how to apply them', (bytes) => {
  expect(checkSize(bytes)).toEqual([
    {
      message: `the values add up to ${bytes} bytes, which is much for kubectl apply`,
      hint: 'apply it with: kubectl apply --server-side -f FILE',
    },
  ]);
});

test.each([1024 * KIB + 1, 5000 * KIB])('%i bytes are more than a Secret holds', (bytes) => {
  expect(thrownBy(() => checkSize(bytes))).toEqual({
    code: 'VALUE_REFUSED',
    message: `the values add up to ${bytes} bytes, and a Secret holds at most 1048576`,
    hint: 'split the Secret',
  });
});

test('256 sealed values are opened in one Secret, and not one more', () => {
  expect(() => checkCount(256)).not.toThrow();
  expect(thrownBy(() => checkCount(257))).toEqual({
    code: 'VALUE_REFUSED',
    message: 'more than 256 sealed values in one Secret',
    hint: 'split the Secret',
  });
});
