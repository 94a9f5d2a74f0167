import { exitCodeOf, exitCodes, KsealError } from '../errors.ts';
import { describeBug } from './bug.ts';
import type { Keyring } from './keyring.ts';
import { type Log, loggedError } from './log.ts';
import type { Metrics } from './metrics.ts';
import { type Times, within } from './times.ts';

export interface Refreshing {
  readonly keyring: Keyring;
  readonly log: Log;
  readonly metrics: Pick<Metrics, 'keys' | 'keyRefreshFailures'>;
  readonly times: Pick<Times, 'headStart' | 'refresh' | 'refreshAfterFailure'>;
}

export interface Reading {
  /**
   * When the first reading is over, or has had its time. Rejects with what is wrong where a
   * reference can never be read. A KMS that is out of reach, or says no, does not end a start: a
   * restart would not help it, so it is asked again.
   */
  readonly begun: Promise<void>;
  readonly stop: () => void;
}

/** Reads the keys, and goes on doing so until it is stopped. */
export function keepReading(refreshing: Refreshing): Reading {
  const { keyring, times } = refreshing;
  let timer: NodeJS.Timeout | undefined;
  let isOver = false;
  const goOn = async (reading: ReturnType<Keyring['refresh']>): Promise<void> => {
    const failures = await reading;
    if (isOver) return;
    tell(refreshing, failures);
    const wait = failures.size > 0 ? times.refreshAfterFailure : times.refresh;
    timer = setTimeout(() => void goOn(keyring.refresh()), wait);
  };
  const first = keyring.refresh();
  const begun = within(times.headStart, first).then((failures) => {
    throwLasting(failures);
    void goOn(first);
  });
  return {
    begun,
    stop: () => {
      isOver = true;
      clearTimeout(timer);
    },
  };
}

function throwLasting(failures: ReadonlyMap<string, unknown> = new Map()): void {
  const lasting = [...failures.values()].filter(
    (error) => exitCodeOf(error) !== exitCodes.KEY_UNAVAILABLE,
  );
  if (lasting.length > 0) throw lasting.length === 1 ? lasting[0] : new AggregateError(lasting);
}

function tell({ keyring, log, metrics }: Refreshing, failures: ReadonlyMap<string, unknown>): void {
  metrics.keys.set(keyring.keys().length);
  metrics.keyRefreshFailures.inc(failures.size);
  for (const [reference, error] of failures) {
    const errors = error instanceof KsealError ? [loggedError(error)] : [];
    const what = error instanceof KsealError ? 'cannot read a key' : describeBug(error);
    log.write('error', what, { reference, errors });
  }
}
