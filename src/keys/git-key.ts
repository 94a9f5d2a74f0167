import { KsealError } from '../errors.ts';
import { type FetchedFile, fetchFile } from '../git/fetch.ts';
import { checkedKey } from './file.ts';
import { parseGitReference } from './git-reference.ts';
import { readKeyText } from './pem.ts';
import type { FetchPublicKey } from './provider.ts';

/** As many octets as a key file on disk may have. */
const LIMIT = 64 * 1024;

/** Gets the public key in one file of a Git repository, at a branch, a tag or a commit. */
export const fetchPublicKey: FetchPublicKey = async (reference, { env, verifySignature }) => {
  const address = parseGitReference(reference);
  const file = await fetchFile(address, { env, verifySignature, limit: LIMIT });
  const origin = `${address.shown}@${file.commit}#${address.path}`;
  const text = file.octets.toString('latin1');
  // Whatever its kind, before anything else is said of it.
  if (/-----BEGIN [A-Z0-9 ]*PRIVATE KEY/.test(text)) throw published(origin);
  const key = await checkedKey(readKeyText(file.octets, origin), origin);
  if (key.kind === 'private') throw published(origin);
  return { ...key, origin, facts: factsOf(file) };
};

function factsOf({ commit, ref, signature }: FetchedFile): ReadonlyMap<string, string> {
  const facts = new Map([
    ['commit', commit],
    ['ref', ref],
  ]);
  if (signature === undefined) return facts;
  const { signer, fingerprint } = signature;
  return facts.set('signature', `good, by ${signer} with key ${fingerprint}`);
}

/** A private key that was ever pushed is in the history, and in every clone. */
function published(origin: string): KsealError {
  return new KsealError(
    'KEY_INVALID',
    `${origin}: is a private key, and a private key in a repository is no secret any more`,
    { hint: 'make a new key, and change every value sealed to this one: kseal keygen -o PREFIX' },
  );
}
