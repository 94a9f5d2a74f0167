import { expect } from 'vitest';
import { type ErrorCode, KsealError } from '../../src/errors.ts';

/** The parts of an error that its reader sees. */
export interface Thrown {
  readonly code: ErrorCode;
  readonly message: string;
  readonly hint: string | undefined;
}

function thrown(error: unknown): Thrown {
  expect(error).toBeInstanceOf(KsealError);
  const { code, message, hint } = error as KsealError;
  return { code, message, hint };
}

/** The KsealError that `run` throws. */
export function thrownBy(run: () => unknown): Thrown {
  try {
    run();
  } catch (error) {
    return thrown(error);
  }
  throw new Error('nothing was thrown');
}

/** The KsealError that `promise` is rejected with. */
export function rejectionOf(promise: Promise<unknown>): Promise<Thrown> {
  return promise.then(() => {
    throw new Error('nothing was thrown');
  }, thrown);
}
