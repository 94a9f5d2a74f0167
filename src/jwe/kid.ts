import type { KeyObject } from 'node:crypto';
import { calculateJwkThumbprint } from 'jose';

/** The kid of a public key: its JWK SHA-256 thumbprint in base64url (RFC 7638), 43 characters. */
export function kidOf(publicKey: KeyObject): Promise<string> {
  return calculateJwkThumbprint(publicKey.export({ format: 'jwk' }) as { kty: string }, 'sha256');
}

/** A kid as people compare it: 16 groups of four hex digits, with the kid behind. */
export function describeKid(kid: string): string {
  const hex = Buffer.from(kid, 'base64url').toString('hex');
  return `${hex.match(/.{4}/g)?.join(' ') ?? ''} (${kid})`;
}
