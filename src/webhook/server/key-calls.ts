import { KsealError } from '../../errors.ts';
import type { OpeningKey } from '../../jwe/decrypt.ts';
import type { Metrics } from './metrics.ts';

/** Runs `task` when it is the turn of `owner`. */
type FairShare = <T>(owner: string, task: () => Promise<T>) => Promise<T>;

/** The tasks of an owner that wait, of which the first `begun` do so no more. */
interface Queue {
  readonly starts: (() => void)[];
  begun: number;
}

/**
 * Runs at most `total` tasks at once, and no more than half of them for one owner, so that one
 * namespace cannot keep all others waiting. The owners that wait take turns.
 */
export function fairShare(total: number): FairShare {
  const most = Math.max(1, Math.floor(total / 2));
  const running = new Map<string, number>();
  const waiting = new Map<string, Queue>();
  let busy = 0;
  const runningOf = (owner: string) => running.get(owner) ?? 0;
  const count = (owner: string, by: 1 | -1) => {
    busy += by;
    if (runningOf(owner) + by === 0) running.delete(owner);
    else running.set(owner, runningOf(owner) + by);
  };
  const startNext = () => {
    for (const [owner, queue] of waiting) {
      if (runningOf(owner) >= most) continue;
      const start = nextOf(queue);
      // A Map keeps the order in which its keys came: the next turn is after everybody else's.
      waiting.delete(owner);
      if (queue.starts.length > 0) waiting.set(owner, queue);
      count(owner, 1);
      return start?.();
    }
  };
  const turnOf = (owner: string) => {
    if (busy < total && runningOf(owner) < most) return count(owner, 1);
    return new Promise<void>((start) => {
      const queue = waiting.get(owner);
      if (queue === undefined) waiting.set(owner, { starts: [start], begun: 0 });
      else queue.starts.push(start);
    });
  };
  return async (owner, task) => {
    await turnOf(owner);
    try {
      return await task();
    } finally {
      count(owner, -1);
      startNext();
    }
  };
}

/** Those that have begun are taken out now and then: one by one it would cost a long queue dear. */
function nextOf(queue: Queue): (() => void) | undefined {
  const start = queue.starts[queue.begun++];
  if (queue.begun * 2 > queue.starts.length) {
    queue.starts.splice(0, queue.begun);
    queue.begun = 0;
  }
  return start;
}

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
