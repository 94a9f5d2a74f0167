import type { Finding } from '../rules/rule.ts';
import { fingerprintsOf } from './fingerprint.ts';
import { jsonText } from './json-text.ts';
import type { Report, Reporter, Tool } from './report.ts';
import { descriptorOf, messageOf } from './sarif-rule.ts';
import { uriOf } from './uri.ts';
import { printable, sentenceOf } from './words.ts';

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
