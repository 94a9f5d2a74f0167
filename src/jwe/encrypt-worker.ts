import type { KeyObject } from 'node:crypto';
import { parentPort } from 'node:worker_threads';
import type { Binding } from './binding.ts';
import { encryptCompact } from './encrypt.ts';

// The entry point of a worker thread of `encrypt-pool.ts`.

/** Values to seal to one key. */
export interface Batch {
  readonly kid: string;
  readonly key: KeyObject;
  readonly bindings: readonly Binding[];
  /** The plaintexts one after another, and the length of each in bytes. */
  readonly plaintexts: Uint8Array;
  readonly lengths: readonly number[];
}

/** Answers each batch with its compact JWEs, in the order of the batches. An error ends the thread. */
parentPort?.on('message', ({ kid, key, bindings, plaintexts, lengths }: Batch) => {
  let end = 0;
  const jwes = bindings.map((binding, index) => {
    const start = end;
    end += lengths[index] ?? 0;
    return encryptCompact(plaintexts.subarray(start, end), binding, { kid, key });
  });
  plaintexts.fill(0);
  parentPort?.postMessage(jwes);
});
