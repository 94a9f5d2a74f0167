import { KsealError } from '../errors.ts';
import { bufferOf, decodeBase64url } from './base64url.ts';
import { type Header, readHeader } from './header.ts';

/** The largest sealed value, in octets: a Secret of 1 MiB in base64url, with room for the rest. */
export const MAX_VALUE_OCTETS = 1.5 * 1024 * 1024;

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
 * Reads the octets of a compact JWE. Every octet counts: a trailing newline is malformed.
 * Throws JWE_MALFORMED or JWE_REFUSED; the message never quotes the value.
 */
export function readCompact(octets: Uint8Array): CompactJwe {
  const text = bufferOf(octets).toString('latin1');
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
  if (text.length > MAX_VALUE_OCTETS) {
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
  const octets = decodeBase64url(segments[index] ?? '');
  if (octets === undefined) {
    throw damaged(`JWE ${names[index]} is not canonical base64url`);
  }
  return octets;
}

function damaged(message: string): KsealError {
  return new KsealError('JWE_MALFORMED', message, {
    hint: 'it may have been cut or changed while copying; seal the value again',
  });
}

/**
 * An encrypted key is as long as the modulus, 2048 to 8192 bits (the key policy).
 * RFC 7518 §5.2.3: an IV of 16 octets, a tag of 16; CBC with PKCS #7 padding fills whole blocks.
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
