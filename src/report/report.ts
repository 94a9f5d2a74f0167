import type { Finding, Rule, Severity, SuppressedFinding } from '../rules/rule.ts';

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

export interface Tally {
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
