import { createHmac, randomBytes } from 'node:crypto';
import type { Place } from '../jwe/binding.ts';

/** A value that was opened: its place, its sealed bytes and what they opened to. */
export interface Opened {
  readonly place: Place;
  readonly sealed: Uint8Array;
  readonly plaintext: Uint8Array;
  /** The key that opened it. */
  readonly kid: string;
}

/** Remembers which values were opened without storing them. */
export interface Cache {
  has(value: Opened): boolean;
  add(value: Opened): void;
}

const HOUR = 3_600_000;

/**
 * Creates a cache in memory of at most `capacity` values, each for one hour after it was last
 * opened. It stores only HMACs under a random key that lives as long as the process, so nobody can
 * learn a plaintext from it. `now` returns milliseconds.
 */
export function createCache(capacity = 50_000, now = () => performance.now()): Cache {
  const key = randomBytes(32);
  // From HMAC to expiry; a Map keeps its entries in insertion order.
  const known = new Map<string, number>();
  return {
    has: (value) => (known.get(macOf(key, value)) ?? 0) > now(),
    add(value) {
      const mac = macOf(key, value);
      known.delete(mac);
      known.set(mac, now() + HOUR);
      for (const [oldest, expiry] of known) {
        if (known.size <= capacity && expiry > now()) return;
        known.delete(oldest);
      }
    },
  };
}

/** The lengths of the parts come first, so that no two values have the same input. */
function macOf(key: Uint8Array, { place, sealed, plaintext, kid }: Opened): string {
  const texts = [place.namespace ?? '', place.name ?? '', place.key, kid];
  const lengths = [...texts, sealed, plaintext].map(({ length }) => length).join();
  return createHmac('sha256', key)
    .update(`${lengths}:${texts.join('')}`)
    .update(sealed)
    .update(plaintext)
    .digest('base64');
}
