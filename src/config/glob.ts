import * as v from 'valibot';
import { text, words } from './schema.ts';

// A pull request can change the globs that judge it, and a hostile one must not stop CI. The time
// for a match is bounded by the length of the glob times the length of the path. Globs that are
// compiled to regular expressions have no such bound.

/** The most characters of a glob, and of all globs that its braces expand to. */
const MAX_GLOB = 512;

const tooLong = words(`must be a glob of at most ${MAX_GLOB} characters`, 'shorten or split it');

const useThese = 'use *, **, ?, [abc], [!abc] and {a,b}, and \\ before any other special character';

/** One character or set, or a star. `\` makes the next character literal, except a letter. */
const UNIT = String.raw`\\[^a-zA-Z0-9]|\[[!^]?(?:\\[^a-zA-Z0-9]|[^\\\]/])+\]|\*+|[^\\*[\](){}|]`;
const ITEM = `(?!,)(?:${UNIT})`;
const supported = new RegExp(`^(?:(?!^!)(?:${UNIT})|\\{(?:${ITEM})*(?:,(?:${ITEM})*)+\\})*`, 'u');
const tokens = new RegExp(`${UNIT}|[{}]`, 'gu');

/**
 * A glob: `*` and `?` in a name, `**` for any number of folders, `[abc]`, `[a-z]`, `[!abc]`, and
 * `{a,b}`, which cannot be nested. Everything else that has a meaning in other globs is refused.
 */
export const glob = v.pipe(
  text,
  v.maxLength(MAX_GLOB, tooLong),
  v.rawCheck(({ dataset, addIssue }) => {
    if (!dataset.typed) return;
    const { value } = dataset;
    const [rest] = value.slice(supported.exec(value)?.[0].length);
    if (rest !== undefined)
      addIssue({ message: words(`unsupported "${rest}" in a glob`, useThese) });
    else if (expanded(value) === undefined) addIssue({ message: tooLong });
  }),
);

/** Whether a glob matches a path with `/`. Only literal dots match the names `.` and `..`. */
export function matchesGlob(glob: string, path: string): boolean {
  const names = path.split('/').map((name) => [...name]);
  const globs = expanded(glob.replace(/^(?:\.\/)+/, '')) ?? [];
  return globs.some((one) => matchAll(segmentsOf(one), names, fitsName, (name) => !isDots(name)));
}

/** The tokens of each glob that the braces expand to; undefined if they are too many. */
function expanded(glob: string): readonly (readonly string[])[] | undefined {
  let globs: string[][] = [[]];
  let choices: string[][] | undefined;
  for (const token of glob.match(tokens) ?? []) {
    if (token === '{') choices = [[]];
    else if (token === '}') {
      const ends = choices ?? [];
      globs = globs.flatMap((start) => ends.map((end) => [...start, ...end]));
      choices = undefined;
    } else if (choices === undefined) for (const one of globs) one.push(token);
    else if (token === ',') choices.push([]);
    else choices.at(-1)?.push(token);
    const length = globs.reduce((sum, one) => sum + one.length + 1, -1);
    if (length > MAX_GLOB) return undefined;
  }
  return globs;
}

/** In a pattern, matches any number of items. */
const STAR = Symbol('*');

type Pattern<P> = readonly (P | typeof STAR)[];
/** A literal character, or a check of one. */
type Unit = string | ((character: string) => boolean);

function segmentsOf(glob: readonly string[]): Pattern<Pattern<Unit>> {
  const segments: string[][] = [[]];
  for (const token of glob) {
    if (token === '/') segments.push([]);
    else segments.at(-1)?.push(token);
  }
  const pattern = segments.map((one) =>
    one.length === 1 && one[0] === '**' ? STAR : one.map(unitOf),
  );
  // `a/**` includes a file `a`, but `*/**` only what is in a folder.
  const last = pattern.findLast((one) => one !== STAR);
  return pattern.at(-1) === STAR && last?.at(-1) === STAR ? [...pattern, [STAR]] : pattern;
}

function unitOf(token: string): Unit | typeof STAR {
  if (token.startsWith('*')) return STAR;
  if (token === '?') return () => true;
  const [, not, set] = /^\[([!^]?)(.+)\]$/su.exec(token) ?? [];
  if (set === undefined) return token.replace(/^\\/, '');
  const ranges = [...set.matchAll(/\\?(.)(?:-\\?(.))?/gsu)];
  const isIn = (character: string) =>
    ranges.some(([, from = '', to = from]) => from <= character && character <= to);
  return not ? (character) => !isIn(character) : isIn;
}

function fitsName(pattern: Pattern<Unit>, name: readonly string[]): boolean {
  if (isDots(name) && pattern.some((unit) => typeof unit !== 'string')) return false;
  return matchAll(pattern, name, fitsCharacter, () => true);
}

function fitsCharacter(unit: Unit, character: string): boolean {
  return typeof unit === 'string' ? unit === character : unit(character);
}

/** Whether a name is `.` or `..`. */
function isDots(name: readonly string[]): boolean {
  return name.length > 0 && name.length < 3 && name.every((character) => character === '.');
}

/**
 * Whether a pattern matches all items. After a mismatch only the last star takes another item: what
 * an earlier star could take, the last one can take as well.
 */
function matchAll<P, T>(
  pattern: Pattern<P>,
  items: readonly T[],
  fits: (one: P, item: T) => boolean,
  isForStar: (item: T) => boolean,
): boolean {
  let at = 0;
  let star: { readonly next: number; end: number } | undefined;
  for (let i = 0; i < items.length || at < pattern.length; ) {
    const one = pattern[at];
    const item = items[i];
    if (one === STAR) star = { next: ++at, end: i };
    else if (one !== undefined && item !== undefined && fits(one, item)) {
      at++;
      i++;
    } else {
      const taken = star && items[star.end];
      if (star === undefined || taken === undefined || !isForStar(taken)) return false;
      i = ++star.end;
      at = star.next;
    }
  }
  return true;
}
