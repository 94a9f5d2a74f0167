import { isUtf8 } from 'node:buffer';
import pLimit from 'p-limit';

// JSON.parse builds everything that a text holds, and nothing else runs meanwhile: 7 MiB of tiny
// members take seconds and a gigabyte. These functions check a text, find a few members in it, and
// keep nothing else in memory.

/** A text that is read in turns with everything else that the process does. */
export interface JsonSource {
  readonly bytes: Buffer;
  /** Waits for a turn, at first and when a slice is used up. */
  readonly pause: () => Promise<void> | undefined;
}

/** The members to find in an object, and in the objects that are their values. */
export interface Wanted {
  readonly [name: string]: Wanted;
}

/** A value in a text: the offsets of its first byte and of the byte after its last. */
export interface Span {
  readonly start: number;
  readonly end: number;
}

/** A value, and those of its wanted members that the text has. */
export interface Found extends Span {
  readonly members: ReadonlyMap<string, Found>;
}

interface Target {
  start: number;
  end: number;
  readonly wanted: Wanted;
  readonly members: Map<string, Target>;
}

interface Reader {
  readonly text: Buffer;
  at: number;
  /** The value at `at`, if it is wanted. */
  target: Target | undefined;
  /** The lists and objects around it. */
  readonly open: { readonly closer: number; readonly target: Target | undefined }[];
}

/** The limit of Go's encoding/json, with which the API server reads and writes objects. */
const MAX_DEPTH = 10_000;

const NOT_JSON = 'not JSON';

const [QUOTE, COMMA, COLON, BACKSLASH] = [0x22, 0x2c, 0x3a, 0x5c];
const [OPEN_LIST, OPEN_OBJECT, CLOSE_OBJECT] = [0x5b, 0x7b, 0x7d];

/**
 * Checks that a text is JSON (RFC 8259) in UTF-8, and finds the wanted members of its value.
 * Returns the problem if it is not, if it is nested too deeply, or if a wanted member occurs twice.
 */
export async function locate(source: JsonSource, wanted: Wanted): Promise<Found | string> {
  const { bytes: text, pause } = source;
  if (!isUtf8(text)) return 'not UTF-8';
  const root: Target = { start: 0, end: 0, wanted, members: new Map() };
  const reader: Reader = { text, at: 0, target: root, open: [] };
  for (let step = 0; ; step++) {
    if (step % STEPS === 0) await pause();
    const problem = readValue(reader);
    if (problem !== undefined) return problem;
    if (reader.open.length === 0) return reader.at === text.length ? root : NOT_JSON;
  }
}

/** Reads a scalar or the beginning of a list or object, and then up to the next value. */
function readValue(reader: Reader): string | undefined {
  const { text, target, open } = reader;
  const start = skipSpace(text, reader.at);
  if (target !== undefined) target.start = start;
  const first = text[start];
  if (first === OPEN_LIST || first === OPEN_OBJECT) {
    if (open.length === MAX_DEPTH) return 'nested too deeply';
    const closer = first + 2;
    open.push({ closer, target });
    reader.at = skipSpace(text, start + 1);
    return text[reader.at] === closer ? readEnd(reader) : readName(reader);
  }
  reader.at = scalarEnd(text, start);
  if (reader.at < 0) return NOT_JSON;
  if (target !== undefined) target.end = reader.at;
  return readEnd(reader);
}

/** Reads what follows a value: the ends of lists and objects, and a comma. */
function readEnd(reader: Reader): string | undefined {
  const { text, open } = reader;
  for (;;) {
    reader.at = skipSpace(text, reader.at);
    const innermost = open.at(-1);
    if (innermost === undefined) return undefined;
    const next = text[reader.at];
    reader.at++;
    if (next === COMMA) {
      reader.at = skipSpace(text, reader.at);
      return readName(reader);
    }
    if (next !== innermost.closer) return NOT_JSON;
    if (innermost.target !== undefined) innermost.target.end = reader.at;
    open.pop();
  }
}

/** Reads the name of a member, unless the next value is one of a list. */
function readName(reader: Reader): string | undefined {
  const { text, at, open } = reader;
  const innermost = open.at(-1);
  reader.target = undefined;
  if (innermost?.closer !== CLOSE_OBJECT) return undefined;
  const end = text[at] === QUOTE ? stringEnd(text, at) : -1;
  const colon = skipSpace(text, end);
  if (end < 0 || text[colon] !== COLON) return NOT_JSON;
  reader.at = colon + 1;
  const parent = innermost.target;
  if (parent === undefined) return undefined;
  const name = stringAt({ bytes: text }, { start: at, end });
  const wanted = Object.hasOwn(parent.wanted, name) ? parent.wanted[name] : undefined;
  if (wanted === undefined) return undefined;
  if (parent.members.has(name)) return `${name} is given twice`;
  reader.target = { start: 0, end: 0, wanted, members: new Map() };
  parent.members.set(name, reader.target);
  return undefined;
}

