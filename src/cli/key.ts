import { KsealError } from '../errors.ts';
import type { Scope } from '../jwe/binding.ts';
import type { OpeningKey } from '../jwe/decrypt.ts';
import type { PublicKey } from '../jwe/encrypt.ts';
import { describeKid } from '../jwe/kid.ts';
import { loadOpeningKeys, loadPublicKey } from '../keys/open.ts';
import { WEAK_BITS } from '../keys/policy.ts';
import type { IO } from './io.ts';
import { say, warn } from './print.ts';

/** Loads the key to seal to, and says which one it is. */
export async function sealingKey(io: IO, given: string | undefined): Promise<PublicKey> {
  const reference = given ?? io.env.KSEAL_SEAL_KEY;
  if (!reference) throw new KsealError('USAGE', 'no key to seal to', { hint: '-k keys/prod.pub' });
  const key = await loadPublicKey(reference, io.cwd);
  say(io, 'note', `sealing to key ${reference}, RSA-${key.bits}`);
  say(io, 'note', `its fingerprint: ${describeKid(key.kid)}`);
  if (key.bits < WEAK_BITS) {
    warn(io, { message: `${reference}: RSA-${key.bits} is weak; 3072 bits or more are advised` });
  }
  return key;
}

/** What each scope means, for people who have never heard the word. */
const scopeWords: Record<Scope, string> = {
  strict: 'each value will open only in its own Secret, under its own data key',
  'namespace-wide': 'each value will open in any Secret of its namespace',
  'cluster-wide': 'each value will open in any Secret of the cluster',
};

/** Says the scope, and for which Secret. */
export function sayScope(io: IO, scope: Scope, secret: string): void {
  say(io, 'note', `${secret}, scope ${scope}: ${scopeWords[scope]}`);
}

/** Loads the keys to open with. */
export async function openingKeys(
  io: IO,
  given: readonly string[],
): Promise<readonly OpeningKey[]> {
  const references = given.length > 0 ? given : [io.env.KSEAL_DECRYPT_KEY ?? ''].filter(Boolean);
  if (references.length === 0) {
    throw new KsealError('USAGE', 'no key to open with', { hint: '-k key.pem' });
  }
  const keys = await Promise.all(references.map((reference) => loadOpeningKeys(reference, io.cwd)));
  return keys.flat();
}
