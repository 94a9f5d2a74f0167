import { constants, type KeyObject, publicEncrypt, randomBytes } from 'node:crypto';
import type { Binding } from './binding.ts';
import { protectedHeader } from './compact.ts';
import { CEK_BYTES, encryptContent, IV_BYTES } from './content.ts';

/** A public key to seal to. */
export interface PublicKey {
  readonly kid: string;
  readonly key: KeyObject;
  /** The length of the modulus in bits. */
  readonly bits: number;
}

/** A plaintext, and the places where it can be opened. */
export interface Unsealed {
  readonly bytes: Uint8Array;
  readonly binding: Binding;
}

/** Seals values to a key; returns their compact JWEs in the same order. */
export type Encrypt = (values: readonly Unsealed[], key: PublicKey) => Promise<readonly string[]>;

/** Seals values one after another in this thread. */
export const encryptAll: Encrypt = async (values, key) =>
  values.map(({ bytes, binding }) => encryptCompact(bytes, binding, key));

/**
 * Seals `plaintext` to `key` as a compact JWE bound to `binding`, with a fresh CEK and IV, by the
 * steps of RFC 7516 §5.1. It is undefined only for a value that was unbound before.
 */
export function encryptCompact(
  plaintext: Uint8Array,
  binding: Binding | undefined,
  { kid, key }: Pick<PublicKey, 'kid' | 'key'>,
): string {
  // Steps 2, 4 and 5: RSA-OAEP with SHA-256 (RFC 7518 §4.3) encrypts a random CEK.
  const cek = randomBytes(CEK_BYTES);
  try {
    const padding = constants.RSA_PKCS1_OAEP_PADDING;
    const encryptedKey = publicEncrypt({ key, padding, oaepHash: 'sha256' }, cek);
    // Step 9: the IV is random. Step 14: the AAD is ASCII(BASE64URL(protected header)).
    const iv = randomBytes(IV_BYTES);
    const header = Buffer.from(JSON.stringify(protectedHeader(binding, kid)));
    const aad = header.toString('base64url');
    const content = { aad: Buffer.from(aad, 'latin1'), iv, plaintext };
    const { ciphertext, tag } = encryptContent(cek, content);
    // Step 19: the Compact Serialization (RFC 7516 §7.1).
    const parts = [encryptedKey, iv, ciphertext, tag].map((part) => part.toString('base64url'));
    return [aad, ...parts].join('.');
  } finally {
    cek.fill(0);
  }
}
