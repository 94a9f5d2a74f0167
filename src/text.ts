import { distance } from 'fastest-levenshtein';

/**
 * `text` on one line, with control and direction characters shown as escapes: names come from
 * files and requests, and a terminal would obey such characters.
 */
export function printable(text: string): string {
  return text.replace(
    /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}\uFFFE\uFFFF]/gu,
    (c) => `\\u{${c.codePointAt(0)?.toString(16)}}`,
  );
}

/** JSON with a final newline. Control and direction characters are escaped, as in `printable`. */
export function jsonText(value: unknown): string {
  const text = JSON.stringify(value, null, 2).replace(
    /[\u007F-\u009F\p{Cf}\p{Zl}\p{Zp}]/gu,
    (character) => character.split('').map(escapeOf).join(''),
  );
  return `${text}\n`;
}

function escapeOf(unit: string): string {
  return `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`;
}

const strictUtf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** Decodes UTF-8 and keeps a byte order mark; undefined if the bytes are not UTF-8. */
export function decodeUtf8(bytes: Uint8Array): string | undefined {
  try {
    return strictUtf8.decode(bytes);
  } catch {
    return undefined;
  }
}

/** Quotes `text` for a POSIX shell if necessary, so that a hint can be pasted. */
export function shellWord(text: string): string {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}

/**
 * Completes a command that reads FILE, the path `file`, and writes `key.EXTENSION`. An output that
 * has the name of the input gets another one.
 */
export function commandFor(command: string, file: string): string {
  return command.replace(/\bFILE\b|\bkey\.[a-z0-9]+/g, (word) => {
    if (word === 'FILE') return shellWord(file);
    return word === /[^/\\]*$/.exec(file)?.[0] ? `new-${word}` : word;
  });
}

/** Limits that keep the search for a suggestion fast. */
const MAX_LETTERS = 64;
const MAX_CANDIDATES = 1000;

/** The candidate that `word` is probably a typo of: at most one letter, or a third of them, differ. */
export function suggest(word: string, candidates: readonly string[]): string | undefined {
  if (word.length > MAX_LETTERS) return undefined;
  const typos = candidates
    .slice(0, MAX_CANDIDATES)
    .map((candidate) => typosBetween(word.toLowerCase(), candidate.toLowerCase()));
  const least = Math.min(...typos);
  const isClose = least < word.length && least <= Math.max(1, word.length / 3);
  return isClose ? candidates[typos.indexOf(least)] : undefined;
}

/** The Levenshtein distance, except that two swapped neighbours are one typo, not two. */
function typosBetween(a: string, b: string): number {
  let at = 0;
  while (at < a.length && a[at] === b[at]) at++;
  const swapped = a.slice(0, at) + a.charAt(at + 1) + a.charAt(at) + a.slice(at + 2);
  return a !== b && swapped === b ? 1 : distance(a, b);
}
