import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { looksSealed, sealedBeginnings } from '../../../src/jwe/detect.ts';
import { mutatingWebhook, policyObjects } from '../../../src/webhook/install/admission.ts';
import { notes } from '../../../src/webhook/install/notes.ts';
import { prefixes } from '../../jwe/prefixes.ts';
import { optionsWith } from './options.ts';

/** Every range that a text compares with, in CEL or in a go-template. */
function rangesIn(text: string): [string, string][] {
  const cel = [...text.matchAll(/v >= '(\w+)' && v < '(\w+)'/g)];
  const template = [...text.matchAll(/\(ge \. \\?"(\w+)\\?"\) \(lt \. \\?"(\w+)\\?"\)/g)];
  return [...cel, ...template].map(([, from = '', below = '']) => [from, below]);
}

const places: [string, string][] = [
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
  expect(rangesIn(JSON.stringify(policyObjects())).map(([from]) => from)).toEqual(prefixes);
});

/** A map as `format` of CEL writes it for `%s`, with the texts as Go quotes them. */
function formatted(data: ReadonlyMap<string, string | null>): string {
  const entries = [...data].sort(([a], [b]) => (a < b ? -1 : 1));
  return `{${entries.map(([key, text]) => `${JSON.stringify(key)}:${JSON.stringify(text)}`).join(', ')}}`;
}

const [webhook] = mutatingWebhook(optionsWith()).webhooks as [{ matchConditions: Named[] }];
const [policy] = policyObjects() as unknown as [{ spec: { variables: Named[] } }];

interface Named {
  readonly name: string;
  readonly expression: string;
}

describe.each([
  ['match condition', webhook.matchConditions, 'has-sealed-values'],
  ['policy', policy.spec.variables, 'sealed'],
])('the texts that the %s looks for', (_, expressions, wanted) => {
  const { expression = '' } = expressions.find(({ name }) => name === wanted) ?? {};
  const texts = [...expression.matchAll(/indexOf\('(.+)'\) >= 0/g)].map(([, text = '']) => text);

  test('are the fixed prefixes at the beginning of a value', () => {
    expect(texts).toEqual(prefixes.map((prefix) => `":"${prefix}`));
  });

  test('are in a formatted map exactly if one of its values looks sealed', () => {
    const near = fc.constantFrom(...texts, ...prefixes, '":"', '"', '\\', ':');
    const key = fc.array(fc.oneof(near, fc.string({ maxLength: 3 })), { maxLength: 4 });
    const seen = { true: 0, false: 0 };
    fc.assert(
      fc.property(fc.array(fc.tuple(key, fc.option(value)), { maxLength: 4 }), (entries) => {
        const values = new Map(entries.map(([parts, bytes]) => [parts.join(''), bytes]));
        const base64 = [...values].map(
          ([name, bytes]) => [name, bytes && Buffer.from(bytes).toString('base64')] as const,
        );
        const text = formatted(new Map(base64));
        const isSealed = [...values.values()].some((bytes) => bytes !== null && looksSealed(bytes));
        expect(texts.some((one) => text.includes(one))).toBe(isSealed);
        seen[`${isSealed}`]++;
      }),
      { numRuns: 1000 },
    );
    expect(Math.min(seen.true, seen.false)).toBeGreaterThan(50);
  });
});
