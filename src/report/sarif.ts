import { createHash } from 'node:crypto';
import type { Finding, Rule } from '../verify/rule.ts';
import { jsonText } from './json.ts';
import { inOrder, printable, type Report, type Reporter, sentenceOf, type Tool } from './report.ts';

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
    ruleId: finding.rule,
    ruleIndex: ruleIndices.get(finding.rule),
    level: finding.severity,
    message: messageOf(wordsOf(finding)),
    locations: [locationOf(finding, artifactIndices)],
    // Under a name of our own: GitHub's `primaryLocationLineHash` is a hash of the line, and its
    // uploader warns of every value that it has not computed itself.
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

/** A rule as SARIF describes it (§3.49). */
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

/** A fence is longer than any run of backticks within it (CommonMark §4.5). */
function fenced(yaml: string): string {
  const longest = Math.max(0, ...(yaml.match(/`+/g) ?? []).map(({ length }) => length));
  const fence = '`'.repeat(Math.max(3, longest + 1));
  return `${fence}yaml\n${yaml}\n${fence}`;
}

/**
 * A message of a result (§3.11). `{0}` would be a placeholder, so braces are doubled (§3.11.5), and
 * `[text](destination)` a link (§3.11.6), which a name from a file must not set; it has no escape.
 */
function messageOf(text: string): { readonly text: string } {
  return {
    text: text.replaceAll('](', '] (').replaceAll('{', '{{').replaceAll('}', '}}'),
  };
}

/** A path, as the user named it, as a URI reference (RFC 3986): relative unless the path is not. */
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
 * What a finding is known by from run to run: its rule, file, Secret and data key, and of several
 * equal ones the how-manieth it is. Neither its line nor any value is part of it.
 */
function fingerprintsOf(findings: readonly Finding[]): Map<Finding, string> {
  const counts = new Map<string, number>();
  return new Map(
    inOrder(findings).map((finding) => {
      const { rule, path, secret, key } = finding;
      const identity = JSON.stringify([rule, path, secret ?? null, key ?? null]);
      const ordinal = counts.get(identity) ?? 0;
      counts.set(identity, ordinal + 1);
      const hash = createHash('sha256').update(`${identity}${ordinal}`).digest('hex');
      return [finding, hash.slice(0, 32)];
    }),
  );
}
