import type { KeyManagementServiceClient } from '@google-cloud/kms';
import { type Asked, Damaged, isTransient, kmsError, tooLate } from './errors.ts';

/** How long Cloud KMS may take; milliseconds. The client's own limits are 60 and 600 seconds. */
export interface Limits {
  /** For one call. */
  readonly call: number;
  /** For all that one question needs: connecting, each call, each try. */
  readonly total: number;
  /** Before the second try; twice as long before the third. */
  readonly pause: number;
}

export const defaultLimits: Limits = { call: 5_000, total: 20_000, pause: 200 };

const TRIES = 3;

/** How the client is to make a call: once, within `timeout` milliseconds. */
interface CallOptions {
  readonly timeout: number;
  readonly retry: { readonly retryCodes: number[] };
}

/** A client, and how long the command that opened it may take. */
export interface Session {
  readonly client: KeyManagementServiceClient;
  readonly limits: Limits;
  /** As performance.now() tells it. */
  readonly deadline: number;
}

type Question = Asked & Omit<Session, 'client'>;

/**
 * Asks Cloud KMS, up to three times where the failure may pass: it is out of reach or too busy,
 * too slow, or what arrived is damaged. Throws a KsealError for every failure.
 */
export async function ask<T>(
  question: Question,
  attempt: (options: CallOptions) => Promise<T>,
): Promise<T> {
  const { limits, deadline } = question;
  for (let tried = 1; ; tried++) {
    try {
      const timeout = Math.min(limits.call, remaining(question));
      return await attempt({ timeout, retry: { retryCodes: [] } });
    } catch (error) {
      const pause = pauseAfter(error, limits.pause * 2 ** (tried - 1));
      const late = performance.now() + pause >= deadline;
      if (tried === TRIES || late || !isTransient(error)) throw kmsError(error, question);
      await new Promise((resolve) => setTimeout(resolve, pause));
    }
  }
}

/** Not all who failed together try again together. What arrived damaged needs no waiting. */
function pauseAfter(error: unknown, pause: number): number {
  return error instanceof Damaged ? 0 : pause * (0.5 + Math.random() / 2);
}

/** What `promise` gives before the deadline. Throws KEY_DEADLINE. */
export async function within<T>(deadline: number, name: string, promise: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(tooLate(name)), deadline - performance.now());
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

function remaining({ deadline, name }: Question): number {
  const left = deadline - performance.now();
  if (left <= 0) throw tooLate(name);
  return left;
}

/** The number in a checksum of an answer: text, or a Long; undefined where there is none. */
export function checksumOf(
  checksum: { readonly value?: unknown } | null | undefined,
): number | undefined {
  const value = checksum?.value;
  return value === undefined || value === null ? undefined : Number(value);
}

/** The table of CRC32C: the Castagnoli polynomial, bits reflected (RFC 3720 §12.1). */
const table = Uint32Array.from({ length: 256 }, (_, byte) => {
  let rest = byte;
  for (let bit = 0; bit < 8; bit++) rest = (rest >>> 1) ^ (rest & 1 ? 0x82f63b78 : 0);
  return rest;
});

/** The CRC32C of `bytes`, with which Cloud KMS guards what it is sent and what it answers. */
export function crc32c(bytes: Uint8Array): number {
  let rest = 0xffffffff;
  for (const byte of bytes) rest = (rest >>> 8) ^ (table[(rest ^ byte) & 0xff] ?? 0);
  return (rest ^ 0xffffffff) >>> 0;
}
