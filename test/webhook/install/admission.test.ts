import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { looksSealed, sealedBeginnings } from '../../../src/jwe/detect.ts';
import { mutatingWebhook, policyObjects } from '../../../src/webhook/install/admission.ts';
import { notes } from '../../../src/webhook/install/notes.ts';
import { optionsWith } from './options.ts';

/** Every range that a text compares with, in CEL or in a go-template. */
function rangesIn(text: string): [string, string][] {
  const cel = [...text.matchAll(/v >= '(\w+)' && v < '(\w+)'/g)];
  const template = [...text.matchAll(/\(ge \. \\?"(\w+)\\?"\) \(lt \. \\?"(\w+)\\?"\)/g)];
  return [...cel, ...template].map(([, from = '', below = '']) => [from, below]);
}

const places: [string, string][] = [
  ['the match condition', JSON.stringify(mutatingWebhook(optionsWith()))],
  ['the policy', JSON.stringify(policyObjects())],
  ['the sweep', notes(optionsWith(), undefined)],
];

/** Any values; half of them begin as a sealed value does, or almost. */
const value = fc.oneof(
  fc.uint8Array({ maxLength: 40 }),
  fc
    .record({
      beginning: fc.constantFrom(...sealedBeginnings, '{"alg":"RSA', 'eyJhbGciOiJSUzI1NiJ9'),
      cut: fc.integer({ min: 0, max: 2 }),
      rest: fc.uint8Array({ maxLength: 12 }),
    })
    .map(({ beginning, cut, rest }) =>
      Buffer.concat([Buffer.from(beginning.slice(0, beginning.length - cut)), rest]),
    ),
);

describe.each(places)('the ranges of %s', (_, text) => {
  const ranges = rangesIn(text);

  test('are complete', () => {
    expect(ranges).toHaveLength(sealedBeginnings.length);
  });

  test('contain exactly the base64 texts of values that look sealed', () => {
    let sealed = 0;
    fc.assert(
      fc.property(value, (bytes) => {
        const base64 = Buffer.from(bytes).toString('base64');
        const isIn = ranges.some(([from, below]) => base64 >= from && base64 < below);
        sealed += Number(isIn);
        expect(isIn).toBe(looksSealed(bytes));
      }),
      { numRuns: 1000 },
    );
    expect(sealed).toBeGreaterThan(50);
  });
});

test('the ranges begin with the fixed prefixes', () => {
  const [, [, text] = ['', '']] = places;
  expect(rangesIn(text).map(([from]) => from)).toEqual([
    'ZXlKaGJHY2lPaUpTVTBF',
    'ZXlKbGJtTWlPaUpC',
    'WlhsS2FHSkhZMmxQYVVwVFZU',
    'WlhsS2JHSnRUV2xQYVVw',
  ]);
});
