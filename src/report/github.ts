import type { Finding } from '../verify/rule.ts';
import { placeOf, printable, type Reporter, sentenceOf, summaryOf } from './report.ts';

/**
 * Workflow commands of GitHub Actions: a finding is shown at its line of the pull request. The log
 * shows the message alone, so the message says the place as well.
 */
export const github: Reporter = (report) =>
  [
    ...report.findings.map(commandOf),
    ...report.notes.map((note) => `::notice title=kseal::${data(printable(note))}`),
    summaryOf(report),
  ]
    .map((line) => `${line}\n`)
    .join('');

function commandOf(finding: Finding): string {
  const { severity, path, position, rule, hint } = finding;
  const properties = [
    `file=${property(printable(path))}`,
    `line=${position.line}`,
    `col=${position.column}`,
    `title=${property(`kseal ${rule}`)}`,
  ];
  const lines = [`${placeOf(finding)}: ${sentenceOf(finding)}`, ...(hint ? [`hint: ${hint}`] : [])];
  return `::${severity} ${properties.join(',')}::${data(lines.map(printable).join('\n'))}`;
}

/** The escapes of the package @actions/core: the runner undoes these and no others. */
function data(text: string): string {
  return text.replaceAll('%', '%25').replaceAll('\r', '%0D').replaceAll('\n', '%0A');
}

function property(text: string): string {
  return data(text).replaceAll(':', '%3A').replaceAll(',', '%2C');
}
