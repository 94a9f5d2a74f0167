import { createCipheriv, createDecipheriv, createHmac, timingSafeEqual } from 'node:crypto';

// A128CBC-HS256, the content encryption of every sealed value (RFC 7518 §5.2.3).

/** The lengths of a CEK and of an IV in bytes. */
export const CEK_BYTES = 32;
export const IV_BYTES = 16;

interface Content {
  /** The additional authenticated data. */
  readonly aad: Uint8Array;
  readonly iv: Uint8Array;
  readonly ciphertext: Uint8Array;
}

/** Encrypts by RFC 7518 §5.2.2.1, with a CEK of 32 bytes and an IV of 16 bytes. */
export function encryptContent(
  cek: Uint8Array,
  { aad, iv, plaintext }: Omit<Content, 'ciphertext'> & { readonly plaintext: Uint8Array },
): { readonly ciphertext: Buffer; readonly tag: Buffer } {
  const cipher = createCipheriv('aes-128-cbc', keysOf(cek).encKey, iv);
  const ciphertext = Buffer.concat([cipher.update(plaintext), cipher.final()]);
  return { ciphertext, tag: tagOf(cek, { aad, iv, ciphertext }) };
}

/** Decrypts by RFC 7518 §5.2.2.2 with a CEK of 32 bytes; undefined if the tag or the padding is wrong. */
export function decryptContent(
  cek: Uint8Array,
  { tag, ...content }: Content & { readonly tag: Uint8Array },
): Buffer | undefined {
  // §5.2.2.2 step 2: the tag is checked first, or the padding would reveal the plaintext to an
  // attacker (CVE-2021-29444).
  if (!timingSafeEqual(tagOf(cek, content), tag)) return undefined;
  const decipher = createDecipheriv('aes-128-cbc', keysOf(cek).encKey, content.iv);
  const parts = [decipher.update(content.ciphertext)];
  try {
    parts.push(decipher.final());
    return Buffer.concat(parts);
  } catch {
    return undefined;
  } finally {
    // The caller can erase only the result.
    for (const part of parts) part.fill(0);
  }
}

/** §5.2.2.1 step 1: MAC_KEY is the initial half of K, ENC_KEY the final half. */
function keysOf(cek: Uint8Array) {
  return { macKey: cek.subarray(0, 16), encKey: cek.subarray(16, CEK_BYTES) };
}

/** §5.2.2.1 step 5: T is the first half of the HMAC over A, the IV, the ciphertext and AL. */
function tagOf(cek: Uint8Array, { aad, iv, ciphertext }: Content): Buffer {
  // Step 4: AL is the length of the AAD in bits, as a 64-bit big-endian integer.
  const al = Buffer.alloc(8);
  al.writeBigUInt64BE(BigInt(aad.length) * 8n);
  const mac = createHmac('sha256', keysOf(cek).macKey);
  return mac.update(aad).update(iv).update(ciphertext).update(al).digest().subarray(0, 16);
}
