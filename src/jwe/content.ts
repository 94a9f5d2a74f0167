import { createDecipheriv, createHmac, timingSafeEqual } from 'node:crypto';

/** The length of an A128CBC-HS256 key in octets (RFC 7518 §5.2.3). */
export const CEK_OCTETS = 32;

export interface EncryptedContent {
  readonly aad: Uint8Array;
  readonly iv: Uint8Array;
  readonly ciphertext: Uint8Array;
  readonly tag: Uint8Array;
}

/**
 * AES_CBC_HMAC_SHA2 decryption for A128CBC-HS256 (RFC 7518 §5.2.2.2); undefined when the
 * tag or the padding is wrong. `cek` has 32 octets.
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
  // §5.2.2.2 step 2: the tag decides before anything is decrypted, or the padding would tell
  // an attacker about the plaintext (CVE-2021-29444).
  if (!timingSafeEqual(mac.subarray(0, 16), tag)) return undefined;
  const decipher = createDecipheriv('aes-128-cbc', encKey, iv);
  try {
    return Buffer.concat([decipher.update(ciphertext), decipher.final()]);
  } catch {
    return undefined;
  }
}
