import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import ajvDraft04 from 'ajv-draft-04';
import ajvFormats from 'ajv-formats';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Report } from '../../src/report/report.ts';
import { sarif, uriOf } from '../../src/report/sarif.ts';
import { anyReport, finding, mixed, plain, report, tool } from './sample.ts';

const published = createRequire(import.meta.url).resolve(
  '@microsoft/jest-sarif/lib/schemas/sarif-2.1.0-rtm.5.json',
);
const ajv = new ajvDraft04.default({ strict: false, unicodeRegExp: false });
ajvFormats.default(ajv);
const validate = ajv.compile(JSON.parse(readFileSync(published, 'utf8')));

function runOf(given: Report) {
  const log = JSON.parse(sarif(given, tool, plain));
  expect(validate(log) ? [] : validate.errors).toEqual([]);
  return log.runs[0];
}

function resultFor(changes: Parameters<typeof finding>[0]) {
  return runOf(report({ findings: [finding(changes)] })).results[0];
}

function fingerprints(given: Partial<Report>): string[] {
  return runOf(report(given)).results.map(
    (result: { partialFingerprints: Record<string, string> }) =>
      result.partialFingerprints['ksealFinding/v1'],
  );
}

describe('sarif', () => {
  test('has a schema that rejects other output', () => {
    expect(validate({ version: '2.1.0', runs: [{}] })).toBe(false);
  });

  test('describes the rules', () => {
    const { driver } = runOf(mixed).tool;
    expect(driver).toMatchObject({ name: 'kseal', version: '1.2.3' });
    expect(driver.rules[1]).toMatchObject({
      id: 'string-data',
      shortDescription: { text: 'about string-data' },
      fullDescription: { text: 'Why string-data matters.' },
      defaultConfiguration: { level: 'warning' },
    });
    expect(driver.rules[0].help.text).toContain('Wrong:\n\nstringData:\n  a: ```b```\n');
    expect(driver.rules[0].help.markdown).toContain('````yaml\nstringData:\n  a: ```b```\n````\n');
  });

  test('needs neither a URI of the tool nor rules', () => {
    const log = JSON.parse(sarif(mixed, { version: '1', rules: [] }, plain));
    expect(validate(log)).toBe(true);
    expect(log.runs[0].tool.driver).toEqual({ name: 'kseal', version: '1', rules: [] });
    expect(log.runs[0].results[0]).not.toHaveProperty('ruleIndex');
  });

  test('gives each result a rule, a level, a message and a location', () => {
    const run = runOf(mixed);
    expect(run.columnKind).toBe('utf16CodeUnits');
    expect(run.results[2]).toMatchObject({
      ruleId: 'string-data',
      ruleIndex: 1,
      level: 'warning',
      message: { text: 'Secret web: stringData is not removed by kubectl apply' },
    });
    expect(run.results[0].message.text).toBe(
      'Secret hr/db, data key "user": the value is not sealed\nhint: kseal seal -i -f deploy/db.yaml',
    );
    expect(run.results[2].locations).toEqual([
      {
        physicalLocation: {
          artifactLocation: { uri: 'deploy/web.yaml', index: 1 },
          region: { startLine: 120, startColumn: 1 },
        },
      },
    ]);
    expect(run.artifacts.map((a: { location: unknown }) => a.location)).toEqual([
      { uri: 'deploy/db.yaml' },
      { uri: 'deploy/web.yaml' },
    ]);
  });

  test('takes the level from the finding, because it can be configured', () => {
    expect(resultFor({ severity: 'warning' }).level).toBe('warning');
  });

  test('contains suppressed findings, with their reasons', () => {
    expect(runOf(mixed).results.at(-1)).toMatchObject({
      ruleId: 'weak-key',
      suppressions: [{ kind: 'inSource', status: 'accepted', justification: 'until May' }],
    });
  });

  test('reports success, the notes, and the number of findings not shown', () => {
    const [invocation] = runOf({ ...mixed, hidden: [finding()] }).invocations;
    expect(invocation.executionSuccessful).toBe(true);
    expect(
      invocation.toolExecutionNotifications.map(
        ({ message }: { message: { text: string } }) => message.text,
      ),
    ).toEqual(['no key is known, so unknown-kid was not judged', 'findings that are not shown: 1']);
  });

  test('escapes braces as placeholders and brackets as links', () => {
    const { text } = resultFor({ secret: '{0}', key: '[a](b)', hint: undefined }).message;
    expect(text).toBe('Secret {{0}}, data key "[a] (b)": the value is not sealed');
  });

  test('follows the schema, whatever the names are', () => {
    fc.assert(
      fc.property(anyReport, (any) => void runOf(any)),
      { numRuns: 60 },
    );
  });
});

describe('a fingerprint', () => {
  const [first, second] = [finding(), finding({ position: { line: 30, column: 13 } })];

  test('does not depend on position, message and hint', () => {
    const moved = finding({ position: { line: 90, column: 3 }, message: 'x', hint: undefined });
    expect(fingerprints({ findings: [moved] })).toEqual(fingerprints({ findings: [first] }));
  });

  test.each([{ code: 'x' }, { path: 'x' }, { secret: 'x' }, { key: 'x' }, { key: undefined }])(
    'depends on %j',
    (change) => {
      expect(fingerprints({ findings: [finding(change)] })).not.toEqual(
        fingerprints({ findings: [first] }),
      );
    },
  );

  test('differs for equal findings, even if one is suppressed or not shown', () => {
    const [one, two] = fingerprints({ findings: [first, second] });
    expect(one).not.toBe(two);
    expect(fingerprints({ findings: [second], hidden: [first] })).toEqual([two]);
    expect(fingerprints({ findings: [second], suppressed: [{ ...first, reason: 'x' }] })).toEqual([
      two,
      one,
    ]);
  });
});

test.each([
  ['deploy/db.yaml', 'deploy/db.yaml'],
  ['./deploy/db.yaml', 'deploy/db.yaml'],
  ['a b/ü%#?.yaml', 'a%20b/%C3%BC%25%23%3F.yaml'],
  ['main:db.yaml', 'main%3Adb.yaml'],
  ['/srv/db.yaml', 'file:///srv/db.yaml'],
  ['C:/srv/d:b.yaml', 'file:///C:/srv/d%3Ab.yaml'],
  ['\uD800.yaml', '%EF%BF%BD.yaml'],
])('the path %j is the URI %s', (path, uri) => {
  expect(uriOf(path)).toBe(uri);
});
