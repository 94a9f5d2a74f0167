import { KsealError } from '../errors.ts';
import { type CompactJwe, readCompact } from './compact.ts';
import { looksFlattened } from './flattened.ts';
import { looksSealed, sealedLook } from './looks-sealed.ts';

/**
 * Reads a value of a Secret: undefined when it does not look sealed and is to be left alone.
 * Throws JWE_MALFORMED or JWE_REFUSED for what looks sealed but is damaged, encoded twice or in
 * a JSON serialization.
 */
export function readSealedValue(octets: Uint8Array): CompactJwe | undefined {
  const look = sealedLook(octets);
  if (look === 'compact') return readCompact(octets);
  if (look === 'encoded-again') {
    throw new KsealError(
      'JWE_MALFORMED',
      'is a sealed value that was base64-encoded once too often',
      {
        hint: 'take one layer of base64 away, or seal the value again',
      },
    );
  }
  if (!looksFlattened(octets)) return undefined;
  throw new KsealError(
    'JWE_REFUSED',
    'is a JWE in JSON form, and only the compact form is opened',
    {
      hint: 'rewrite it with: kseal seal --from-jwe FILE',
    },
  );
}

/** Whether a value is one that `readSealedValue` reads or throws at. */
export function isSealedInSomeForm(octets: Uint8Array): boolean {
  return looksSealed(octets) || looksFlattened(octets);
}
