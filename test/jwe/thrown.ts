import { expect } from 'vitest';
import { type ErrorCode, KsealError } from '../../src/errors.ts';

/** What an error of kseal tells its reader. */
export interface Said {
  readonly code: ErrorCode;
  readonly message: string;
  readonly hint: string | undefined;
}

function say(error: unknown): Said {
  expect(error).toBeInstanceOf(KsealError);
  const { code, message, hint } = error as KsealError;
  return { code, message, hint };
}

/** What `run` throws, which must be a KsealError. */
export function thrownBy(run: () => unknown): Said {
  try {
    run();
  } catch (error) {
    return say(error);
  }
  throw new Error('nothing was thrown');
}

/** What `promise` is rejected with, which must be a KsealError. */
export function rejectionOf(promise: Promise<unknown>): Promise<Said> {
  return promise.then(() => {
    throw new Error('nothing was thrown');
  }, say);
}
