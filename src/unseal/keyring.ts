import { KsealError } from '../errors.ts';
import { type CompactJwe, keyLengthProblem } from '../jwe/compact.ts';
import type { OpeningKey } from '../jwe/decrypt.ts';
import { listOf } from '../text.ts';

/** The most keys that are tried on a value that names none: each try may be a call to a KMS. */
const MAX_TRIES = 4;

/**
 * The keys to try on `jwe`: the one with its kid, or for an unbound value with any other kid or
 * none, up to four of the right modulus length. No key is used to choose them.
 * Throws KEY_UNKNOWN, KEY_REVOKED or JWE_MALFORMED.
 */
export function candidatesFor(
  jwe: CompactJwe,
  keyring: readonly OpeningKey[],
  { allowRevoked = false } = {},
): readonly OpeningKey[] {
  const candidates = matchingKeys(jwe, keyring);
  const [first] = candidates;
  if (first === undefined) throw unknownKey(jwe, keyring);
  const usable = candidates.filter(({ state }) => allowRevoked || state !== 'revoked');
  if (usable.length > 0) return usable.slice(0, MAX_TRIES);
  throw new KsealError('KEY_REVOKED', `sealed to revoked key ${first.kid}`, {
    hint: 'seal a new value, or move this one: kseal rekey FILE --to NEW --allow-revoked',
  });
}

function matchingKeys(jwe: CompactJwe, keyring: readonly OpeningKey[]): readonly OpeningKey[] {
  const { header, encryptedKey } = jwe;
  const named = keyring.find(({ kid }) => kid === header.kid);
  if (named === undefined) {
    if (header.binding !== undefined) return [];
    return keyring.filter(({ modulusBytes }) => modulusBytes === encryptedKey.length);
  }
  const problem = keyLengthProblem(jwe, named.modulusBytes);
  if (problem !== undefined) throw new KsealError('JWE_MALFORMED', problem);
  return [named];
}

function unknownKey(
  { header: { binding, kid }, encryptedKey }: CompactJwe,
  keyring: readonly OpeningKey[],
): KsealError {
  const given = listOf(keyring.map((key) => key.kid)) || 'none';
  // The kid of another tool can be any text, so it is not shown.
  const key = binding ? `key ${kid}` : `an unknown RSA-${encryptedKey.length * 8} key`;
  return new KsealError('KEY_UNKNOWN', `sealed to ${key}; keys given: ${given}`, {
    hint: 'pass its key with -k',
    kid: binding && kid,
  });
}
