import type { ErrorCode } from '../../src/errors.ts';

/** A value with one defect. */
export interface Form {
  readonly name: string;
  readonly code: ErrorCode;
  readonly bytes: Buffer;
  /** It does not begin like a sealed value, so it is left alone in a Secret. */
  readonly unlikeSealed: boolean;
}

/** The kid of every form: a reader that misses the defect would use this key. */
export const KID = 'k'.repeat(43);
export const MODULUS_BYTES = 256;

const base64url = (bytes: string | Buffer) => Buffer.from(bytes).toString('base64url');

export const boundHeader = `{"alg":"RSA-OAEP-256","enc":"A128CBC-HS256","kseal":{"scope":"strict","namespace":"hr","name":"db","key":"password"},"kid":"${KID}"}`;

/** A header of another tool; `more` are extra members, each after a comma. */
export const unboundHeader = (more = '') =>
  `{"alg":"RSA-OAEP-256","enc":"A128CBC-HS256"${more},"kid":"${KID}"}`;

// Bytes of ones: they need the characters in which base64 and base64url differ, and each segment
// ends in spare bits. The header's "??" does the same for it.
const ones = (bytes: number) => Buffer.alloc(bytes, 0xff);
export const soundParts: readonly Buffer[] = [
  Buffer.from(unboundHeader(',"x":"???~~~???"')),
  ones(MODULUS_BYTES),
  ones(16),
  ones(16),
  ones(16),
];
export const segmentNames = ['header', 'encrypted key', 'iv', 'ciphertext', 'tag'];

export const compactOf = (parts: readonly (string | Buffer)[]) => parts.map(base64url).join('.');

const sound = compactOf(soundParts);

/** The sound value with another header. */
export const withHeader = (header: string | Buffer) => compactOf([header, ...soundParts.slice(1)]);

const withPart = (index: number, part: Buffer) =>
  compactOf(soundParts.map((old, at) => (at === index ? part : old)));

/** A form without marks is malformed and begins like a sealed value. */
export type Row = readonly [name: string, text: string, ...marks: ('refused' | 'unlike sealed')[]];

const structure: Row[] = [
  ['an empty value', '', 'unlike sealed'],
  ['one segment', base64url(boundHeader)],
  ['four segments', sound.split('.').slice(0, 4).join('.')],
  ['six segments', `${sound}.${base64url('x')}`],
  ['a trailing dot', `${sound}.`],
  ['a hundred thousand dots', base64url(boundHeader) + '.'.repeat(100_000)],
  ['only dots', '.'.repeat(100_000), 'unlike sealed'],
  ['more than 1.5 MiB', withPart(3, ones(1.5 * 1024 * 1024))],
  ['a trailing newline', `${sound}\n`],
  ['a trailing CRLF', `${sound}\r\n`],
  ['a trailing space', `${sound} `],
  ['a leading space', ` ${sound}`, 'unlike sealed'],
  ['a trailing NUL', `${sound}\0`],
  ['a byte order mark', `\ufeff${sound}`, 'unlike sealed'],
  ['quotes around it', `"${sound}"`, 'unlike sealed'],
];

/** For each segment, other texts that a lenient decoder decodes to the same bytes. */
const lenient: Row[] = segmentNames.flatMap((name, index) => {
  const segments = sound.split('.');
  const text = segments[index] ?? '';
  const forms: Record<string, string> = {
    padding: text.padEnd(Math.ceil(text.length / 4) * 4, '=') + (text.length % 4 ? '' : '='),
    'a space within': `${text.slice(0, 20)} ${text.slice(20)}`,
    'a line break within': `${text.slice(0, 20)}\n${text.slice(20)}`,
    'a bad character within': `${text.slice(0, 20)}!${text.slice(20)}`,
    'a byte above 127 within': `${text.slice(0, 20)}\u00ff${text.slice(20)}`,
    'the alphabet of base64': text.replaceAll('_', '/').replaceAll('-', '+'),
    'spare bits': text.slice(0, -1) + nextCharacter(text.slice(-1)),
  };
  return Object.entries(forms).map(([form, changed]): Row => {
    const all = segments.map((segment, at) => (at === index ? changed : segment));
    return [`${name}: ${form}`, all.join('.')];
  });
});

function nextCharacter(character: string): string {
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
  return alphabet.charAt(alphabet.indexOf(character) + 1);
}

const lengths: Row[] = [
  ['no encrypted key', withPart(1, ones(0))],
  ...[0, 12, 15, 17, 32].map((n): Row => [`an iv of ${n} bytes`, withPart(2, ones(n))]),
  ...[0, 1, 15, 17, 31].map((n): Row => [`a ciphertext of ${n} bytes`, withPart(3, ones(n))]),
  ...[0, 8, 15, 17, 32].map((n): Row => [`a tag of ${n} bytes`, withPart(4, ones(n))]),
];

/** Malformed forms of everything but the header. */
export const malformedTexts: readonly Form[] = formsOf([...structure, ...lenient, ...lengths]);

export function formsOf(rows: readonly Row[]): Form[] {
  return rows.map(([name, text, ...marks]) => ({
    name,
    code: marks.includes('refused') ? 'JWE_REFUSED' : 'JWE_MALFORMED',
    bytes: Buffer.from(text, text.startsWith('\ufeff') ? 'utf8' : 'latin1'),
    unlikeSealed: marks.includes('unlike sealed'),
  }));
}
