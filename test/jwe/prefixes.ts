import fc from 'fast-check';
import { expect } from 'vitest';
import { looksSealed } from '../../src/jwe/detect.ts';

/** The prefixes in `data` of values that look sealed; webhook and policy compare with these. */
export const prefixes = [
  'ZXlKaGJHY2lPaUpTVTBF',
  'ZXlKbGJtTWlPaUpC',
  'WlhsS2FHSkhZMmxQYVVwVFZU',
  'WlhsS2JHSnRUV2xQYVVw',
];

export const hasPrefix = (bytes: Uint8Array) => {
  const data = Buffer.from(bytes).toString('base64');
  return prefixes.some((prefix) => data.startsWith(prefix));
};

/** Bytes near a prefix: cut anywhere, with up to two bytes changed, followed by anything. */
const near = fc
  .record({
    prefix: fc.constantFrom(...prefixes),
    cut: fc.nat({ max: 24 }),
    changes: fc.array(fc.tuple(fc.nat({ max: 17 }), fc.nat({ max: 255 })), { maxLength: 2 }),
    rest: fc.uint8Array({ maxLength: 12 }),
  })
  .map(({ prefix, cut, changes, rest }) => {
    const bytes = Buffer.from(prefix, 'base64').subarray(0, cut);
    for (const [at, byte] of changes) if (at < bytes.length) bytes[at] = byte;
    return Buffer.concat([bytes, rest]);
  });

/** Checks that bytes look sealed exactly if their base64 begins with one of the prefixes. */
export function checkPrefixes(numRuns: number): void {
  const seen = { yes: 0, no: 0 };
  fc.assert(
    fc.property(fc.oneof({ weight: 9, arbitrary: near }, fc.uint8Array()), (bytes) => {
      expect(looksSealed(bytes)).toBe(hasPrefix(bytes));
      seen[hasPrefix(bytes) ? 'yes' : 'no']++;
    }),
    { numRuns },
  );
  expect(Math.min(seen.yes, seen.no)).toBeGreaterThan(numRuns / 10);
}
