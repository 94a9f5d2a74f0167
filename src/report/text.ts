import { wrapped } from '../text.ts';
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
export const text: Reporter = (report, _tool, paint, width = Number.POSITIVE_INFINITY) => {
  const widths = widthsOf(report.findings, width);
  const blocks = [...byPath(report.findings)].map(
    ([path, findings]) =>
      `${heading(path)}\n${findings.map(rowOf(findings, widths, paint)).join('')}`,
  );
  const lines = (text: string) => wrapped(printable(text), width);
  const notes = report.notes.map((note) => `${lines(`note: ${note}`).join('\n')}\n`).join('');
  const colour = colourOf(report);
  const summary = lines(summaryOf(report))
    .map((line) => `${paint(colour, line)}\n`)
    .join('');
  return [...blocks, notes === '' ? [] : notes, summary].flat().join('\n');
};

interface Widths {
  /** The columns of the terminal. */
  readonly all: number;
  readonly place: number;
  readonly severity: number;
  readonly rule: number;
}

function widthsOf(findings: readonly Finding[], all: number): Widths {
  const widest = (textOf: (finding: Finding) => string) =>
    findings.reduce((width, finding) => Math.max(width, textOf(finding).length), 0);
  return {
    all,
    place: widest(lineAndColumn),
    severity: widest(({ severity }) => severity),
    rule: widest(({ code }) => code),
  };
}

/** Returns the path so that GitHub's runner does not mistake a leading `::` for a command. */
function heading(path: string): string {
  return printable(/^\s*::/.test(path) ? `./${path}` : path);
}

/** The least width for prose beside other columns; with less, it begins on a line of its own. */
const LEAST_PROSE = 24;

/**
 * Prints a finding, and its hint unless the next finding of the file has the same hint. A hint may
 * be a command to paste, and so it is not wrapped.
 */
function rowOf(findings: readonly Finding[], widths: Widths, paint: Paint) {
  const { all, place, severity, rule } = widths;
  const hintIndent = place + 4;
  const messageIndent = hintIndent + severity + 2 + rule + 2;
  const isBeside = all - messageIndent >= LEAST_PROSE;
  const indent = isBeside ? messageIndent : hintIndent;
  return (finding: Finding, index: number): string => {
    const cells = [
      lineAndColumn(finding).padEnd(place),
      paint(colours[finding.severity], finding.severity.padEnd(severity)),
      isBeside ? finding.code.padEnd(rule) : finding.code,
    ];
    const [first, ...rest] = wrapped(printable(sentenceOf(finding)), all - indent);
    const message = isBeside ? [`  ${first}`, ...rest] : ['', first, ...rest];
    const { hint } = finding;
    const isShared = hint === findings[index + 1]?.hint;
    const hinted =
      hint === undefined || isShared ? [] : [`${paint('cyan', 'hint:')} ${printable(hint)}`];
    return [
      `  ${cells.join('  ')}${message.join(`\n${' '.repeat(indent)}`)}\n`,
      ...hinted.map((line) => `${' '.repeat(hintIndent)}${line}\n`),
    ].join('');
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
