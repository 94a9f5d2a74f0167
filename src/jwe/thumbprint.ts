import type { KeyObject } from 'node:crypto';
import { calculateJwkThumbprint } from 'jose';
import { decodeBase64url } from './encoding.ts';

/** The kid of a public key: its SHA-256 JWK thumbprint (RFC 7638) as 43 base64url characters. */
export function kidOf(publicKey: KeyObject): Promise<string> {
  return calculateJwkThumbprint(publicKey.export({ format: 'jwk' }) as { kty: string }, 'sha256');
}

/** The fingerprint of a key, the form that people compare: 16 groups of four hex digits, then the kid. */
export function describeKid(kid: string): string {
  return `${fingerprintOf(kid)} (${kid})`;
}

/** 16 groups of four hex digits. */
export function fingerprintOf(kid: string): string {
  const hex = Buffer.from(kid, 'base64url').toString('hex');
  return hex.match(/.{4}/g)?.join(' ') ?? '';
}

/** The beginning of a fingerprint, for tables: it tells keys apart, but is too short to trust. */
export function shortFingerprint(kid: string): string {
  return `${fingerprintOf(kid).slice(0, 9)}…`;
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
