import { KsealError } from '../errors.ts';
import { type Binding, readBinding } from './binding.ts';
import { bufferOf, decodeBase64url, parseJsonObject } from './encoding.ts';

/** The largest sealed value, in bytes: a Secret of 1 MiB in base64url, with room for the rest. */
export const MAX_VALUE_BYTES = 1.5 * 1024 * 1024;

/** A JWE Compact Serialization (RFC 7516 §7.1) that was read strictly, before any key is touched. */
export interface CompactJwe {
  readonly header: Header;
  /** The additional authenticated data: ASCII(BASE64URL(protected header)), RFC 7516 §5.1 step 14. */
  readonly aad: Uint8Array;
  readonly encryptedKey: Uint8Array;
  readonly iv: Uint8Array;
  readonly ciphertext: Uint8Array;
  readonly tag: Uint8Array;
}

const names = [
  'protected header',
  'encrypted key',
  'initialization vector',
  'ciphertext',
  'authentication tag',
];

/**
 * Reads the bytes of a compact JWE. Every byte counts: a trailing newline is malformed.
 * Throws JWE_MALFORMED or JWE_REFUSED; the message never quotes the value.
 */
export function readCompact(bytes: Uint8Array): CompactJwe {
  const text = bufferOf(bytes).toString('latin1');
  if (/\s/.test(text.slice(-1))) throw lineBreakBehind();
  const segments = splitSegments(text);
  const header = decodeSegment(segments, 0);
  const encryptedKey = decodeSegment(segments, 1);
  const iv = decodeSegment(segments, 2);
  const ciphertext = decodeSegment(segments, 3);
  const tag = decodeSegment(segments, 4);
  const aad = Buffer.from(segments[0] ?? '', 'latin1');
  const jwe = { header: readHeader(header), aad, encryptedKey, iv, ciphertext, tag };
  checkLengths(jwe);
  return jwe;
}

function lineBreakBehind(): KsealError {
  return new KsealError('JWE_MALFORMED', 'there is a line break or a space behind the JWE', {
    hint: 'write it on one line, without | and without spaces',
  });
}

function splitSegments(text: string): string[] {
  if (text.length > MAX_VALUE_BYTES) {
    throw new KsealError('JWE_MALFORMED', 'JWE is larger than 1.5 MiB');
  }
  // The limit bounds the work on a value of a million dots.
  const segments = text.split('.', 6);
  if (segments.length !== 5) {
    throw new KsealError('JWE_MALFORMED', 'JWE does not have five segments', {
      hint: 'it may have been cut or joined while copying; seal the value again',
    });
  }
  return segments;
}

function decodeSegment(segments: readonly string[], index: number): Buffer {
  const bytes = decodeBase64url(segments[index] ?? '');
  if (bytes === undefined) {
    throw damaged(`JWE ${names[index]} is not canonical base64url`);
  }
  return bytes;
}

function damaged(message: string): KsealError {
  return new KsealError('JWE_MALFORMED', message, {
    hint: 'it may have been cut or changed while copying; seal the value again',
  });
}

/**
 * An encrypted key is as long as the modulus, 2048 to 8192 bits (the key policy).
 * RFC 7518 §5.2.3: an IV of 16 bytes, a tag of 16; CBC with PKCS #7 padding fills whole blocks.
 */
function checkLengths({ encryptedKey, iv, ciphertext, tag }: CompactJwe): void {
  const check = (part: number, sound: boolean) => {
    if (!sound) throw damaged(`JWE ${names[part]} has the wrong length`);
  };
  check(1, encryptedKey.length >= 256 && encryptedKey.length <= 1024);
  check(2, iv.length === 16);
  check(3, ciphertext.length > 0 && ciphertext.length % 16 === 0);
  check(4, tag.length === 16);
}

const ALG = 'RSA-OAEP-256';
const ENC = 'A128CBC-HS256';
const MAX_BYTES = 4096;

/** A protected header that passed the policy; `binding` is absent on values from other tools. */
export interface Header {
  readonly binding?: Binding;
  readonly kid?: string;
}

/** The members whose presence alone refuses a value, and why. */
const refusedMembers = {
  zip: 'compressed content (zip) is refused',
  crit: 'critical extensions (crit) are refused',
  b64: 'the member b64 is refused',
};

/** The protected header of a sealed value, in its one member order (design: the sealed value). */
export function protectedHeader(binding: Binding, kid: string) {
  return { alg: ALG, enc: ENC, kseal: binding, kid } as const;
}

/** The shape of its one text, which has no escapes: what a binding may hold needs none. */
const ownText = new RegExp(
  `^{"alg":"${ALG}","enc":"${ENC}","kseal":{"scope":"([^"]+)"` +
    '(?:,"namespace":"([^"]+)")?(?:,"name":"([^"]+)")?(?:,"key":"([^"]+)")?' +
    '},"kid":"([A-Za-z0-9_-]{43})"}$',
);

/**
 * Reads a protected header, strictly: at most 4 KiB, unique members, exactly our `alg` and
 * `enc`. `jku`, `jwk`, `x5u` and `x5c` are never followed: the key comes from the keyring alone.
 * Throws JWE_MALFORMED, or JWE_REFUSED for what is sound but against the policy.
 */
export function readHeader(bytes: Uint8Array): Header {
  if (bytes.length > MAX_BYTES) {
    throw new KsealError('JWE_MALFORMED', `protected header is larger than ${MAX_BYTES} bytes`);
  }
  return readOwn(bytes) ?? readUnbound(bytes);
}

/** Reads a bound header, which equals our own text byte for byte and so has no member twice. */
function readOwn(bytes: Uint8Array): Header | undefined {
  const match = ownText.exec(bufferOf(bytes).toString('latin1'));
  if (match === null) return undefined;
  const [, scope, namespace, name, key, kid = ''] = match;
  const binding = readBinding({ scope, namespace, name, key });
  return binding && { binding, kid };
}

/**
 * Reads the header of another tool. One with a member `kseal`, whatever its value, is not
 * "unbound": what is not our own text of it is malformed.
 */
function readUnbound(bytes: Uint8Array): Header {
  const members = parseJsonObject(bytes, 'protected header');
  checkPolicy(members);
  const kid = Object.hasOwn(members, 'kid') ? members.kid : undefined;
  if (kid !== undefined && typeof kid !== 'string') {
    throw new KsealError('JWE_MALFORMED', 'protected header member kid is not a string');
  }
  if (Object.hasOwn(members, 'kseal')) {
    throw new KsealError(
      'JWE_MALFORMED',
      'protected header has a binding that kseal did not write',
    );
  }
  return kid === undefined ? {} : { kid };
}

function checkPolicy(members: Record<string, unknown>): void {
  for (const [name, reason] of Object.entries(refusedMembers)) {
    if (Object.hasOwn(members, name)) throw new KsealError('JWE_REFUSED', reason);
  }
  for (const [name, wanted] of [
    ['alg', ALG],
    ['enc', ENC],
  ] as const) {
    if (!Object.hasOwn(members, name) || members[name] !== wanted) {
      throw new KsealError('JWE_REFUSED', `protected header member ${name} must be ${wanted}`);
    }
  }
}
