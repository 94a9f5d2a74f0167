import type { KeyObject } from 'node:crypto';
import { calculateJwkThumbprint } from 'jose';
import { decodeBase64url } from './encoding.ts';

/** The kid of a public key: its JWK SHA-256 thumbprint in base64url (RFC 7638), 43 characters. */
export function kidOf(publicKey: KeyObject): Promise<string> {
  return calculateJwkThumbprint(publicKey.export({ format: 'jwk' }) as { kty: string }, 'sha256');
}

/** A kid as people compare it: 16 groups of four hex digits, with the kid behind. */
export function describeKid(kid: string): string {
  const hex = Buffer.from(kid, 'base64url').toString('hex');
  return `${hex.match(/.{4}/g)?.join(' ') ?? ''} (${kid})`;
}

/**
 * Reads a pin in either form people have it in: the kid itself, or its 64 hex digits; spaces and
 * colons do not count. Returns the kid; undefined for anything else.
 */
export function parseKid(text: string): string | undefined {
  const bare = text.replace(/[\s:]/g, '');
  if (/^[0-9a-f]{64}$/i.test(bare)) return Buffer.from(bare, 'hex').toString('base64url');
  return decodeBase64url(bare)?.length === 32 ? bare : undefined;
}
