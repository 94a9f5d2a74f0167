import { createHmac, randomBytes } from 'node:crypto';
import type { Place } from '../jwe/binding.ts';

/** A value that was opened: where it stands, its sealed bytes, and what they opened to. */
export interface Opened {
  readonly place: Place;
  readonly sealed: Uint8Array;
  readonly plaintext: Uint8Array;
  readonly kid: string;
}

/** Remembers that a value was opened, and holds nothing of it. */
export interface Cache {
  has(value: Opened): boolean;
  add(value: Opened): void;
}

const HOUR = 3_600_000;

/**
 * A cache in memory of at most `capacity` values, each for one hour from when it was opened. It
 * keeps their HMACs alone, under a key that ends with the process: to learn something from one,
 * one would have to know the plaintext already. `now` gives milliseconds.
 */
export function createCache(capacity = 50_000, now = () => performance.now()): Cache {
  const key = randomBytes(32);
  // From HMAC to when it is forgotten; a Map keeps the order in which its entries came.
  const known = new Map<string, number>();
  return {
    has: (value) => (known.get(macOf(key, value)) ?? 0) > now(),
    add(value) {
      const mac = macOf(key, value);
      known.delete(mac);
      known.set(mac, now() + HOUR);
      for (const [oldest, end] of known) {
        if (known.size <= capacity && end > now()) return;
        known.delete(oldest);
      }
    },
  };
}

/** Each part goes in with its length in front, so that no two values give the same bytes. */
function macOf(key: Uint8Array, { place, sealed, plaintext, kid }: Opened): string {
  const mac = createHmac('sha256', key);
  const parts = [place.namespace ?? '', place.name ?? '', place.key, kid].map((text) =>
    Buffer.from(text),
  );
  for (const part of [...parts, sealed, plaintext]) {
    const length = Buffer.alloc(4);
    length.writeUInt32BE(part.length);
    mac.update(length).update(part);
  }
  return mac.digest('base64');
}
