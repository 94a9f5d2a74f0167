import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { validateXML } from 'xmllint-wasm';
import { junit } from '../../src/report/junit.ts';
import type { Report } from '../../src/report/report.ts';
import { anyReport, finding, mixed, plain, report, tool } from './sample.ts';

const schemaFile = new URL('../../fixtures/report/junit.xsd', import.meta.url);
const schema = [{ fileName: 'junit.xsd', contents: readFileSync(schemaFile, 'utf8') }];

/** Returns the errors of libxml2 for the documents. */
async function faultsOf(documents: readonly string[]): Promise<readonly string[]> {
  const xml = documents.map((contents, index) => ({ fileName: `${index}.xml`, contents }));
  const { valid, errors } = await validateXML({ xml, schema, maxMemoryPages: 16_384 });
  return valid ? [] : errors.map(({ message }) => message);
}

function output(changes: Partial<Report>): string {
  return junit(report(changes), tool, plain);
}

describe('junit', () => {
  test('follows its schema', async () => {
    const reports = [report(), report({ files: [] }), mixed, { ...mixed, hidden: mixed.findings }];
    expect(await faultsOf(reports.map((given) => junit(given, tool, plain)))).toEqual([]);
  });

  test('has a schema that rejects other output', async () => {
    expect(await faultsOf(['<testsuites><testcase/></testsuites>'])).not.toEqual([]);
    expect(await faultsOf(['<testsuites>'])).not.toEqual([]);
  });

  test('has a test case for each file, which fails for an error', () => {
    expect(junit(mixed, tool, plain)).toBe(
      `<?xml version="1.0" encoding="UTF-8"?>
<testsuites name="kseal verify" tests="3" failures="1" errors="0">
  <testsuite name="kseal verify" tests="3" failures="1" errors="0">
    <testcase classname="kseal.verify" name="deploy/clean.yaml"/>
    <testcase classname="kseal.verify" name="deploy/db.yaml">
      <failure type="plaintext-value" message="Secret hr/db, data key &quot;user&quot;: the value is not sealed (and 1 more)">deploy/db.yaml:9:9: error plaintext-value: Secret hr/db, data key &quot;user&quot;: the value is not sealed
  hint: kseal seal -i -f deploy/db.yaml
deploy/db.yaml:11:13: error plaintext-value: Secret hr/db, data key &quot;password&quot;: the value is not sealed
  hint: kseal seal -i -f deploy/db.yaml</failure>
      <system-out>suppressed: until May
deploy/db.yaml:11:13: error weak-key: Secret hr/db, data key &quot;password&quot;: a key of 2048 bits
  hint: kseal seal -i -f deploy/db.yaml</system-out>
    </testcase>
    <testcase classname="kseal.verify" name="deploy/web.yaml">
      <system-out>deploy/web.yaml:120:1: warning string-data: Secret web: stringData is not removed by kubectl apply</system-out>
    </testcase>
    <system-out>no key is known, so unknown-kid was not judged</system-out>
  </testsuite>
</testsuites>
`,
    );
  });

  test('fails a file for a warning if the run fails for warnings', () => {
    const findings = [finding({ severity: 'warning' })];
    expect(output({ findings })).toContain('failures="0"');
    expect(output({ findings, failOn: 'warning' })).toContain('failures="1"');
  });

  test('fails a file for findings that are not shown', () => {
    const xml = output({ hidden: [finding()] });
    expect(xml).toContain('failures="1"');
    expect(xml).toContain('>1 finding not shown</failure>');
  });

  test('has a test case for a file that cannot be read', () => {
    expect(output({ files: [], findings: [finding({ code: 'unreadable' })] })).toContain(
      'tests="1"',
    );
  });

  test('escapes the characters that XML does not allow', () => {
    const xml = output({ files: [`<a>&"'\u0000\u001B\uD800\uFFFE]]>\n.yaml`] });
    expect(xml).toContain(
      `name="&lt;a&gt;&amp;&quot;'\\u{0}\\u{1b}\\u{d800}\\u{fffe}]]&gt;\\u{a}.yaml"`,
    );
  });

  test('follows its schema, whatever the names are', async () => {
    const reports = fc.sample(anyReport, 100);
    expect(await faultsOf(reports.map((any) => junit(any, tool, plain)))).toEqual([]);
  });
});
