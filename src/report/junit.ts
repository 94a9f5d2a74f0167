import type { Finding, SuppressedFinding } from '../verify/rule.ts';
import {
  byPath,
  counted,
  placeOf,
  printable,
  type Report,
  type Reporter,
  sentenceOf,
} from './report.ts';

/** A file is a test: it keeps its name over time, so that GitLab and Jenkins see it mended. */
interface TestCase {
  readonly path: string;
  readonly findings: readonly Finding[];
  readonly hidden: readonly Finding[];
  readonly suppressed: readonly SuppressedFinding[];
}

/** JUnit XML as Jenkins reads it (fixtures/report/junit.xsd), GitLab too. */
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

/** GitLab shows of a test what stands in its one failure; Jenkins the rest as well. */
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
  return ` type="${escaped(first.rule)}" message="${escaped(message)}"`;
}

function linesOf(finding: Finding): string[] {
  const { severity, rule, hint } = finding;
  return [
    `${placeOf(finding)}: ${severity} ${rule}: ${sentenceOf(finding)}`,
    ...(hint === undefined ? [] : [`  hint: ${hint}`]),
  ].map(printable);
}

function block(indent: string, name: string, attributes: string, lines: string[]): string[] {
  if (lines.length === 0) return [];
  return [`${indent}<${name}${attributes}>${lines.map(escaped).join('\n')}</${name}>`];
}

/** `printable` has taken away already what XML 1.0 cannot hold at all. */
function escaped(text: string): string {
  const references: Readonly<Record<string, string>> = {
    '&': '&amp;',
    '<': '&lt;',
    '>': '&gt;',
    '"': '&quot;',
  };
  return text.replace(/[&<>"]/g, (c) => references[c] ?? c);
}
