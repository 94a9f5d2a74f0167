import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { json } from '../../src/report/json.ts';
import { faultsBy } from '../helpers/json-schema.ts';
import { anyReport, finding, mixed, plain, report, tool } from './sample.ts';

const faultsOf = faultsBy('verify.schema.json');

describe('json', () => {
  test('follows its schema', () => {
    expect(faultsOf(json(mixed, tool, plain))).toEqual([]);
    expect(faultsOf(json(report(), tool, plain))).toEqual([]);
  });

  test('has a schema that rejects other output', () => {
    expect(faultsOf('{"version": 2}')).not.toEqual([]);
    expect(faultsOf(json(mixed, tool, plain).replace('"rule"', '"name"'))).not.toEqual([]);
  });

  test('has findings, suppressed findings and a summary', () => {
    const { findings, suppressed, summary } = JSON.parse(
      json({ ...mixed, hidden: [finding({ path: 'z.yaml' })] }, tool, plain),
    );
    expect(findings[2]).toEqual({
      rule: 'string-data',
      severity: 'warning',
      path: 'deploy/web.yaml',
      line: 120,
      column: 1,
      secret: 'web',
      key: null,
      message: 'stringData is not removed by kubectl apply',
      hint: null,
    });
    expect(suppressed).toMatchObject([{ rule: 'weak-key', reason: 'until May' }]);
    expect(summary).toEqual({
      errors: 3,
      warnings: 1,
      notShown: 1,
      suppressed: 1,
      files: 4,
      filesWithFindings: 3,
      secrets: 2,
      values: 5,
      sealed: 3,
    });
  });

  test('keeps all texts, whatever they are', () => {
    fc.assert(
      fc.property(anyReport, (any) => {
        const output = json(any, tool, plain);
        expect(faultsOf(output)).toEqual([]);
        const { findings, suppressed, notes } = JSON.parse(output);
        expect(findings).toEqual(
          any.findings.map(({ code, position, secret, key, hint, ...rest }) => ({
            rule: code,
            ...rest,
            ...position,
            secret: secret ?? null,
            key: key ?? null,
            hint: hint ?? null,
          })),
        );
        expect(suppressed.map(({ reason }: { reason: string }) => reason)).toEqual(
          any.suppressed.map(({ reason }) => reason),
        );
        expect(notes).toEqual(any.notes);
      }),
      { numRuns: 60 },
    );
  });
});
