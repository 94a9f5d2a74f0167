import { KsealError } from '../errors.ts';
import type { CompactJwe, Header } from '../jwe/compact.ts';
import type { OpeningKey } from '../jwe/decrypt.ts';

/** How many keys are tried on a value that names none: each try may be a call to a KMS. */
const MAX_TRIES = 4;

/**
 * The keys to try on `jwe`: the one its kid names, or for a value of another tool that names
 * none of ours, up to four of the right modulus length. None of this asks a key anything.
 * Throws KEY_UNKNOWN, KEY_REVOKED or JWE_MALFORMED.
 */
export function candidatesFor(
  { header, encryptedKey }: CompactJwe,
  keyring: readonly OpeningKey[],
  { allowRevoked = false } = {},
): readonly OpeningKey[] {
  const named = keyring.find((key) => key.kid === header.kid);
  if (named !== undefined) {
    checkLength(encryptedKey.length, named.modulusBytes);
    return [usable(named, allowRevoked)];
  }
  if (header.binding !== undefined) throw unknownKid(header, keyring);
  const fitting = keyring
    .filter((key) => key.modulusBytes === encryptedKey.length)
    .filter((key) => allowRevoked || key.state !== 'revoked')
    .slice(0, MAX_TRIES);
  const revoked = keyring.find((key) => key.modulusBytes === encryptedKey.length);
  if (fitting.length === 0 && revoked !== undefined) return [usable(revoked, allowRevoked)];
  if (fitting.length === 0) throw unknownKid(header, keyring);
  return fitting;
}

function checkLength(actual: number, expected: number): void {
  if (actual === expected) return;
  throw new KsealError(
    'JWE_MALFORMED',
    `JWE encrypted key has ${actual} bytes, and its key makes ${expected}`,
  );
}

function usable(key: OpeningKey, allowRevoked: boolean): OpeningKey {
  if (key.state !== 'revoked' || allowRevoked) return key;
  throw new KsealError('KEY_REVOKED', `sealed to key ${key.kid}, which is revoked`, {
    hint: 'seal the value again with the current key',
  });
}

function unknownKid({ binding, kid }: Header, keyring: readonly OpeningKey[]): KsealError {
  const given = keyring.map((key) => key.kid).join(', ') || 'none';
  // The kid of another tool is any text, and says nothing here: it counts as none.
  const sealed =
    binding === undefined || kid === undefined
      ? 'it names none of the keys given, and none has the right length'
      : `sealed to key ${kid}`;
  return new KsealError('KEY_UNKNOWN', `${sealed}; keys given: ${given}`, {
    hint: 'give the key it was sealed to with -k',
    kid: binding === undefined ? undefined : kid,
  });
}
