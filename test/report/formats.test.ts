import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { formats } from '../../src/cli/verify.ts';
import { sorted } from '../../src/report/report.ts';
import { canariesIn } from '../helpers/canary.ts';
import { anyReport, finding, mixed, plain, report, tool } from './sample.ts';

const reporters = Object.entries(formats);

describe.each(reporters)('the format %s', (_, reporter) => {
  test('is the same for the same report', () => {
    const first = reporter(mixed, tool, plain);
    expect(reporter(structuredClone(mixed), structuredClone(tool), plain)).toBe(first);
  });

  test('contains no other members of a finding', () => {
    const planted = { ...finding(), value: 'CANARY-value', bytes: Buffer.from('CANARY-bytes') };
    const output = reporter(
      report({
        findings: [planted],
        hidden: [planted],
        suppressed: [{ ...planted, reason: 'none' }],
      }),
      tool,
      plain,
    );
    expect(canariesIn(output)).toEqual([]);
    expect(output).toContain('deploy/db.yaml');
  });

  test('has no control characters, whatever the names are', () => {
    fc.assert(
      fc.property(anyReport, (any) => {
        const output = reporter(any, tool, plain);
        expect(output).toMatch(/[^\n]\n$/);
        expect(output).not.toMatch(/[^\P{Cc}\n]|[\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/u);
      }),
      { numRuns: 60 },
    );
  });
});

test('findings are sorted by path, line, column and rule, regardless of locale', () => {
  const inOrder = [
    finding({ path: 'B.yaml' }),
    finding({ path: 'a.yaml', position: { line: 2, column: 9 } }),
    finding({ path: 'a.yaml', position: { line: 10, column: 1 }, code: 'a' }),
    finding({ path: 'a.yaml', position: { line: 10, column: 1 }, code: 'b' }),
    finding({ path: 'a.yaml', position: { line: 10, column: 2 }, code: 'a' }),
    finding({ path: 'ä.yaml' }),
  ];
  expect(sorted(inOrder.toReversed())).toEqual(inOrder);
});
