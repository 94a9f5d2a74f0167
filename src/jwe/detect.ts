import { KsealError } from '../errors.ts';
import { shellWord } from '../text.ts';
import { type CompactJwe, MAX_VALUE_BYTES, readCompact } from './compact.ts';
import { bufferOf, parseJsonObject } from './encoding.ts';

// The beginnings of a sealed value, and the same base64-encoded again. The latter are cut to what
// the fixed prefixes of `data` values (webhook match conditions and policy) can tell apart, so
// that all readers agree on every value.
const compactBeginnings = ['eyJhbGciOiJSU0E', 'eyJlbmMiOiJB']; // {"alg":"RSA and {"enc":"A
const encodedBeginnings = ['ZXlKaGJHY2lPaUpTVT', 'ZXlKbGJtTWlPaUp'];

/** Each has a multiple of three bytes, so that it is a fixed prefix of the value's base64, too. */
export const sealedBeginnings: readonly string[] = [...compactBeginnings, ...encodedBeginnings];

type SealedLook = 'no' | 'compact' | 'encoded-again';

/**
 * Tells whether a value begins like a compact JWE, or like one that was base64-encoded again.
 * A value that does is opened or refused, never ignored; no JWS does.
 */
export function sealedLook(bytes: Uint8Array): SealedLook {
  const start = bufferOf(bytes).toString('latin1', 0, 20);
  if (compactBeginnings.some((beginning) => start.startsWith(beginning))) return 'compact';
  return encodedBeginnings.some((beginning) => start.startsWith(beginning))
    ? 'encoded-again'
    : 'no';
}

/** The one "looks sealed" predicate of seal, verify, the webhook and its match conditions. */
export function looksSealed(bytes: Uint8Array): boolean {
  return sealedLook(bytes) !== 'no';
}

/**
 * Tells whether a value is a sealed value in a JSON serialization (RFC 7516 §7.2): an object with
 * a ciphertext and a protected header that looks sealed.
 */
export function looksFlattened(bytes: Uint8Array): boolean {
  if (bytes.length > 2 * MAX_VALUE_BYTES) return false;
  const text = bufferOf(bytes).toString('latin1');
  if (!/^\s*\{/.test(text) || !text.includes('"ciphertext"')) return false;
  const header = /"protected"\s*:\s*"([^"]*)"/.exec(text)?.[1];
  return header !== undefined && looksSealed(Buffer.from(header));
}

/** Tells whether `readSealedValue` parses a value or throws, rather than ignore it. */
export function isSealedInSomeForm(bytes: Uint8Array): boolean {
  return looksSealed(bytes) || looksFlattened(bytes);
}

/**
 * Parses a value of a Secret; undefined if it does not look sealed and must be left alone.
 * Throws JWE_MALFORMED or JWE_REFUSED if it looks sealed but is damaged, encoded again or in a
 * JSON serialization.
 */
export function readSealedValue(bytes: Uint8Array): CompactJwe | undefined {
  const look = sealedLook(bytes);
  if (look === 'compact') return readCompact(bytes);
  if (look === 'encoded-again') {
    throw new KsealError('JWE_MALFORMED', 'sealed value with an extra layer of base64', {
      hint: 'remove one layer of base64, or seal the value again',
    });
  }
  if (looksFlattened(bytes)) throw inJson();
  return undefined;
}

/**
 * Parses the content of a file that is known to be a JWE: every compact one, even if its protected
 * header has white space or begins with another member, so that it does not look sealed.
 * Throws JWE_MALFORMED or JWE_REFUSED.
 */
export function readJwe(bytes: Uint8Array, file: string): CompactJwe {
  const text = bufferOf(bytes).toString('latin1');
  if (isJson(text) && text.includes('"ciphertext"')) throw inJson(namedFile(file));
  if (looksSealed(bytes) || text.split('.', 6).length === 5)
    return readSealedValue(bytes) ?? readCompact(bytes);
  throw new KsealError('JWE_MALFORMED', 'not a JWE', { hint: 'for a manifest, omit --raw' });
}

