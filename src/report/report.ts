import { printable as oneLine } from '../text.ts';
import type { Finding, Rule, Severity, SuppressedFinding } from '../verify/rule.ts';

/** What a run of verify found. The reporters put it into words; they know nothing else. */
export interface Report {
  /** In the order in which they are shown: `inOrder`. */
  readonly findings: readonly Finding[];
  /** Those beyond `--max-findings`: counted, but not shown. */
  readonly hidden: readonly Finding[];
  readonly suppressed: readonly SuppressedFinding[];
  /** Every path that was read, or should have been. */
  readonly files: readonly string[];
  readonly secrets: number;
  readonly values: number;
  readonly sealed: number;
  /** From which severity on a file fails, where a format has such a thing. */
  readonly failOn: Severity;
  /** What the reader should know about the run itself, a sentence each. */
  readonly notes: readonly string[];
}

export interface Tool {
  readonly version: string;
  readonly informationUri?: string | undefined;
  readonly rules: readonly Rule[];
}

/** Colours a text, or returns it as it is. */
export type Paint = (colour: 'red' | 'yellow' | 'cyan' | 'green', text: string) => string;

/** A format of `kseal verify`: the whole output, with its last line ended. */
export type Reporter = (report: Report, tool: Tool, paint: Paint) => string;

/** By path, line, column and rule, whatever the locale. */
export function inOrder<F extends Finding>(findings: readonly F[]): readonly F[] {
  return findings.toSorted(
    (a, b) =>
      compare(a.path, b.path) ||
      a.position.line - b.position.line ||
      a.position.column - b.position.column ||
      compare(a.rule, b.rule),
  );
}

function compare(a: string, b: string): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}

interface Tally {
  readonly errors: number;
  readonly warnings: number;
  /** The files with a finding. */
  readonly faulty: number;
  readonly files: number;
}

/** Counts the findings, shown or not. */
export function tallyOf({ findings, hidden, files }: Report): Tally {
  const all = [...findings, ...hidden];
  const errors = all.filter(({ severity }) => severity === 'error').length;
  const faulty = new Set(all.map(({ path }) => path));
  return {
    errors,
    warnings: all.length - errors,
    faulty: faulty.size,
    files: new Set([...files, ...faulty]).size,
  };
}

/** Puts what belongs to one file together; files in the order of their first finding. */
export function byPath<F extends Finding>(findings: readonly F[]): Map<string, F[]> {
  const groups = new Map<string, F[]>();
  for (const finding of findings) {
    const group = groups.get(finding.path);
    if (group === undefined) groups.set(finding.path, [finding]);
    else group.push(finding);
  }
  return groups;
}

/** What is wrong, and in what: `Secret hr/db, data key "password": the value is not sealed`. */
export function sentenceOf({ secret, key, message }: Finding): string {
  const place = [
    secret === undefined ? [] : [`Secret ${secret}`],
    key === undefined ? [] : [`data key "${key}"`],
  ].flat();
  return place.length === 0 ? message : `${place.join(', ')}: ${message}`;
}

/** `deploy/db.yaml:11:13`. */
export function placeOf({ path, position }: Finding): string {
  return `${path}:${position.line}:${position.column}`;
}

/** `text` as one line that steers neither a terminal nor GitHub's runner, which obeys `##[command]`. */
export function printable(text: string): string {
  return oneLine(text).replaceAll('##[', '#\\u{23}[');
}

export function counted(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`;
}

/** `3 errors, 1 warning in 2 of 40 files; 120 of 121 values are sealed`. */
export function summaryOf(report: Report): string {
  const { errors, warnings, faulty, files } = tallyOf(report);
  const kinds = [
    errors === 0 ? [] : [counted(errors, 'error')],
    warnings === 0 ? [] : [counted(warnings, 'warning')],
  ].flat();
  const { hidden, suppressed } = report;
  return [
    kinds.length === 0
      ? `no findings in ${counted(files, 'file')}`
      : `${kinds.join(', ')} in ${faulty} of ${counted(files, 'file')}`,
    hidden.length === 0 ? [] : `${hidden.length} of these not shown`,
    sealedPart(report),
    suppressed.length === 0 ? [] : `${counted(suppressed.length, 'finding')} suppressed`,
  ]
    .flat()
    .join('; ');
}

function sealedPart({ secrets, values, sealed }: Report): string {
  if (values === 0)
    return secrets === 0 ? 'no Secrets' : `no values in ${counted(secrets, 'Secret')}`;
  if (values === 1)
    return sealed === 1 ? 'the only value is sealed' : 'the only value is not sealed';
  return `${sealed === values ? 'all' : `${sealed} of`} ${values} values are sealed`;
}
