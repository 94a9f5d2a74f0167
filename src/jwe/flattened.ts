import { KsealError } from '../errors.ts';
import { bufferOf } from './base64url.ts';
import { MAX_VALUE_OCTETS, readCompact } from './compact.ts';
import { parseJsonObject } from './json.ts';
import { looksSealed } from './looks-sealed.ts';

const members = ['protected', 'encrypted_key', 'iv', 'ciphertext', 'tag'] as const;

/**
 * Whether `octets` are a sealed value in a JSON serialization (RFC 7516 §7.2): an object with a
 * ciphertext and a protected header that looks sealed. kseal refuses it outside `--from-jwe`.
 */
export function looksFlattened(octets: Uint8Array): boolean {
  if (octets.length > 2 * MAX_VALUE_OCTETS) return false;
  const text = bufferOf(octets).toString('latin1');
  if (!/^\s*\{/.test(text) || !text.includes('"ciphertext"')) return false;
  const header = /"protected"\s*:\s*"([^"]*)"/.exec(text)?.[1];
  return header !== undefined && looksSealed(Buffer.from(header));
}

/**
 * Rewrites a Flattened JWE JSON Serialization (RFC 7516 §7.2.2), as `jose-util encrypt --full`
 * prints it, as the compact form: the same five segments, so no key is needed. Exactly the
 * members `protected, encrypted_key, iv, ciphertext, tag`: an unprotected header or an `aad`
 * has no place in the compact form. Throws JWE_MALFORMED or JWE_REFUSED.
 */
export function compactFromFlattened(octets: Uint8Array): string {
  const object = parseJsonObject(octets, 'JWE in JSON');
  const foreign = Object.keys(object).some((name) => !members.some((member) => member === name));
  const segments = members.map((member) => object[member]);
  if (foreign || !segments.every((segment) => typeof segment === 'string')) {
    throw new KsealError(
      'JWE_REFUSED',
      `JWE in JSON must have exactly the members ${members.join(', ')}`,
    );
  }
  const compact = segments.join('.');
  readCompact(Buffer.from(compact));
  return compact;
}

/**
 * The compact text in a file that another tool wrote: the flattened form is rewritten, the
 * compact form stays, less a newline at its end. Throws JWE_MALFORMED or JWE_REFUSED.
 */
export function compactText(octets: Uint8Array): string {
  const text = Buffer.from(octets).toString('latin1');
  if (/^\s*\{/.test(text)) return compactFromFlattened(octets);
  const compact = text.replace(/\r?\n$/, '');
  readCompact(Buffer.from(compact, 'latin1'));
  return compact;
}
