import { readFileSync } from 'node:fs';
import { Ajv } from 'ajv';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { json } from '../../src/report/json.ts';
import { anyReport, finding, mixed, plain, report, tool } from './sample.ts';

const file = new URL('../../fixtures/report/report.schema.json', import.meta.url);
const schemaText = readFileSync(file, 'utf8');
const validate = new Ajv({ strict: true, strictTypes: false }).compile(JSON.parse(schemaText));

/** Every member that the schema speaks of. */
const documented = new Set<string>();
JSON.parse(schemaText, (key, value) => {
  if (key === 'properties') for (const name of Object.keys(value)) documented.add(name);
  return value;
});

/** What does not fit, and members that the schema does not speak of. */
function faultsOf(output: string): unknown[] {
  const unknown: string[] = [];
  const value = JSON.parse(output, (key, member) => {
    if (Number.isNaN(Number(key)) && !documented.has(key)) unknown.push(key);
    return member;
  });
  return [...(validate(value) ? [] : (validate.errors ?? [])), ...unknown];
}

describe('json', () => {
  test('is as its schema says', () => {
    expect(faultsOf(json(mixed, tool, plain))).toEqual([]);
    expect(faultsOf(json(report(), tool, plain))).toEqual([]);
  });

  test('the schema is not satisfied with anything', () => {
    expect(faultsOf('{"version": 2}')).not.toEqual([]);
    expect(faultsOf(json(mixed, tool, plain).replace('"rule"', '"name"'))).not.toEqual([]);
  });

  test('says what was found, what was not, and what is silenced', () => {
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

  test('gives every name back as it was', () => {
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
