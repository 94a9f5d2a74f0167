import { distance } from 'fastest-levenshtein';

/**
 * `text` on one line, with control and direction characters shown as escapes: names come from
 * files and requests, and a terminal would obey such characters.
 */
export function printable(text: string): string {
  // A class of Unicode takes a millisecond to prepare, and almost every text is ASCII.
  if (isAscii.test(text)) return text;
  return text.replace(
    /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}\uFFFE\uFFFF]/gu,
    (c) => `\\u{${c.codePointAt(0)?.toString(16)}}`,
  );
}

/** Printable characters of ASCII. */
const isAscii = /^[\x20-\x7e]*$/;

/**
 * The columns that `text`, which must be printable, takes on a terminal: none for a combining mark,
 * two for an emoji or an East Asian character (Unicode Standard Annex 11).
 */
export function widthOf(text: string): number {
  if (isAscii.test(text)) return text.length;
  let width = 0;
  // A Korean syllable and a letter with its accent become one character.
  for (const character of text.normalize('NFC')) width += columnsOf(character);
  return width;
}

function columnsOf(character: string): number {
  // Makes an emoji of the narrow character before it.
  if (character === '\u{fe0f}') return 1;
  if (/[\p{M}\p{EMod}]/u.test(character)) return 0;
  return wide.test(character) && !narrow.test(character) ? 2 : 1;
}

const wide =
  /[\p{Emoji_Presentation}\p{sc=Han}\p{sc=Hangul}\p{sc=Hiragana}\p{sc=Katakana}\p{sc=Bopomofo}\p{sc=Yi}\u3000-\u303e\uff01-\uff60\uffe0-\uffe6]/u;
/** Half-width forms, and the letters of which two are a flag. */
const narrow = /[\uff61-\uffdc\p{RI}]/u;

/** `text` with spaces after it, so that it takes `width` columns. */
export function padded(text: string, width: number): string {
  return text + ' '.repeat(Math.max(0, width - widthOf(text)));
}

/**
 * Joins `parts` with spaces to lines of at most `width` columns; a longer part is not broken. Lines
 * after the first begin with `indent` spaces.
 */
export function filled(parts: readonly string[], width: number, indent = 0): readonly string[] {
  const lines: string[] = [];
  let used = 0;
  for (const part of parts) {
    const size = widthOf(part);
    if (lines.length > 0 && used + 1 + size <= width) {
      lines[lines.length - 1] += ` ${part}`;
      used += 1 + size;
    } else {
      const start = lines.length > 0 ? indent : 0;
      lines.push(' '.repeat(start) + part);
      used = start + size;
    }
  }
  return lines;
}

/** Breaks `text` between words, as `filled` does. */
export function wrapped(text: string, width: number, indent = 0): readonly string[] {
  return width === Number.POSITIVE_INFINITY ? [text] : filled(text.split(' '), width, indent);
}

/** Returns `1 file` or `2,000 files`. */
export function counted(count: number, noun: string): string {
  return `${grouped(count)} ${noun}${count === 1 ? '' : 's'}`;
}

/** Returns a number such as 2,000. */
export function grouped(count: number): string {
  return `${count}`.replace(/\B(?=(?:\d{3})+$)/g, ',');
}

/** The most things that a message names; it counts the others. */
export const MAX_LISTED = 10;

/** Joins names for a message: `a, b, c`, or after the tenth `and 1,990 more`. */
export function listOf(names: readonly string[]): string {
  const more = names.length - MAX_LISTED;
  if (more <= 0) return names.join(', ');
  return `${names.slice(0, MAX_LISTED).join(', ')} and ${grouped(more)} more`;
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
