import type { Finding } from '../verify/rule.ts';
import { pointOf, printable, type Reporter, sentenceOf, summaryOf } from './report.ts';

/**
 * Workflow commands of GitHub Actions, which show a finding at its line of the pull request. The
 * log shows only the message, so the message repeats the position.
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
  const { severity, path, position, code, hint } = finding;
  const properties = [
    `file=${property(printable(path))}`,
    `line=${position.line}`,
    `col=${position.column}`,
    `title=${property(`kseal ${code}`)}`,
  ];
  const lines = [`${pointOf(finding)}: ${sentenceOf(finding)}`, ...(hint ? [`hint: ${hint}`] : [])];
  return `::${severity} ${properties.join(',')}::${data(lines.map(printable).join('\n'))}`;
}

/** Escapes text as @actions/core does: the runner decodes these escapes and no others. */
function data(text: string): string {
  return text.replaceAll('%', '%25').replaceAll('\r', '%0D').replaceAll('\n', '%0A');
}

function property(text: string): string {
  return data(text).replaceAll(':', '%3A').replaceAll(',', '%2C');
}
