/** `octets` as a Buffer, without copying them; most are one already. */
export function bufferOf(octets: Uint8Array): Buffer {
  const { buffer, byteOffset, length } = octets;
  return Buffer.isBuffer(octets) ? octets : Buffer.from(buffer, byteOffset, length);
}

/**
 * Decodes base64url without padding (RFC 7515 §2); undefined unless `text` is the one
 * canonical text of its octets. Buffer alone drops bad characters and spare bits silently,
 * which would give one value several texts.
 */
export function decodeBase64url(text: string): Buffer | undefined {
  const octets = Buffer.from(text, 'base64url');
  return octets.toString('base64url') === text ? octets : undefined;
}