/**
 * Calls `visit` for each member of an object that `locate` found, except those that are null.
 * Returns false at the first value that is not a string.
 */
export async function stringsIn(
  source: JsonSource,
  { start }: Span,
  visit: (name: Span, value: Span) => void,
): Promise<boolean> {
  const { bytes: text, pause } = source;
  let at = skipSpace(text, start + 1);
  for (let step = 0; text[at] !== CLOSE_OBJECT; step++) {
    if (step % STEPS === 0) await pause();
    const name = { start: at, end: stringEnd(text, at) };
    const value = skipSpace(text, skipSpace(text, name.end) + 1);
    const end = scalarEnd(text, value);
    const type = typeAt(source, { start: value, end });
    if (type === 'string') visit(name, { start: value, end });
    else if (type !== 'null') return false;
    at = skipSpace(text, end);
    if (text[at] === COMMA) at = skipSpace(text, at + 1);
  }
  return true;
}

/** The text of a string. */
export function stringAt({ bytes }: Pick<JsonSource, 'bytes'>, { start, end }: Span): string {
  const raw = bytes.toString('utf8', start + 1, end - 1);
  return raw.includes('\\') ? JSON.parse(`"${raw}"`) : raw;
}

type JsonType = 'string' | 'object' | 'list' | 'null' | 'true' | 'false' | 'number';

/** The type of a value in a text that `locate` has checked. */
export function typeAt({ bytes }: JsonSource, { start }: Span): JsonType {
  return types.get(bytes[start] ?? 0) ?? 'number';
}

const types = new Map<number, JsonType>([
  [QUOTE, 'string'],
  [OPEN_OBJECT, 'object'],
  [OPEN_LIST, 'list'],
  ...(['true', 'false', 'null'] as const).map((word) => [word.charCodeAt(0), word] as const),
]);

/** The offset after the white space at `at`. */
function skipSpace(text: Buffer, at: number): number {
  let end = at;
  for (;;) {
    const byte = text[end];
    if (byte !== 0x20 && byte !== 0x0a && byte !== 0x0d && byte !== 0x09) return end;
    end++;
  }
}

/** The offset after the string, number or literal at `at`; -1 if there is none. */
function scalarEnd(text: Buffer, at: number): number {
  const first = text[at];
  if (first === QUOTE) return stringEnd(text, at);
  const literal = literals.get(first ?? 0);
  if (literal === undefined) return numberEnd(text, at);
  const end = at + literal.length;
  return text.toString('latin1', at, end) === literal ? end : -1;
}

const literals = new Map(['true', 'false', 'null'].map((word) => [word.charCodeAt(0), word]));

const escapes = new Set(Buffer.from('"\\/bfnrt'));

/** The offset after the string whose opening quote is at `at`; -1 if it is not sound. */
function stringEnd(text: Buffer, at: number): number {
  let end = at + 1;
  for (;;) {
    const byte = text[end] ?? 0;
    if (byte === QUOTE) return end + 1;
    if (byte < 0x20) return -1;
    end++;
    if (byte !== BACKSLASH) continue;
    const escaped = text[end] ?? 0;
    end++;
    if (escaped === 0x75) {
      if (!/^[\da-f]{4}$/i.test(text.toString('latin1', end, end + 4))) return -1;
      end += 4;
    } else if (!escapes.has(escaped)) return -1;
  }
}

const isDigit = (byte: number | undefined) => byte !== undefined && byte >= 0x30 && byte <= 0x39;

/** The offset after the number at `at`; -1 if there is none. */
function numberEnd(text: Buffer, at: number): number {
  let end = text[at] === 0x2d ? at + 1 : at;
  if (!isDigit(text[end])) return -1;
  end = text[end] === 0x30 ? end + 1 : digitsEnd(text, end);
  if (text[end] === 0x2e) {
    if (!isDigit(text[end + 1])) return -1;
    end = digitsEnd(text, end + 1);
  }
  if (text[end] !== 0x65 && text[end] !== 0x45) return end;
  end += text[end + 1] === 0x2b || text[end + 1] === 0x2d ? 2 : 1;
  return isDigit(text[end]) ? digitsEnd(text, end) : -1;
}

function digitsEnd(text: Buffer, at: number): number {
  let end = at;
  while (isDigit(text[end])) end++;
  return end;
}

/** How long one text is read before others get their turn, in milliseconds. */
const SLICE = 5;
/** The number of values that are read before the clock is checked again. */
const STEPS = 256;

/** One text is read in each turn of the event loop. */
const turns = pLimit(1);
const nextTurn = () => new Promise((resolve) => setImmediate(resolve));

export function jsonSource(bytes: Buffer): JsonSource {
  let until = 0;
  const pause = () => {
    if (performance.now() < until) return undefined;
    return turns(nextTurn).then(() => {
      until = performance.now() + SLICE;
    });
  };
  return { bytes, pause };
}
