import { createDecipheriv, createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import { KsealError } from '../errors.ts';
import type { CompactJwe } from './compact.ts';

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

type EncryptedContent = Pick<CompactJwe, 'aad' | 'iv' | 'ciphertext' | 'tag'>;

/** The length of an A128CBC-HS256 key in bytes (RFC 7518 §5.2.3). */
const CEK_BYTES = 32;

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

/**
 * Decrypts A128CBC-HS256 (RFC 7518 §5.2.2.2) with a CEK of 32 bytes; undefined if the tag or the
 * padding is wrong.
 */
export function decryptContent(cek: Uint8Array, content: EncryptedContent): Buffer | undefined {
  const { aad, iv, ciphertext, tag } = content;
  // §5.2.2.1 step 1: MAC_KEY is the initial half of K, ENC_KEY the final half.
  const macKey = cek.subarray(0, 16);
  const encKey = cek.subarray(16, 32);
  // §5.2.2.1 step 4: AL is the length of the AAD in bits, as a 64-bit big-endian integer.
  const al = Buffer.alloc(8);
  al.writeBigUInt64BE(BigInt(aad.length) * 8n);
  const mac = createHmac('sha256', macKey)
    .update(aad)
    .update(iv)
    .update(ciphertext)
    .update(al)
    .digest();
  // §5.2.2.2 step 2: the tag is checked first, or the padding would reveal the plaintext to an
  // attacker (CVE-2021-29444).
  if (!timingSafeEqual(mac.subarray(0, 16), tag)) return undefined;
  const decipher = createDecipheriv('aes-128-cbc', encKey, iv);
  try {
    return Buffer.concat([decipher.update(ciphertext), decipher.final()]);
  } catch {
    return undefined;
  }
}
