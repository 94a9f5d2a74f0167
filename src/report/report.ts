import { compareText, inOrder } from '../diagnostic.ts';
import { counted, grouped, printable as oneLine } from '../text.ts';
import type { Finding, Rule, Severity, SuppressedFinding } from '../verify/rule.ts';

/** The result of a run of verify: the only input of the reporters. */
export interface Report {
  /** In the order of `sorted`. */
  readonly findings: readonly Finding[];
  /** The findings beyond `--max-findings`, which are counted but not shown. */
  readonly hidden: readonly Finding[];
  readonly suppressed: readonly SuppressedFinding[];
  /** All paths, including those that could not be read. */
  readonly files: readonly string[];
  readonly secrets: number;
  readonly values: number;
  readonly sealed: number;
  /** The severity from which a file fails, in formats that have failures. */
  readonly failOn: Severity;
  /** Sentences about the run itself. */
  readonly notes: readonly string[];
}

export interface Tool {
  readonly version: string;
  readonly informationUri?: string | undefined;
  readonly rules: readonly Rule[];
}

/** Colours a text, or returns it unchanged. */
export type Paint = (colour: 'red' | 'yellow' | 'cyan' | 'green', text: string) => string;

/**
 * Returns the output of `kseal verify` in one format, with a final newline. `width` is that of the
 * terminal; text for people fits into it.
 */
export type Reporter = (report: Report, tool: Tool, paint: Paint, width?: number) => string;

/** Sorts findings by path, position and rule. */
export function sorted<F extends Finding>(findings: readonly F[]): readonly F[] {
  return findings.toSorted((a, b) => compareText(a.path, b.path) || inOrder(a, b));
}

interface Tally {
  readonly errors: number;
  readonly warnings: number;
  /** The number of files with a finding. */
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

/** Groups findings by file, in the order of the first finding of each. */
export function byPath<F extends Finding>(findings: readonly F[]): Map<string, F[]> {
  const groups = new Map<string, F[]>();
  for (const finding of findings) {
    const group = groups.get(finding.path);
    if (group === undefined) groups.set(finding.path, [finding]);
    else group.push(finding);
  }
  return groups;
}

/** Returns `Secret hr/db, data key "password": the value is not sealed`. */
export function sentenceOf({ secret, key, message }: Finding): string {
  const place = [
    secret === undefined ? [] : [`Secret ${secret}`],
    key === undefined ? [] : [`data key "${key}"`],
  ].flat();
  return place.length === 0 ? message : `${place.join(', ')}: ${message}`;
}

/** Returns `deploy/db.yaml:11:13`. */
export function pointOf({ path, position }: Finding): string {
  return `${path}:${position.line}:${position.column}`;
}

/** Returns one line that controls neither a terminal nor GitHub's runner (`##[command]`). */
export function printable(text: string): string {
  return oneLine(text).replaceAll('##[', '#\\u{23}[');
}

/** Returns `3 errors, 1 warning in 2 of 40 files; 120 of 121 values are sealed`. */
export function summaryOf(report: Report): string {
  const { errors, warnings, faulty, files } = tallyOf(report);
  const kinds = [
    ...(errors === 0 ? [] : [counted(errors, 'error')]),
    ...(warnings === 0 ? [] : [counted(warnings, 'warning')]),
  ];
  const { hidden, suppressed } = report;
  return [
    kinds.length === 0
      ? `no findings in ${counted(files, 'file')}`
      : `${kinds.join(', ')} in ${grouped(faulty)} of ${counted(files, 'file')}`,
    hidden.length === 0 ? [] : `${grouped(hidden.length)} of these not shown`,
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
  return `${sealed === values ? 'all' : `${grouped(sealed)} of`} ${grouped(values)} values are sealed`;
}