const isJson = (text: string) => /^\s*\{/.test(text);

/** A file in a command to paste; stdin cannot be read again. */
const namedFile = (file: string) => (file === '-' ? 'FILE' : shellWord(file));

function inJson(file = 'FILE'): KsealError {
  return new KsealError('JWE_REFUSED', 'JWE in JSON form; only the compact form can be opened', {
    hint: `kseal seal --from-jwe ${file}`,
  });
}

/** The names for a hint on how to seal the value of another tool again. */
interface Resealing {
  /** The file with the JWE; `-` is stdin. */
  readonly file: string;
  /** The command that seals the opened value, which it reads from stdin. */
  readonly command: string;
}

/**
 * Converts a file of another tool to a compact JWE, offline and without a key: a compact JWE
 * loses a newline at its end, and a Flattened JWE JSON Serialization (RFC 7516 §7.2.2), as
 * `jose-util encrypt --full` prints it, has the same five segments.
 * Throws JWE_MALFORMED, or JWE_REFUSED also for a JWE that does not look sealed: the webhook would
 * leave it alone.
 */
export function compactText(bytes: Uint8Array, { file, command }: Resealing): string {
  const text = bufferOf(bytes).toString('latin1');
  const compact = isJson(text) ? joinFlattened(bytes) : text.replace(/\r?\n$/, '');
  readCompact(Buffer.from(compact));
  if (looksSealed(Buffer.from(compact))) return compact;
  const join = `jq -r '[${flattenedMembers.map((name) => `.${name}`).join()}] | join(".")'`;
  const given = namedFile(file);
  const [from, raw] = isJson(text) ? [`${join} ${given} | `, '-'] : ['', given];
  throw new KsealError(
    'JWE_REFUSED',
    'the webhook would not recognise this JWE: its protected header does not begin with {"alg":"RSA or {"enc":"A',
    { hint: `${from}kseal decrypt --raw ${raw} -k OLD --accept-unbound | ${command}` },
  );
}

const flattenedMembers = ['protected', 'encrypted_key', 'iv', 'ciphertext', 'tag'];

/** Refuses any other member: the compact form has no place for an unprotected header or an `aad`. */
function joinFlattened(bytes: Uint8Array): string {
  const members = parseJsonObject(bytes, 'JWE in JSON');
  const segments = flattenedMembers.map((name) => members[name]);
  if (
    Object.keys(members).length !== flattenedMembers.length ||
    !segments.every((segment) => typeof segment === 'string')
  ) {
    const problem = `JWE in JSON must have exactly the members ${flattenedMembers.join(', ')}`;
    throw new KsealError('JWE_REFUSED', problem);
  }
  return segments.join('.');
}

/** Text that looks like a sealed value. */
export interface FoundValue {
  readonly offset: number;
  /** The text at that offset: a compact JWE, or its base64, which may be folded. */
  readonly text: string;
  /** The compact JWE, even if the text has it base64-encoded again. */
  readonly jwe: string;
  /** The `kid` of its header; undefined if that cannot be read. */
  readonly kid: string | undefined;
}

// The base64 of a JWE may be folded, as `base64 -w 76` does; then its padding may be on the last line.
const fold = String.raw`(?:\\n|\r?\n[ \t]*)`;
const sealed = new RegExp(
  String.raw`(?<=^|[^\w-]|\\[nrt])(?:(?:${compactBeginnings.join('|')})[\w-]*(?:\.[\w-]*){4}` +
    `|(?:${encodedBeginnings.join('|')})[A-Za-z0-9]+` +
    String.raw`(?:${fold}[A-Za-z0-9]+(?![^\s"'\\=]))*={0,2}(?:${fold}={1,2}(?=["'\\]|\s*$))?)`,
  'gm',
);

/**
 * Finds everything that looks like a sealed value in any text (YAML, Helm values, a template),
 * except the values that are known.
 */
export function findSealed(text: string, known: readonly Uint8Array[] = []): readonly FoundValue[] {
  const jwes = new Set(known.map((bytes) => bufferOf(bytes).toString('latin1').trim()));
  return [...text.matchAll(sealed)].flatMap(({ index, 0: found }) => {
    const { text, jwe } = valueIn(found);
    return jwes.has(jwe) ? [] : [{ offset: index, text, jwe, kid: kidOfHeader(jwe) }];
  });
}

/** The tag of a compact JWE has 16 bytes, so that its end is known. */
const wholeJwe = /^(?:[\w-]+\.){4}[\w-]{22}/;

/**
 * The JWE in a match. If it is base64, the lines below it may be in the match although they are not
 * part of it, such as `user=` in a file of properties.
 */
function valueIn(found: string): Pick<FoundValue, 'text' | 'jwe'> {
  const bare = found.replace(/\\n|\s/g, '');
  if (bare.startsWith('eyJ')) return { text: found, jwe: bare };
  const decoded = decodedText(bare);
  const [jwe = decoded.trim()] = wholeJwe.exec(decoded) ?? [];
  // The JWE may have a line break at its end, in the base64 of both.
  const isBase64 = bare.endsWith('=') ? bare.length % 4 === 0 : bare.length % 4 !== 1;
  if (isBase64 && /^\s*$/.test(decoded.slice(jwe.length))) return { text: found, jwe };
  let removed = 0;
  for (const { index, 0: gap } of found.matchAll(/\\n|\s+/g)) {
    const length = index - removed;
    removed += gap.length;
    if (length < (jwe.length * 4) / 3) continue;
    if (decodedText(bare.slice(0, length)).trim() !== jwe) break;
    return { text: found.slice(0, index), jwe };
  }
  return { text: found, jwe: decoded.trim() };
}

function decodedText(base64: string): string {
  return Buffer.from(base64, 'base64').toString('latin1');
}

/** Text that begins like a sealed value. */
interface Fragment {
  readonly offset: number;
  /** Whether it belongs to a JSON serialization (RFC 7516 §7.2), and so to a whole value. */
  readonly isJson: boolean;
}

/** The base64 of a JSON serialization whose first member is the protected header. */
const flattenedBeginnings = compactBeginnings.map((beginning) => {
  const json = `{"protected":"${beginning}`;
  return Buffer.from(json.slice(0, json.length - (json.length % 3))).toString('base64');
});

const fragment = new RegExp(
  String.raw`(?<=^|[^\w-]|\\[nrt])(?:${[...sealedBeginnings, ...flattenedBeginnings].join('|')})`,
  'g',
);

/** Finds text that begins like a sealed value, but is not among the values that `findSealed` found. */
export function findFragments(text: string, found: readonly FoundValue[]): readonly Fragment[] {
  const known = new Set(found.map(({ offset }) => offset));
  return [...text.matchAll(fragment)].flatMap(({ index, 0: beginning }) => {
    if (known.has(index)) return [];
    const isHeader = /"protected\\?"\s*:\s*\\?"$/.test(text.slice(Math.max(0, index - 40), index));
    return [{ offset: index, isJson: isHeader || flattenedBeginnings.includes(beginning) }];
  });
}

function kidOfHeader(jwe: string): string | undefined {
  const [header = ''] = jwe.split('.', 1);
  try {
    const { kid }: { kid?: unknown } = JSON.parse(Buffer.from(header, 'base64url').toString());
    return typeof kid === 'string' ? kid : undefined;
  } catch {
    return undefined;
  }
}
