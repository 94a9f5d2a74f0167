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
  test('the published schema refuses what is wrong', () => {
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

  test('leaves the address out when there is none', () => {
    const log = JSON.parse(sarif(mixed, { version: '1', rules: [] }, plain));
    expect(validate(log)).toBe(true);
    expect(log.runs[0].tool.driver).toEqual({ name: 'kseal', version: '1', rules: [] });
    expect(log.runs[0].results[0]).not.toHaveProperty('ruleIndex');
  });

  test('a result has rule, level, words and place', () => {
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

  test('the level is that of the finding, which the configuration may have set', () => {
    expect(resultFor({ severity: 'warning' }).level).toBe('warning');
  });

  test('what is suppressed is there, with its reason', () => {
    expect(runOf(mixed).results.at(-1)).toMatchObject({
      ruleId: 'weak-key',
      suppressions: [{ kind: 'inSource', status: 'accepted', justification: 'until May' }],
    });
  });

  test('says that it ran, its notes, and how much is not shown', () => {
    const [invocation] = runOf({ ...mixed, hidden: [finding()] }).invocations;
    expect(invocation.executionSuccessful).toBe(true);
    expect(
      invocation.toolExecutionNotifications.map(
        ({ message }: { message: { text: string } }) => message.text,
      ),
    ).toEqual(['no key is known, so unknown-kid was not judged', 'findings that are not shown: 1']);
  });

  test('braces are no placeholders, and brackets no links', () => {
    const { text } = resultFor({ secret: '{0}', key: '[a](b)', hint: undefined }).message;
    expect(text).toBe('Secret {{0}}, data key "[a] (b)": the value is not sealed');
  });

  test('is valid whatever the names', () => {
    fc.assert(
      fc.property(anyReport, (any) => void runOf(any)),
      { numRuns: 60 },
    );
  });
});

describe('fingerprints', () => {
  const [first, second] = [finding(), finding({ position: { line: 30, column: 13 } })];

  test('stay when lines move, words change or hints do', () => {
    const moved = finding({ position: { line: 90, column: 3 }, message: 'x', hint: undefined });
    expect(fingerprints({ findings: [moved] })).toEqual(fingerprints({ findings: [first] }));
  });

  test.each([{ code: 'x' }, { path: 'x' }, { secret: 'x' }, { key: 'x' }, { key: undefined }])(
    'differ with %j',
    (change) => {
      expect(fingerprints({ findings: [finding(change)] })).not.toEqual(
        fingerprints({ findings: [first] }),
      );
    },
  );

  test('of equals differ, also when one is suppressed or not shown', () => {
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
