import { KsealError } from '../errors.ts';
import { type Binding, readBinding } from './binding.ts';
import { bufferOf, decodeBase64url, parseJsonObject } from './encoding.ts';

/** A JWE Compact Serialization (RFC 7516 §7.1) that passed every check that needs no key. */
export interface CompactJwe {
  readonly header: Header;
  /** The additional authenticated data: ASCII(BASE64URL(protected header)), RFC 7516 §5.1 step 14. */
  readonly aad: Uint8Array;
  readonly encryptedKey: Uint8Array;
  readonly iv: Uint8Array;
  readonly ciphertext: Uint8Array;
  readonly tag: Uint8Array;
}

/** A protected header with the algorithms of kseal; one that another tool wrote has no `binding`. */
export interface Header {
  readonly binding?: Binding;
  readonly kid?: string;
}

const ALG = 'RSA-OAEP-256';
const ENC = 'A128CBC-HS256';

/** The key policy: the range of the RSA modulus in bits, and the length below which kseal warns. */
export const MIN_BITS = 2048;
export const MAX_BITS = 8192;
export const WEAK_BITS = 3072;

/** The largest sealed value, in bytes: a Secret of 1 MiB in base64url, with room to spare. */
export const MAX_VALUE_BYTES = 1.5 * 1024 * 1024;

const MAX_HEADER_BYTES = 4096;

const segmentNames = [
  'protected header',
  'encrypted key',
  'initialization vector',
  'ciphertext',
  'authentication tag',
];

/**
 * Parses a compact JWE; every byte counts, so a trailing newline is malformed.
 * Throws JWE_MALFORMED, or JWE_REFUSED for a header that is sound but not allowed; the message
 * never quotes the value.
 */
export function readCompact(bytes: Uint8Array): CompactJwe {
  const text = bufferOf(bytes);
  const segments = splitSegments(text.toString('latin1'));
  const decoded = segments.map(decodeSegment) as [Buffer, Buffer, Buffer, Buffer, Buffer];
  const [header, encryptedKey, iv, ciphertext, tag] = decoded;
  const aad = text.subarray(0, segments[0]?.length);
  const jwe = { header: readHeader(header), aad, encryptedKey, iv, ciphertext, tag };
  checkLengths(jwe);
  return jwe;
}

function splitSegments(text: string): readonly string[] {
  if (/\s/.test(text.slice(-1))) {
    throw new KsealError('JWE_MALFORMED', 'white space after the JWE', {
      hint: 'write it on one line, without | and without spaces',
    });
  }
  if (text.length > MAX_VALUE_BYTES) {
    throw new KsealError('JWE_MALFORMED', 'JWE is larger than 1.5 MiB');
  }
  // The limit bounds the work on a value of a million dots.
  const segments = text.split('.', 6);
  if (segments.length !== 5) throw damaged('JWE does not have five segments');
  return segments;
}

function decodeSegment(text: string, index: number): Buffer {
  const bytes = decodeBase64url(text);
  if (bytes === undefined) throw damaged(`JWE ${segmentNames[index]} is not canonical base64url`);
  return bytes;
}

/**
 * RFC 7518 §4.3: an encrypted key is as long as the modulus.
 * RFC 7518 §5.2.3: IV and tag have 16 bytes; CBC with PKCS #7 padding fills whole blocks.
 */
function checkLengths({ encryptedKey, iv, ciphertext, tag }: CompactJwe): void {
  const isSound = [
    true,
    encryptedKey.length * 8 >= MIN_BITS && encryptedKey.length * 8 <= MAX_BITS,
    iv.length === 16,
    ciphertext.length > 0 && ciphertext.length % 16 === 0,
    tag.length === 16,
  ];
  const wrong = segmentNames.find((_, index) => !isSound[index]);
  if (wrong !== undefined) throw damaged(`JWE ${wrong} has the wrong length`);
}

/**
 * The problem of an encrypted key that is not as long as the modulus of its RSA key, in bytes
 * (RFC 8017 §7.1.2 step 1b); undefined if it is.
 */
export function keyLengthProblem(
  { encryptedKey: { length } }: CompactJwe,
  modulus: number,
): string | undefined {
  return length === modulus
    ? undefined
    : `JWE encrypted key has ${length} bytes, expected ${modulus} for its RSA key`;
}

/**
 * The minimum size of the plaintext in bytes. PKCS #7 padding adds 1 to 16 bytes (RFC 7518
 * §5.2.2.1 step 2), so it may be up to 15 bytes more.
 */
export function leastPlaintext({ ciphertext }: CompactJwe): number {
  return ciphertext.length - 16;
}

function damaged(problem: string): KsealError {
  return new KsealError('JWE_MALFORMED', problem, {
    hint: 'copy the value again in full, or seal it again',
  });
}

/** The protected header that kseal writes, its members in their one order; JSON omits `kseal` if it is undefined. */
export function protectedHeader(binding: Binding | undefined, kid: string) {
  return { alg: ALG, enc: ENC, kseal: binding, kid } as const;
}

/** Matches the JSON of `protectedHeader`, which has no escapes because no valid part needs any. */
const ownText = new RegExp(
  `^{"alg":"${ALG}","enc":"${ENC}","kseal":{"scope":"([^"]+)"` +
    '(?:,"namespace":"([^"]+)")?(?:,"name":"([^"]+)")?(?:,"key":"([^"]+)")?' +
    '},"kid":"([A-Za-z0-9_-]{43})"}$',
);

/** `jku`, `jwk`, `x5u` and `x5c` are never followed: the key comes from the keyring alone. */
function readHeader(bytes: Uint8Array): Header {
  if (bytes.length > MAX_HEADER_BYTES) {
    const problem = `protected header is larger than ${MAX_HEADER_BYTES} bytes`;
    throw new KsealError('JWE_MALFORMED', problem);
  }
  return readBound(bytes) ?? readUnbound(bytes);
}

/** Reads a header that equals our own text byte for byte, and so has no duplicate members. */
function readBound(bytes: Uint8Array): Header | undefined {
  const match = ownText.exec(bufferOf(bytes).toString('latin1'));
  if (match === null) return undefined;
  const [, scope, namespace, name, key, kid = ''] = match;
  const binding = readBinding({ scope, namespace, name, key });
  return binding && { binding, kid };
}

const refusedMembers = ['zip', 'crit', 'b64'];

/**
 * Reads the header of another tool. A member `kseal` makes it malformed rather than unbound:
 * nobody but kseal writes bindings.
 */
function readUnbound(bytes: Uint8Array): Header {
  const members = parseJsonObject(bytes, 'protected header');
  const refused = refusedMembers.find((name) => Object.hasOwn(members, name));
  if (refused !== undefined) throw headerError('JWE_REFUSED', `${refused} is not allowed`);
  const { alg, enc, kid } = members;
  if (alg !== ALG) throw headerError('JWE_REFUSED', `alg must be ${ALG}`);
  if (enc !== ENC) throw headerError('JWE_REFUSED', `enc must be ${ENC}`);
  if (kid !== undefined && typeof kid !== 'string') {
    throw headerError('JWE_MALFORMED', 'kid is not a string');
  }
  if (Object.hasOwn(members, 'kseal')) throw headerError('JWE_MALFORMED', 'kseal is malformed');
  return kid === undefined ? {} : { kid };
}

function headerError(code: 'JWE_MALFORMED' | 'JWE_REFUSED', problem: string): KsealError {
  return new KsealError(code, `protected header member ${problem}`);
}
