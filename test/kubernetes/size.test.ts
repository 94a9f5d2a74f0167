import { expect, test } from 'vitest';
import { checkApplied, checkCount, checkSize } from '../../src/kubernetes/secret.ts';
import { thrownBy } from '../jwe/thrown.ts';

const KIB = 1024;

test.each([0, 1, 1024 * KIB])('%i bytes fit a Secret', (bytes) => {
  expect(() => checkSize(bytes)).not.toThrow();
});

test('annotations of 256 KiB fit an object, and more needs a server-side apply', () => {
  expect(checkApplied(256 * KIB)).toEqual([]);
  expect(checkApplied(256 * KIB + 1)).toEqual([
    {
      message:
        'too large for a client-side kubectl apply: the annotations would total 262145 bytes, more than the 262144 that fit',
      hint: 'kubectl apply --server-side -f FILE',
    },
  ]);
});

test.each([1024 * KIB + 1, 5000 * KIB])('%i bytes do not fit a Secret', (bytes) => {
  expect(thrownBy(() => checkSize(bytes))).toEqual({
    code: 'VALUE_REFUSED',
    message: `the values total ${bytes} bytes, more than the 1048576 that fit into a Secret`,
    hint: 'split the Secret',
  });
});

test('a Secret may have 256 sealed values, but not 257', () => {
  expect(() => checkCount(256)).not.toThrow();
  expect(thrownBy(() => checkCount(257))).toEqual({
    code: 'VALUE_REFUSED',
    message: 'more than 256 sealed values in one Secret',
    hint: 'split the Secret',
  });
});
