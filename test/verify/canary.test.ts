import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { rules } from '../../src/verify/rules/index.ts';
import { verifyText } from '../../src/verify/verify.ts';
import { leaksOf } from '../helpers/canary.ts';
import { defaults, fixtureNames, policiesOf, readFixture } from './fixtures.ts';
import { positions } from './positions.ts';

const policyAt = await policiesOf();

function verify(text: string | Buffer, path = 'db.yaml') {
  return verifyText({ path, content: Buffer.from(text) }, policyAt(path), defaults);
}

describe('no finding quotes', () => {
  test.each(Object.entries(positions))('%s', (_, textWith) => {
    for (const canary of ['CANARY-9f3Ab7', 'canary-9f3ab7', 'canary9f3ab7x']) {
      const { findings, suppressed } = verify(textWith(canary));
      expect(findings).not.toEqual([]);
      expect(
        leaksOf(Buffer.from(canary), Buffer.from(JSON.stringify([findings, suppressed]))),
      ).toEqual([]);
    }
  });
});

/** The fixtures with a few parts replaced by characters that are special in YAML or templates. */
const damaged = fc
  .record({
    name: fc.constantFrom(...fixtureNames('dirty'), ...fixtureNames('clean')),
    cuts: fc.array(
      fc.record({
        at: fc.nat(),
        length: fc.nat(40),
        replacement: fc.constantFrom(
          ...['', '\n', ' ', ':', '- ', '{', '}', '"', '#', '&a ', '*a', '{{', '|', '---\n', '\t'],
          ...['\u0000', '<<: '],
        ),
      }),
      { maxLength: 6 },
    ),
  })
  .map(({ name, cuts }) => {
    let text = readFixture(name).subarray(0, 12_000).toString();
    for (const { at, length, replacement } of cuts) {
      const offset = at % (text.length + 1);
      text = text.slice(0, offset) + replacement + text.slice(offset + length);
    }
    return text;
  });

describe('for any text', () => {
  const anything = fc.oneof(damaged, fc.string({ unit: 'binary' }), fc.json());
  const ids = rules.map(({ id }) => id);

  test('verify throws nothing, and findings are stable, sorted and within the text', () => {
    fc.assert(
      fc.property(anything, (text) => {
        const found = verify(text);
        expect(verify(text)).toEqual(found);
        const lines = text.split('\n');
        for (const { position, code, message } of found.findings) {
          expect(ids).toContain(code);
          expect(message).not.toBe('');
          expect(position.line).toBeLessThanOrEqual(lines.length);
          expect(position.column).toBeLessThanOrEqual((lines[position.line - 1]?.length ?? 0) + 1);
        }
        const order = found.findings.map(({ position }) => position.line * 1e6 + position.column);
        expect(order).toEqual(order.toSorted((a, b) => a - b));
        expect(found.sealed).toBeLessThanOrEqual(found.values);
      }),
      { numRuns: 1500 },
    );
  });

  test('no finding is reported twice', () => {
    fc.assert(
      fc.property(damaged, (text) => {
        const reported = verify(text).findings.map((finding) => JSON.stringify(finding));
        expect(new Set(reported).size).toBe(reported.length);
      }),
      { numRuns: 500 },
    );
  });
});
