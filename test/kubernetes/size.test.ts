import { expect, test } from 'vitest';
import { checkCount, checkSize } from '../../src/kubernetes/secret.ts';
import { thrownBy } from '../jwe/thrown.ts';

const KIB = 1024;

test.each([0, 1, 128 * KIB])('%i bytes pass without a warning', (bytes) => {
  expect(checkSize(bytes)).toEqual([]);
});

test.each([128 * KIB + 1, 1024 * KIB])(
  '%i bytes pass with a warning that suggests a server-side apply',
  (bytes) => {
    expect(checkSize(bytes)).toEqual([
      {
        message: `the values total ${bytes} bytes, which may be too large for kubectl apply`,
        hint: 'kubectl apply --server-side -f FILE',
      },
    ]);
  },
);

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
