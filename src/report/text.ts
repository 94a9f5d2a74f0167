import type { Finding, Severity } from '../verify/rule.ts';
import {
  byPath,
  type Paint,
  printable,
  type Report,
  type Reporter,
  sentenceOf,
  summaryOf,
  tallyOf,
} from './report.ts';

const colours = { error: 'red', warning: 'yellow' } as const;

/** Text for people: a block for each file, and a summary. */
export const text: Reporter = (report, _tool, paint) => {
  const widths = widthsOf(report.findings);
  const blocks = [...byPath(report.findings)].map(
    ([path, findings]) =>
      `${heading(path)}\n${findings.map(rowOf(findings, widths, paint)).join('')}`,
  );
  const notes = report.notes.map((note) => `note: ${printable(note)}\n`).join('');
  const summary = `${paint(colourOf(report), summaryOf(report))}\n`;
  return [...blocks, notes === '' ? [] : notes, summary].flat().join('\n');
};

interface Widths {
  readonly place: number;
  readonly severity: number;
  readonly rule: number;
}

function widthsOf(findings: readonly Finding[]): Widths {
  const widest = (textOf: (finding: Finding) => string) =>
    findings.reduce((width, finding) => Math.max(width, textOf(finding).length), 0);
  return {
    place: widest(lineAndColumn),
    severity: widest(({ severity }) => severity),
    rule: widest(({ code }) => code),
  };
}

/** Returns the path so that GitHub's runner does not mistake a leading `::` for a command. */
function heading(path: string): string {
  return printable(/^\s*::/.test(path) ? `./${path}` : path);
}

/** Prints a finding, and its hint unless the next finding of the file has the same hint. */
function rowOf(findings: readonly Finding[], { place, severity, rule }: Widths, paint: Paint) {
  return (finding: Finding, index: number): string => {
    const cells = [
      ' ',
      lineAndColumn(finding).padEnd(place),
      paint(colours[finding.severity], finding.severity.padEnd(severity)),
      finding.code.padEnd(rule),
      printable(sentenceOf(finding)),
    ];
    const { hint } = finding;
    const hinted =
      hint === undefined || hint === findings[index + 1]?.hint
        ? ''
        : `${' '.repeat(place + 4)}${paint('cyan', 'hint:')} ${printable(hint)}\n`;
    return `${cells.join('  ').slice(1)}\n${hinted}`;
  };
}

function lineAndColumn({ position: { line, column } }: Finding): string {
  return `${line}:${column}`;
}

function colourOf(report: Report): (typeof colours)[Severity] | 'green' {
  const { errors, warnings } = tallyOf(report);
  if (errors > 0) return colours.error;
  return warnings > 0 ? colours.warning : 'green';
}
