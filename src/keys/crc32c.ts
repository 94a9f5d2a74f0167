/** The table of CRC32C: the Castagnoli polynomial, bits reflected (RFC 3720 §12.1). */
const table = Uint32Array.from({ length: 256 }, (_, octet) => {
  let rest = octet;
  for (let bit = 0; bit < 8; bit++) rest = (rest >>> 1) ^ (rest & 1 ? 0x82f63b78 : 0);
  return rest;
});

/** The CRC32C of `octets`, with which Cloud KMS guards what it is sent and what it answers. */
export function crc32c(octets: Uint8Array): number {
  let rest = 0xffffffff;
  for (const octet of octets) rest = (rest >>> 8) ^ (table[(rest ^ octet) & 0xff] ?? 0);
  return (rest ^ 0xffffffff) >>> 0;
}
