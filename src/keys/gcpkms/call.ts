import { within } from '../../deadline.ts';
import { type Asked, isTransient, kmsError, tooLate } from './errors.ts';
import { Damaged } from './messages.ts';

/** Time limits in milliseconds. */
export interface Limits {
  /** For one call. */
  readonly call: number;
  /** For a whole command or decryption: connecting, all calls and all attempts. */
  readonly total: number;
  /** The pause before the second attempt; the pause before the third is twice as long. */
  readonly pause: number;
}

export const defaultLimits: Limits = { call: 5_000, total: 20_000, pause: 200 };

const ATTEMPTS = 3;

/**
 * Sends a request to Cloud KMS and resolves to the answer, both as Protocol Buffers. `resource` is
 * `name=…` or `parent=…`, by which Google routes the request; `timeout` is in milliseconds. Rejects with
 * an error that has a gRPC status.
 */
export type Client = (
  method: string,
  request: Buffer,
  resource: readonly ['name' | 'parent', string],
  timeout: number,
) => Promise<Buffer>;

/** A client, and the time that a command may use it. */
export interface Session {
  readonly client: Client;
  readonly limits: Limits;
  /** On the clock of performance.now(). */
  readonly deadline: number;
}

/**
 * Calls Cloud KMS, up to three times if the failure may be temporary: Cloud KMS is unreachable,
 * overloaded or slow, or the answer is damaged. Throws a KsealError for every failure.
 */
export async function ask<T>(
  question: Asked & Omit<Session, 'client'>,
  attempt: (timeout: number) => Promise<T>,
): Promise<T> {
  const { limits, deadline, name } = question;
  for (let tried = 1; ; tried++) {
    try {
      const left = deadline - performance.now();
      if (left <= 0) throw tooLate(name);
      return await attempt(Math.min(limits.call, left));
    } catch (error) {
      const pause = pauseAfter(error, limits.pause * 2 ** (tried - 1));
      const late = performance.now() + pause >= deadline;
      if (tried === ATTEMPTS || late || !isTransient(error)) throw kmsError(error, question);
      await new Promise((resolve) => setTimeout(resolve, pause));
    }
  }
}

/** Random, so that clients that failed together do not retry together. */
function pauseAfter(error: unknown, pause: number): number {
  return error instanceof Damaged ? 0 : pause * (0.5 + Math.random() / 2);
}

/** The result of `promise`. Throws KEY_DEADLINE if it takes until `deadline`. */
export function before<T>(deadline: number, name: string, promise: Promise<T>): Promise<T> {
  return within(deadline - performance.now(), promise, () => {
    throw tooLate(name);
  });
}

/** The table for CRC32C: the Castagnoli polynomial, bits reflected (RFC 3720 §12.1). */
const table = Uint32Array.from({ length: 256 }, (_, byte) => {
  let rest = byte;
  for (let bit = 0; bit < 8; bit++) rest = (rest >>> 1) ^ (rest & 1 ? 0x82f63b78 : 0);
  return rest;
});

/** The CRC32C of `bytes`, the checksum that Cloud KMS uses in both directions. */
export function crc32c(bytes: Uint8Array): number {
  let rest = 0xffffffff;
  for (const byte of bytes) rest = (rest >>> 8) ^ (table[(rest ^ byte) & 0xff] ?? 0);
  return (rest ^ 0xffffffff) >>> 0;
}
