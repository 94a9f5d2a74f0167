import { KsealError } from '../errors.ts';
import type { Scope } from '../jwe/binding.ts';
import type { OpeningKey } from '../jwe/decrypt.ts';
import { type KeyContext, loadOpeningKeys } from '../keys/open.ts';
import type { IO } from './io.ts';
import { say } from './print.ts';

/** What each scope means, for people who have never heard the word. */
const scopeWords: Record<Scope, string> = {
  strict: 'each value will open only in its own Secret, under its own data key',
  'namespace-wide': 'each value will open in any Secret of its namespace',
  'cluster-wide': 'each value will open in any Secret of the cluster',
};

/** Says the scope, and for which Secret where there is one. */
export function sayScope(io: IO, scope: Scope, secret?: string): void {
  say(io, 'note', `${secret ? `${secret}, ` : ''}scope ${scope}: ${scopeWords[scope]}`);
}

/** Loads the keys to open with: those that were named, else the one of the environment. */
export async function openingKeys(
  io: IO,
  given: readonly string[],
  context: KeyContext,
): Promise<readonly OpeningKey[]> {
  const references = given.length > 0 ? given : [io.env.KSEAL_DECRYPT_KEY ?? ''].filter(Boolean);
  if (references.length === 0) {
    throw new KsealError('USAGE', 'no key to open with', { hint: '-k key.pem' });
  }
  const keys = await Promise.all(
    references.map((reference) => loadOpeningKeys(reference, context)),
  );
  return keys.flat();
}
