import { KsealError } from '../errors.ts';
import type { OpeningKey } from '../jwe/decrypt.ts';
import type { FairShare } from './fair-share.ts';
import type { Metrics } from './metrics.ts';

/** Keys that are asked for one namespace, within its share, and measured. */
export function askedFor(
  namespace: string,
  keys: readonly OpeningKey[],
  { share, metrics }: { readonly share: FairShare; readonly metrics: Metrics },
): readonly OpeningKey[] {
  return keys.map((key) => ({
    ...key,
    decryptKey: (encryptedKey, deadline) =>
      share(namespace, () => measured(key, encryptedKey, deadline, metrics)),
  }));
}

async function measured(
  key: OpeningKey,
  encryptedKey: Uint8Array,
  deadline = Number.POSITIVE_INFINITY,
  { keySeconds }: Metrics,
): Promise<Uint8Array | undefined> {
  const begun = performance.now();
  // It may have waited for its turn longer than anybody waits for it.
  if (begun >= deadline)
    throw new KsealError('KEY_DEADLINE', 'there was no time left to ask a key');
  let outcome = 'failed';
  try {
    const cek = await key.decryptKey(encryptedKey, deadline);
    // Whether it took the encrypted key is told to nobody (RFC 7516 §11.5), nor to who reads metrics.
    outcome = 'answered';
    return cek;
  } catch (error) {
    if (error instanceof KsealError) outcome = error.code;
    throw error;
  } finally {
    keySeconds.observe({ outcome }, (performance.now() - begun) / 1000);
  }
}
