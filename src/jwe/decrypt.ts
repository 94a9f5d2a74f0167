import { randomBytes } from 'node:crypto';
import { KsealError } from '../errors.ts';
import type { CompactJwe } from './compact.ts';
import { CEK_OCTETS, decryptContent } from './content.ts';

/** `active` opens; `deprecated` opens with a warning; `revoked` opens only where that is allowed. */
export type KeyState = 'active' | 'deprecated' | 'revoked';

/** A private key, wherever it lives. A KMS provider implements this. */
export interface OpeningKey {
  readonly kid: string;
  /** The length of the modulus, and so of every encrypted key, in octets. */
  readonly modulusOctets: number;
  readonly state: KeyState;
  /**
   * RSA-OAEP with SHA-256 (RFC 7518 §4.3); undefined when the key rejects the encrypted key. A
   * key that is asked over a network gives up at `deadline`, as performance.now() tells it.
   */
  decryptKey(encryptedKey: Uint8Array, deadline?: number): Promise<Uint8Array | undefined>;
}

export interface Decrypted {
  readonly plaintext: Uint8Array;
  /** The key that opened it. */
  readonly key: OpeningKey;
}

/**
 * Decrypts `jwe` with the first of `candidates` that fits. Only the encrypted key is given to a
 * key. Throws DECRYPTION_FAILED, the same for a bad encrypted key, tag or padding.
 */
export async function decryptCompact(
  jwe: CompactJwe,
  candidates: readonly OpeningKey[],
  deadline?: number,
): Promise<Decrypted> {
  for (const candidate of candidates) {
    const unwrapped = await candidate.decryptKey(jwe.encryptedKey, deadline);
    // RFC 7516 §11.5: "the recipient MUST NOT distinguish between format, padding, and length
    // errors of encrypted keys"; it goes on with a random CEK, so that all take the same time.
    const cek = unwrapped?.length === CEK_OCTETS ? unwrapped : randomBytes(CEK_OCTETS);
    const plaintext = decryptContent(cek, jwe);
    if (plaintext !== undefined) return { plaintext, key: candidate };
  }
  throw new KsealError('DECRYPTION_FAILED', 'decryption failed', {
    hint: 'the value is damaged or was sealed to another key; seal it again',
  });
}
