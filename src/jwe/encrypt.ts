import type { KeyObject } from 'node:crypto';
import { CompactEncrypt } from 'jose';
import type { Binding } from './binding.ts';
import { protectedHeader } from './compact.ts';

/** A public key to seal to. */
export interface PublicKey {
  readonly kid: string;
  readonly key: KeyObject;
  /** The length of the modulus in bits. */
  readonly bits: number;
}

/** Seals `plaintext` to `key` as a compact JWE bound to `binding`, with a fresh CEK and IV. */
export function encryptCompact(
  plaintext: Uint8Array,
  binding: Binding,
  key: PublicKey,
): Promise<string> {
  return new CompactEncrypt(plaintext)
    .setProtectedHeader(protectedHeader(binding, key.kid))
    .encrypt(key.key);
}
