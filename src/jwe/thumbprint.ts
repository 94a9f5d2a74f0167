import { createHash, type KeyObject } from 'node:crypto';
import { decodeBase64url } from './encoding.ts';

/** The kid of a public RSA key: its SHA-256 JWK thumbprint (RFC 7638) as 43 base64url characters. */
export function kidOf(publicKey: KeyObject): string {
  const { e, kty, n } = publicKey.export({ format: 'jwk' });
  // §3: "containing only the required members of a JWK representing the key", in lexicographic order.
  return createHash('sha256').update(JSON.stringify({ e, kty, n })).digest('base64url');
}

/** The fingerprint of a key, the form that people compare: 16 groups of four hex digits, then the kid. */
export function describeKid(kid: string): string {
  return `${fingerprintOf(kid)} (${kid})`;
}

/** 16 groups of four hex digits. */
export function fingerprintOf(kid: string): string {
  return groupsOf(kid).join(' ');
}

/**
 * Returns the beginning of a fingerprint, for tables: its first group, or as many as tell all `kids`
 * apart. It is too short to trust.
 */
export function shortFingerprints(kids: Iterable<string>): (kid: string) => string {
  // The kid of another tool may be any text.
  const all = [...new Set(kids)].filter((kid) => parseKid(kid) === kid).map(groupsOf);
  const differ = (count: number) =>
    new Set(all.map((groups) => groups.slice(0, count).join(' '))).size === all.length;
  let count = 1;
  while (count < 16 && !differ(count)) count += 1;
  return (kid) => `${groupsOf(kid).slice(0, count).join(' ')}…`;
}

/** The groups of a fingerprint in four lines of four, indented, to compare one under the other. */
export function fingerprintBlock(kid: string): string {
  const groups = groupsOf(kid);
  return [0, 4, 8, 12].map((at) => `  ${groups.slice(at, at + 4).join(' ')}`).join('\n');
}

function groupsOf(kid: string): readonly string[] {
  return Buffer.from(kid, 'base64url').toString('hex').match(/.{4}/g) ?? [];
}

/**
 * Parses a fingerprint: a kid, or 64 hex digits; spaces and colons are ignored. Returns the kid;
 * undefined for any other text.
 */
export function parseKid(text: string): string | undefined {
  const bare = text.replace(/[\s:]/g, '');
  if (/^[0-9a-f]{64}$/i.test(bare)) return Buffer.from(bare, 'hex').toString('base64url');
  return decodeBase64url(bare)?.length === 32 ? bare : undefined;
}
