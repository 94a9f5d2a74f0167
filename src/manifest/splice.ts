/** A piece of text put in place of what stands between two offsets. */
export interface Splice {
  readonly start: number;
  readonly end: number;
  readonly text: string;
}

/** Applies `splices` in any order. Removals may overlap; anything else that does is a bug. */
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

/** The offset of the first character of the line that `offset` is in. */
export function lineStart(source: string, offset: number): number {
  return source.lastIndexOf('\n', offset - 1) + 1;
}

/** The white space that the line of `offset` begins with. */
export function indentation(source: string, offset: number): string {
  return match(/[ \t\uFEFF]*/y, source, lineStart(source, offset)).replaceAll('\uFEFF', '');
}

/** Whether nothing but white space stands before `offset` on its line. */
export function isFirstOnLine(source: string, offset: number): boolean {
  return /^[ \t\uFEFF]*$/.test(source.slice(lineStart(source, offset), offset));
}

/** What the sticky `pattern` matches at `offset`, or nothing. */
export function match(pattern: RegExp, source: string, offset: number): string {
  pattern.lastIndex = offset;
  return pattern.exec(source)?.[0] ?? '';
}
