import pLimit, { type LimitFunction } from 'p-limit';
import { KsealError } from '../../errors.ts';
import type { OpeningKey } from '../../jwe/decrypt.ts';
import type { Metrics } from './metrics.ts';

/** Runs `task` when it is the turn of `owner`. */
type FairShare = <T>(owner: string, task: () => Promise<T>) => Promise<T>;

interface Owner {
  readonly running: LimitFunction;
  readonly waiting: LimitFunction;
  tasks: number;
}

/**
 * Runs at most `total` tasks at once and at most half of them for one owner, so that one namespace
 * cannot keep all others waiting. Owners take turns.
 */
export function fairShare(total: number): FairShare {
  const all = pLimit(total);
  const half = Math.max(1, Math.floor(total / 2));
  const owners = new Map<string, Owner>();
  return async <T>(name: string, task: () => Promise<T>) => {
    const owner = owners.get(name) ?? { running: pLimit(half), waiting: pLimit(1), tasks: 0 };
    owners.set(name, owner);
    owner.tasks += 1;
    try {
      return await owner.running(async () => {
        // The queue of `all` never holds two tasks of one owner, so owners take turns.
        const { result } = await owner.waiting(
          () =>
            new Promise<{ result: Promise<T> }>((begun) => {
              const result = all(() => {
                begun({ result });
                return task();
              });
            }),
        );
        return result;
      });
    } finally {
      owner.tasks -= 1;
      if (owner.tasks === 0) owners.delete(name);
    }
  };
}

/** The keys for the reviews of one namespace: limited to its share, and measured. */
export function keysFor(
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
  // The review may be over by the time its turn comes.
  if (begun >= deadline) throw new KsealError('KEY_DEADLINE', 'no time left to ask the key');
  let outcome = 'failed';
  try {
    const cek = await key.decryptKey(encryptedKey, deadline);
    // Metrics must not show whether the key accepted the encrypted key (RFC 7516 §11.5).
    outcome = 'answered';
    return cek;
  } catch (error) {
    if (error instanceof KsealError) outcome = error.code;
    throw error;
  } finally {
    keySeconds.observe({ outcome }, (performance.now() - begun) / 1000);
  }
}
