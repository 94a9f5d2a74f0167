// A request comes from somebody else, and a hostile one must not stop `fill` or `verify`. A regular
// expression has no bound on its time, so a pattern is only a sequence of character classes and
// counts, and a match takes time in proportion to the pattern times the text.

/** The most characters of a pattern, and of a text that is matched with one. */
export const MAX_PATTERN = 200;
export const MAX_MATCHED = 4096;

const ESCAPE = String.raw`\\[dws]|\\[^a-zA-Z0-9\s]`;
const CLASS = String.raw`\[\^?(?:${ESCAPE}|[^\\\[\]])+\]`;
const ATOM = String.raw`${CLASS}|${ESCAPE}|\.|[^\\\^$.*+?\(\)\[\]\{\}\|]`;
const COUNT = String.raw`[*+?]|\{\d{1,4}(?:,(?:\d{1,4})?)?\}`;

/** The syntax of a pattern, as a regular expression in the dialect of JSON Schema. */
export const patternSyntax = String.raw`^\^?(?:(?:${ATOM})(?:${COUNT})?)+\$?$`;

const isPattern = new RegExp(patternSyntax, 'u');
const atoms = new RegExp(`(${ATOM})(${COUNT})?`, 'gu');
const classItems = new RegExp(`${ESCAPE}|[^\\\\]`, 'gu');

/** Characters of one kind, and how many of them may follow each other. */
interface Atom {
  readonly has: (character: string) => boolean;
  readonly least: number;
  readonly most: number;
  /** The one character, if there is only one. */
  readonly literal: string | undefined;
  /** Names several of the characters. */
  readonly words: string;
}

export type Pattern = readonly Atom[];

/**
 * Parses a pattern: characters, classes such as `[A-Za-z_]` and `[^:]`, `\d`, `\w`, `\s` and `.`,
 * each with `?`, `*`, `+`, `{3}`, `{3,}` or `{3,8}`. It always has to match the whole text.
 * Undefined for anything else, such as groups and alternatives.
 */
export function parsePattern(text: string): Pattern | undefined {
  if (text.length > MAX_PATTERN || !isPattern.test(text)) return undefined;
  const parsed = [...text.replace(/^\^/, '').matchAll(atoms)].map(([, atom = '', count]) => {
    const set = setOf(atom);
    const [least, most] = countOf(count);
    return set !== undefined && least <= most ? { ...set, least, most } : undefined;
  });
  return parsed.every((atom) => atom !== undefined) ? parsed : undefined;
}

function countOf(count: string | undefined): readonly [least: number, most: number] {
  const many = Number.POSITIVE_INFINITY;
  if (count === undefined) return [1, 1];
  if (count === '?') return [0, 1];
  if (count === '*') return [0, many];
  if (count === '+') return [1, many];
  const [, least = '', comma, most] = /^\{(\d+)(,?)(\d*)\}$/.exec(count) ?? [];
  return [Number(least), comma ? (most ? Number(most) : many) : Number(least)];
}

type Characters = Pick<Atom, 'has' | 'literal' | 'words'>;

const shorthands: Readonly<Record<string, Characters>> = {
  '\\d': { has: (c) => /^\d$/.test(c), literal: undefined, words: 'digits' },
  '\\w': { has: (c) => /^\w$/.test(c), literal: undefined, words: 'characters from A-Za-z0-9_' },
  '\\s': { has: (c) => /^\s$/.test(c), literal: undefined, words: 'spaces' },
};

/** Undefined for a range whose ends are swapped or are not characters. */
function setOf(atom: string): Characters | undefined {
  if (atom === '.') return { has: () => true, literal: undefined, words: 'characters of any kind' };
  if (!atom.startsWith('[')) return memberOf(atom);
  const isNegated = atom.startsWith('[^');
  const inside = atom.slice(isNegated ? 2 : 1, -1);
  const parts = partsOf(inside.match(classItems) ?? []);
  if (parts === undefined) return undefined;
  const isIn = (c: string) => parts.some((has) => has(c));
  return {
    has: isNegated ? (c) => !isIn(c) : isIn,
    literal: undefined,
    words: `characters ${isNegated ? 'other than' : 'from'} ${inside.replace(/\\(?=[^dws])/g, '')}`,
  };
}

