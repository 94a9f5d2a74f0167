import { counted } from '../text.ts';
import type { Finding, SuppressedFinding } from '../verify/rule.ts';
import { byPath, pointOf, printable, type Report, type Reporter, sentenceOf } from './report.ts';

/** One test case per file: its name is stable, so GitLab and Jenkins see when it is fixed. */
interface TestCase {
  readonly path: string;
  readonly findings: readonly Finding[];
  readonly hidden: readonly Finding[];
  readonly suppressed: readonly SuppressedFinding[];
}

/** JUnit XML as Jenkins and GitLab read it (fixtures/report/junit.xsd). */
export const junit: Reporter = (report) => {
  const cases = casesOf(report).map((test) => ({ test, failed: hasFailed(test, report) }));
  const failures = cases.filter(({ failed }) => failed).length;
  const counts = `tests="${cases.length}" failures="${failures}" errors="0"`;
  return [
    '<?xml version="1.0" encoding="UTF-8"?>',
    `<testsuites name="kseal verify" ${counts}>`,
    `  <testsuite name="kseal verify" ${counts}>`,
    ...cases.flatMap(({ test, failed }) => elementOf(test, failed)),
    ...block('    ', 'system-out', '', report.notes.map(printable)),
    '  </testsuite>',
    '</testsuites>',
    '',
  ].join('\n');
};

function casesOf(report: Report): TestCase[] {
  const findings = byPath(report.findings);
  const hidden = byPath(report.hidden);
  const suppressed = byPath(report.suppressed);
  const paths = new Set(
    [report.files, findings.keys(), hidden.keys(), suppressed.keys()].flatMap((keys) => [...keys]),
  );
  return [...paths].map((path) => ({
    path,
    findings: findings.get(path) ?? [],
    hidden: hidden.get(path) ?? [],
    suppressed: suppressed.get(path) ?? [],
  }));
}

function hasFailed({ findings, hidden }: TestCase, { failOn }: Report): boolean {
  return [...findings, ...hidden].some(
    ({ severity }) => severity === 'error' || failOn === 'warning',
  );
}

/** GitLab shows only the failure of a test case, Jenkins also its output. */
function elementOf(test: TestCase, failed: boolean): string[] {
  const found = [
    ...test.findings.flatMap(linesOf),
    ...(test.hidden.length === 0 ? [] : [`${counted(test.hidden.length, 'finding')} not shown`]),
  ];
  const aside = test.suppressed.flatMap((finding) => [
    printable(`suppressed: ${finding.reason}`),
    ...linesOf(finding),
  ]);
  const content = [
    ...(failed ? block('      ', 'failure', failureAttributes(test), found) : []),
    ...block('      ', 'system-out', '', [...(failed ? [] : found), ...aside]),
  ];
  const start = `    <testcase classname="kseal.verify" name="${escaped(printable(test.path))}"`;
  return content.length === 0 ? [`${start}/>`] : [`${start}>`, ...content, '    </testcase>'];
}

function failureAttributes({ findings, hidden }: TestCase): string {
  const [first, ...others] = [...findings, ...hidden];
  if (first === undefined) return '';
  const more = others.length === 0 ? '' : ` (and ${others.length} more)`;
  const message = `${printable(sentenceOf(first))}${more}`;
  return ` type="${escaped(first.code)}" message="${escaped(message)}"`;
}

function linesOf(finding: Finding): string[] {
  const { severity, code, hint } = finding;
  return [
    `${pointOf(finding)}: ${severity} ${code}: ${sentenceOf(finding)}`,
    ...(hint === undefined ? [] : [`  hint: ${hint}`]),
  ].map(printable);
}

function block(indent: string, name: string, attributes: string, lines: string[]): string[] {
  if (lines.length === 0) return [];
  return [`${indent}<${name}${attributes}>${lines.map(escaped).join('\n')}</${name}>`];
}

/** Escapes text after `printable`, which replaces the characters that XML 1.0 forbids. */
function escaped(text: string): string {
  const references: Readonly<Record<string, string>> = {
    '&': '&amp;',
    '<': '&lt;',
    '>': '&gt;',
    '"': '&quot;',
  };
  return text.replace(/[&<>"]/g, (c) => references[c] ?? c);
}
