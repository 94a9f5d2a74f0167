/** Plaintexts that tests plant, and search for in all output. */
const WORD = /CANARY-[A-Za-z0-9-]+/g;

const BASE64_RUN = /[A-Za-z0-9+/]{12,}={0,2}/g;

/** The canaries in a text, also base64-encoded as under `data`. */
export function canariesIn(text: string): string[] {
  const decoded = text
    .match(BASE64_RUN)
    ?.map((run) => Buffer.from(run, 'base64').toString('latin1'));
  return [...new Set([text, ...(decoded ?? [])].flatMap((part) => part.match(WORD) ?? []))];
}

/**
 * The part of a base64 text that depends only on `bytes`, after `before` other bytes. The
 * characters at both ends share bits with their neighbours.
 */
function base64Core(bytes: Buffer, before: number): string {
  const text = Buffer.concat([Buffer.alloc(before), bytes]).toString('base64');
  const first = Math.ceil((before * 8) / 6);
  const end = Math.floor(((before + bytes.length) * 8) / 6);
  return text.slice(first, end);
}

const cache = new Map<string, ReadonlyMap<string, Buffer>>();

/** A secret in all encodings in which it may leak, by their names. */
export function encodingsOf(secret: Buffer): ReadonlyMap<string, Buffer> {
  const id = secret.toString('latin1');
  const known = cache.get(id) ?? encode(secret);
  cache.set(id, known);
  return known;
}

function encode(secret: Buffer): ReadonlyMap<string, Buffer> {
  const texts = new Map<string, string>();
  for (const before of [0, 1, 2]) {
    const core = base64Core(secret, before);
    texts.set(`base64 at offset ${before}`, core);
    texts.set(`base64url at offset ${before}`, core.replaceAll('+', '-').replaceAll('/', '_'));
  }
  texts.set('hex', secret.toString('hex'));
  // As in a printed Buffer.
  texts.set('hex with spaces', secret.toString('hex').replace(/..(?=.)/g, '$& '));
  texts.set('HEX', secret.toString('hex').toUpperCase());
  for (const [name, separator] of [
    ['comma and space', ', '],
    ['comma', ','],
    ['space', ' '],
  ] as const) {
    texts.set(`decimal bytes with ${name}`, [...secret].join(separator));
  }
  const encodings = new Map<string, Buffer>(
    [...texts].map(([name, text]) => [name, Buffer.from(text, 'latin1')]),
  );
  return encodings.set('text', secret);
}

/** The encodings in which `haystack` contains `secret`, by their names. */
export function leaksOf(secret: Buffer, haystack: Buffer): string[] {
  return [...encodingsOf(secret)]
    .filter(([, needle]) => haystack.includes(needle))
    .map(([name]) => name);
}