/** A character or a shorthand, in a class or alone. */
function memberOf(text: string): Characters {
  const literal = text.replace(/^\\/, '');
  return shorthands[text] ?? { has: (c) => c === literal, literal, words: `"${literal}"` };
}

function partsOf(items: readonly string[]): readonly Atom['has'][] | undefined {
  const parts: Atom['has'][] = [];
  for (let at = 0; at < items.length; at++) {
    const [from = '', dash, to] = items.slice(at, at + 3);
    if (dash !== '-' || to === undefined) {
      parts.push(memberOf(from).has);
      continue;
    }
    const [first, last] = [memberOf(from).literal, memberOf(to).literal];
    if (first === undefined || last === undefined || !isAtMost(first, last)) return undefined;
    parts.push((c) => isAtMost(first, c) && isAtMost(c, last));
    at += 2;
  }
  return parts;
}

/** Compares code points. */
function isAtMost(a: string, b: string): boolean {
  return (a.codePointAt(0) ?? 0) <= (b.codePointAt(0) ?? 0);
}

/** Whether a pattern matches a whole text, of at most MAX_MATCHED characters. */
export function matchesPattern(pattern: Pattern, text: string): boolean {
  const characters = [...text];
  if (characters.length > MAX_MATCHED) return false;
  let reached = [true, ...characters.map(() => false)];
  for (const atom of pattern) reached = afterAtom(atom, characters, reached);
  return reached.at(-1) ?? false;
}

/** Returns the least and the greatest number of characters that a pattern matches. */
export function lengthsOf(pattern: Pattern): readonly [least: number, most: number] {
  const sum = (counts: readonly number[]) => counts.reduce((a, b) => a + b, 0);
  return [sum(pattern.map(({ least }) => least)), sum(pattern.map(({ most }) => most))];
}

/** Returns the offsets that an atom can end at, from those that it can begin at. */
function afterAtom(
  { has, least, most }: Atom,
  characters: readonly string[],
  starts: readonly boolean[],
): boolean[] {
  const fits = characters.map(has);
  // From each start a range of ends can be reached; +1 and -1 mark where ranges begin and end.
  const marks = new Int32Array(characters.length + 2);
  let run = 0;
  for (let at = characters.length; at >= 0; at--) {
    run = fits[at] ? run + 1 : 0;
    if (!starts[at] || run < least) continue;
    marks[at + least] = (marks[at + least] ?? 0) + 1;
    const end = at + Math.min(most, run) + 1;
    marks[end] = (marks[end] ?? 0) - 1;
  }
  let open = 0;
  return starts.map((_, at) => {
    open += marks[at] ?? 0;
    return open > 0;
  });
}

/** Describes a pattern to people: `"HR-", then 4 digits`. */
export function describePattern(pattern: Pattern): string {
  const parts: string[] = [];
  let literal = '';
  const flush = () => {
    if (literal !== '') parts.push(`"${literal}"`);
    literal = '';
  };
  for (const atom of pattern) {
    if (atom.literal !== undefined && atom.least === 1 && atom.most === 1) literal += atom.literal;
    else {
      flush();
      const words = atom.most === 1 ? atom.words.replace(/^([a-z]+)s\b/, '$1') : atom.words;
      parts.push(`${countWords(atom)} ${words}`);
    }
  }
  flush();
  return parts.join(', then ');
}

function countWords({ least, most }: Atom): string {
  if (least === most) return String(least);
  if (most === Number.POSITIVE_INFINITY) return least === 0 ? 'any number of' : `${least} or more`;
  return least === 0 ? `up to ${most}` : `${least} to ${most}`;
}
