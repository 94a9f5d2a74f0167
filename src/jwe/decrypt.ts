import { randomBytes } from 'node:crypto';
import { KsealError } from '../errors.ts';
import type { CompactJwe } from './compact.ts';
import { CEK_BYTES, decryptContent } from './content.ts';

/** `active` opens; `deprecated` opens with a warning; `revoked` opens only if that is allowed. */
export type KeyState = 'active' | 'deprecated' | 'revoked';

/** A private key, in a file or a KMS. */
export interface OpeningKey {
  readonly kid: string;
  /** The length of the modulus, and so of every encrypted key, in bytes. */
  readonly modulusBytes: number;
  readonly state: KeyState;
  /**
   * Decrypts with RSA-OAEP and SHA-256 (RFC 7518 §4.3); undefined if the key rejects the encrypted
   * key. A remote key gives up at `deadline`, in milliseconds on the clock of performance.now().
   */
  decryptKey(encryptedKey: Uint8Array, deadline?: number): Promise<Uint8Array | undefined>;
}

export interface Decrypted {
  readonly plaintext: Uint8Array;
  /** The key that opened the value. */
  readonly key: OpeningKey;
}

/**
 * Decrypts `jwe` with the first of `candidates` that fits; a key only ever sees the encrypted key.
 * Throws DECRYPTION_FAILED, with the same message for a bad encrypted key, tag or padding.
 */
export async function decryptCompact(
  jwe: CompactJwe,
  candidates: readonly OpeningKey[],
  deadline?: number,
): Promise<Decrypted> {
  for (const candidate of candidates) {
    const unwrapped = await candidate.decryptKey(jwe.encryptedKey, deadline);
    // RFC 7516 §11.5: "the recipient MUST NOT distinguish between format, padding, and length
    // errors of encrypted keys". A random CEK makes all of them take the same time.
    const cek = unwrapped?.length === CEK_BYTES ? unwrapped : randomBytes(CEK_BYTES);
    const plaintext = decryptContent(cek, jwe);
    if (plaintext !== undefined) return { plaintext, key: candidate };
  }
  throw new KsealError('DECRYPTION_FAILED', 'decryption failed', {
    hint: 'seal the value again; it is damaged or sealed to another key',
  });
}
