import {
  constants,
  createCipheriv,
  createHash,
  createHmac,
  createPublicKey,
  privateDecrypt,
  publicEncrypt,
  randomBytes,
} from 'node:crypto';

// JWEs with nothing but node:crypto, independent of src/ and jose, so that tests can also make what
// both refuse to make.

const oaep = { padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash: 'sha256' };

/** A compact JWE of `plaintext` with any protected header. */
export function makeJwe(plaintext: Buffer, publicPem: string | Buffer, header: string): string {
  const cek = randomBytes(32);
  const iv = randomBytes(16);
  const aad = Buffer.from(header).toString('base64url');
  const cipher = createCipheriv('aes-128-cbc', cek.subarray(16), iv);
  const ciphertext = Buffer.concat([cipher.update(plaintext), cipher.final()]);
  const bits = Buffer.alloc(8);
  bits.writeBigUInt64BE(BigInt(aad.length * 8));
  const mac = createHmac('sha256', cek.subarray(0, 16));
  const tag = mac.update(Buffer.concat([Buffer.from(aad), iv, ciphertext, bits])).digest();
  const encryptedKey = publicEncrypt({ key: publicPem, ...oaep }, cek);
  const bytes = [encryptedKey, iv, ciphertext, tag.subarray(0, 16)];
  return [aad, ...bytes.map((part) => part.toString('base64url'))].join('.');
}

/** The CEK of a compact JWE; undefined if `privatePem` does not open it. */
export function cekOf(jwe: string, privatePem: string | Buffer): Buffer | undefined {
  try {
    const encryptedKey = Buffer.from(jwe.split('.')[1] ?? '', 'base64url');
    return privateDecrypt({ key: privatePem, ...oaep }, encryptedKey);
  } catch {
    return undefined;
  }
}

const COMPACT = /eyJ(?:hbGciOiJSU0E|lbmMiOiJB)[\w-]*(?:\.[\w-]+){4}/g;

/** The compact JWEs in a text, bare or base64-encoded once. */
export function jwesIn(text: string): string[] {
  const encoded = text.match(/ZXlK[A-Za-z0-9+/]{200,}={0,2}/g) ?? [];
  const decoded = encoded.map((run) => Buffer.from(run, 'base64').toString('latin1'));
  return [text, ...decoded].flatMap((part) => part.match(COMPACT) ?? []);
}

/** Changes one bit in byte `at` of segment `segment` of a compact JWE. */
export function flipBit(jwe: string, segment: number, at: number): string {
  const segments = jwe.split('.');
  const bytes = Buffer.from(segments[segment] ?? '', 'base64url');
  bytes[at] = (bytes[at] ?? 0) ^ 1;
  segments[segment] = bytes.toString('base64url');
  return segments.join('.');
}

/** The kid of a public key: its thumbprint by RFC 7638 §3. */
export function kidOfPem(publicPem: string | Buffer): string {
  const { e, n } = createPublicKey(publicPem).export({ format: 'jwk' });
  return createHash('sha256').update(`{"e":"${e}","kty":"RSA","n":"${n}"}`).digest('base64url');
}
