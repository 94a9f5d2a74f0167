import { createHash } from 'node:crypto';
import { jsonText } from '../text.ts';
import type { Finding, Rule } from '../verify/rule.ts';
import { printable, type Report, type Reporter, sentenceOf, sorted, type Tool } from './report.ts';

const SCHEMA =
  'https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json';

/** SARIF 2.1.0 for code scanning. */
export const sarif: Reporter = (report, tool) => {
  const log = { $schema: SCHEMA, version: '2.1.0', runs: [runOf(report, tool)] };
  return jsonText(log);
};

function runOf(report: Report, tool: Tool) {
  const { version, informationUri, rules } = tool;
  const uris = [...new Set(shownIn(report).map(({ path }) => uriOf(path)))];
  return {
    tool: {
      driver: { name: 'kseal', version, informationUri, rules: rules.map(descriptorOf) },
    },
    invocations: [
      { executionSuccessful: true, toolExecutionNotifications: notificationsOf(report) },
    ],
    columnKind: 'utf16CodeUnits',
    artifacts: uris.map((uri) => ({ location: { uri }, roles: ['analysisTarget'] })),
    results: resultsOf(report, tool, uris),
  };
}

function shownIn({ findings, suppressed }: Report): readonly Finding[] {
  return [...findings, ...suppressed];
}

function notificationsOf({ notes, hidden }: Report) {
  const unshown = hidden.length === 0 ? [] : [`findings that are not shown: ${hidden.length}`];
  return [...notes, ...unshown].map((note) => ({
    level: 'note',
    message: messageOf(printable(note)),
  }));
}

function resultsOf(report: Report, { rules }: Tool, uris: readonly string[]) {
  const { findings, hidden, suppressed } = report;
  const fingerprints = fingerprintsOf([...shownIn(report), ...hidden]);
  const ruleIndices = new Map(rules.map(({ id }, index) => [id, index]));
  const artifactIndices = new Map(uris.map((uri, index) => [uri, index]));
  const resultOf = (finding: Finding) => ({
    ruleId: finding.code,
    ruleIndex: ruleIndices.get(finding.code),
    level: finding.severity,
    message: messageOf(wordsOf(finding)),
    locations: [locationOf(finding, artifactIndices)],
    // Not GitHub's `primaryLocationLineHash`: its uploader warns about hashes of other tools.
    partialFingerprints: { 'ksealFinding/v1': fingerprints.get(finding) },
  });
  return [
    ...findings.map(resultOf),
    ...suppressed.map((finding) => ({
      ...resultOf(finding),
      suppressions: [
        { kind: 'inSource', status: 'accepted', justification: printable(finding.reason) },
      ],
    })),
  ];
}

function wordsOf(finding: Finding): string {
  const sentence = printable(sentenceOf(finding));
  return finding.hint === undefined ? sentence : `${sentence}\nhint: ${printable(finding.hint)}`;
}

function locationOf({ path, position }: Finding, artifacts: ReadonlyMap<string, number>) {
  const uri = uriOf(path);
  return {
    physicalLocation: {
      artifactLocation: { uri, index: artifacts.get(uri) },
      region: { startLine: position.line, startColumn: position.column },
    },
  };
}

/** Describes a rule (§3.49). */
function descriptorOf({ id, severity, summary, why, wrong, right }: Rule) {
  return {
    id,
    shortDescription: { text: summary },
    fullDescription: { text: why },
    help: {
      text: `${why}\n\nWrong:\n\n${wrong}\n\nRight:\n\n${right}\n`,
      markdown: `${why}\n\n**Wrong**\n\n${fenced(wrong)}\n\n**Right**\n\n${fenced(right)}\n`,
    },
    defaultConfiguration: { level: severity },
    properties: { tags: ['security', 'kubernetes'] },
  };
}

/** Fences code; a fence is longer than any run of backticks in it (CommonMark §4.5). */
function fenced(yaml: string): string {
  const longest = Math.max(0, ...(yaml.match(/`+/g) ?? []).map(({ length }) => length));
  const fence = '`'.repeat(Math.max(3, longest + 1));
  return `${fence}yaml\n${yaml}\n${fence}`;
}

/**
 * Returns a message (§3.11). Braces are doubled, because `{0}` is a placeholder (§3.11.5). A name
 * from a file must not make a link (§3.11.6), which cannot be escaped.
 */
function messageOf(text: string): { readonly text: string } {
  return {
    text: text.replaceAll('](', '] (').replaceAll('{', '{{').replaceAll('}', '}}'),
  };
}

/** Returns a path as a URI reference (RFC 3986), which is relative if the path is. */
export function uriOf(path: string): string {
  const encoded = path
    .replace(/^(?:\.\/+)+/, '')
    .replace(/\p{Cs}/gu, '\uFFFD')
    .split('/')
    .map(encodeURIComponent)
    .join('/');
  if (path.startsWith('/')) return `file://${encoded}`;
  return /^[A-Za-z]:\//.test(path) ? `file:///${encoded.replace('%3A', ':')}` : encoded;
}

/**
 * Returns hashes that identify findings from run to run: of the rule, file, Secret and data key,
 * and a counter for equal ones. They include neither line nor value.
 */
function fingerprintsOf(findings: readonly Finding[]): Map<Finding, string> {
  const counts = new Map<string, number>();
  return new Map(
    sorted(findings).map((finding) => {
      const { code, path, secret, key } = finding;
      const identity = JSON.stringify([code, path, secret ?? null, key ?? null]);
      const ordinal = counts.get(identity) ?? 0;
      counts.set(identity, ordinal + 1);
      const hash = createHash('sha256').update(`${identity}${ordinal}`).digest('hex');
      return [finding, hash.slice(0, 32)];
    }),
  );
}
