import type { KeyObject } from 'node:crypto';
import { KsealError } from '../errors.ts';

/** Moduli below this many bits are accepted with a warning. */
export const WEAK_BITS = 3072;
export const MIN_BITS = 2048;
export const MAX_BITS = 8192;

/**
 * Checks a key against the policy and returns its modulus length in bits: RSA, 2048 to 8192
 * bits, public exponent 65537 (with exponent 1 the encrypted key would be the CEK itself).
 * Throws KEY_INVALID; `what` names the key.
 */
export function checkRsa(key: KeyObject, what: string): number {
  const refuse = (reason: string) =>
    new KsealError('KEY_INVALID', `${what}: ${reason}`, {
      hint: 'use an RSA key of 3072 or 4096 bits',
    });
  if (key.asymmetricKeyType !== 'rsa') {
    throw refuse(
      `is not an RSA encryption key but ${key.asymmetricKeyType ?? 'of an unknown type'}`,
    );
  }
  const { modulusLength: bits = 0, publicExponent } = key.asymmetricKeyDetails ?? {};
  if (bits < MIN_BITS || bits > MAX_BITS) {
    throw refuse(`RSA modulus of ${bits} bits, outside ${MIN_BITS} to ${MAX_BITS}`);
  }
  if (publicExponent !== 65537n) throw refuse(`RSA public exponent ${publicExponent}, not 65537`);
  return bits;
}
