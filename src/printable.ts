/**
 * `text` as one line that steers nothing: names come from files and requests, and a terminal would
 * obey control and direction characters. Each of them is shown as an escape.
 */
export function printable(text: string): string {
  return text.replace(
    /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}\uFFFE\uFFFF]/gu,
    (c) => `\\u{${c.codePointAt(0)?.toString(16)}}`,
  );
}
