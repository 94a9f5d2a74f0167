import type { Range } from '../yaml/node.ts';

/** The replacement of a range of a text. */
export interface Splice extends Range {
  readonly text: string;
}

/** Applies `splices`, which may be in any order. Only removals may overlap. */
export function applySplices(source: string, splices: readonly Splice[]): string {
  let [result, at] = ['', 0];
  for (const { start, end, text } of [...splices].sort(
    (a, b) => a.start - b.start || a.end - b.end,
  )) {
    if (start < at && text !== '') throw new Error(`edits overlap at offset ${start}`);
    result += source.slice(at, Math.max(start, at)) + text;
    at = Math.max(at, end);
  }
  return result + source.slice(at);
}

/** The offset at which the line of `offset` begins. */
export function lineStart(source: string, offset: number): number {
  return source.lastIndexOf('\n', offset - 1) + 1;
}

/** The white space at the beginning of the line of `offset`. */
export function indentation(source: string, offset: number): string {
  return match(/[ \t\uFEFF]*/y, source, lineStart(source, offset)).replaceAll('\uFEFF', '');
}

/** Whether there is only white space before `offset` on its line. */
export function isFirstOnLine(source: string, offset: number): boolean {
  return /^[ \t\uFEFF]*$/.test(source.slice(lineStart(source, offset), offset));
}

/** The match of the sticky `pattern` at `offset`, or an empty string. */
export function match(pattern: RegExp, source: string, offset: number): string {
  pattern.lastIndex = offset;
  return pattern.exec(source)?.[0] ?? '';
}
