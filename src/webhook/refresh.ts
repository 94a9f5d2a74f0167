import { exitCodeOf, exitCodes, KsealError } from '../errors.ts';
import type { Keyring } from './keyring.ts';
import { type Log, loggedError } from './log.ts';
import type { Metrics } from './metrics.ts';

/** How often keys are read anew, in milliseconds: all is well, or something is missing. */
const INTERVAL = 60_000;
const INTERVAL_AFTER_FAILURE = 5_000;

/** How long a start waits for the first reading, in milliseconds. */
const HEAD_START = 3_000;

export interface Refreshing {
  readonly keyring: Keyring;
  readonly log: Log;
  readonly metrics: Metrics;
}

/**
 * Reads the keys, and goes on doing so; returns what ends it. A reference that can never be read
 * ends the start: it throws what is wrong. A KMS that is out of reach, or says no, does not: a
 * restart would not help it, so it is asked again.
 */
export async function keepReading(refreshing: Refreshing): Promise<() => void> {
  const first = refreshing.keyring.refresh();
  let timer: NodeJS.Timeout | undefined;
  const pause = new Promise<undefined>((resolve) => {
    timer = setTimeout(() => resolve(undefined), HEAD_START);
  });
  const failures = await Promise.race([first, pause]).finally(() => clearTimeout(timer));
  throwLasting(failures);
  return loop(refreshing, first);
}

function throwLasting(failures: ReadonlyMap<string, unknown> = new Map()): void {
  const lasting = [...failures.values()].filter(
    (error) => exitCodeOf(error) !== exitCodes.KEY_UNAVAILABLE,
  );
  if (lasting.length > 0) throw lasting.length === 1 ? lasting[0] : new AggregateError(lasting);
}

function loop(refreshing: Refreshing, first: ReturnType<Keyring['refresh']>): () => void {
  let timer: NodeJS.Timeout | undefined;
  let isOver = false;
  const next = async (reading: ReturnType<Keyring['refresh']>) => {
    const failures = await reading;
    tell(refreshing, failures);
    if (isOver) return;
    const wait = failures.size > 0 ? INTERVAL_AFTER_FAILURE : INTERVAL;
    timer = setTimeout(() => void next(refreshing.keyring.refresh()), wait);
  };
  void next(first);
  return () => {
    isOver = true;
    clearTimeout(timer);
  };
}

function tell({ keyring, log, metrics }: Refreshing, failures: ReadonlyMap<string, unknown>): void {
  metrics.keys.set(keyring.keys().length);
  metrics.keyRefreshFailures.inc(failures.size);
  for (const [reference, error] of failures) {
    const errors = error instanceof KsealError ? [loggedError(error)] : [];
    log.write('error', 'cannot read a key', { reference, errors });
  }
}
