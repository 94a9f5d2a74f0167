import { bufferOf } from './base64url.ts';

// The octets with which a sealed value begins, and those octets base64-encoded once more.
// The last two are cut to what the fixed prefixes of `data` values (webhook match
// conditions and policy) can tell apart, so that all readers agree on every value.
const compact = ['eyJhbGciOiJSU0E', 'eyJlbmMiOiJB']; // {"alg":"RSA and {"enc":"A
const encodedAgain = ['ZXlKaGJHY2lPaUpTVT', 'ZXlKbGJtTWlPaUp'];

/** All of them: whole groups of three octets, so that each is a fixed prefix in base64, too. */
export const sealedBeginnings: readonly string[] = [...compact, ...encodedAgain];

export type SealedLook = 'no' | 'compact' | 'encoded-again';

/**
 * What a value's octets look like: a compact JWE, one that was base64-encoded once more,
 * or neither. What looks sealed is opened or refused; nothing else is touched. No JWS matches.
 */
export function sealedLook(octets: Uint8Array): SealedLook {
  const start = bufferOf(octets).toString('latin1', 0, 20);
  if (compact.some((prefix) => start.startsWith(prefix))) return 'compact';
  return encodedAgain.some((prefix) => start.startsWith(prefix)) ? 'encoded-again' : 'no';
}

/** The one "looks sealed" predicate of seal, verify, the webhook and its match condition. */
export function looksSealed(octets: Uint8Array): boolean {
  return sealedLook(octets) !== 'no';
}
