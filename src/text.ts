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

const strictUtf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** The text of `bytes` as strict UTF-8, keeping a BOM; undefined if it is not UTF-8. */
export function decodeUtf8(bytes: Uint8Array): string | undefined {
  try {
    return strictUtf8.decode(bytes);
  } catch {
    return undefined;
  }
}

/** `text` as one word of a POSIX shell, for hints that can be typed as they stand. */
export function shellWord(text: string): string {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}

/** A slip is made in a word, not in a page; and a long list of names is not worth the wait. */
const MAX_LETTERS = 64;
const MAX_CANDIDATES = 1000;

/** The candidate that `word` is most likely a slip of: one letter, or a third of them, differ. */
export function suggest(word: string, candidates: readonly string[]): string | undefined {
  if (word.length > MAX_LETTERS) return undefined;
  const distances = candidates
    .slice(0, MAX_CANDIDATES)
    .map((candidate) => distance(word.toLowerCase(), candidate.toLowerCase()));
  const least = Math.min(...distances);
  const isClose = least < word.length && least <= Math.max(1, word.length / 3);
  return isClose ? candidates[distances.indexOf(least)] : undefined;
}

/** Insertions, removals and replacements of one letter, and swaps of two neighbours. */
function distance(a: string, b: string): number {
  let before: number[] = [];
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 0; i < a.length; i++) {
    const next = [i + 1];
    for (let j = 0; j < b.length; j++) {
      const replaced = (row[j] ?? 0) + (a[i] === b[j] ? 0 : 1);
      const isSwap = i > 0 && j > 0 && a[i] === b[j - 1] && a[i - 1] === b[j];
      const swapped = isSwap ? (before[j - 1] ?? 0) + 1 : replaced;
      next.push(Math.min(replaced, swapped, (row[j + 1] ?? 0) + 1, (next[j] ?? 0) + 1));
    }
    before = row;
    row = next;
  }
  return row[b.length] ?? 0;
}
