import { within } from '../../deadline.ts';
import { exitCodeOf, exitCodes, KsealError } from '../../errors.ts';
import type { KeyState, OpeningKey } from '../../jwe/decrypt.ts';
import { describeBug, type Log, loggedError } from './log.ts';
import type { Metrics } from './metrics.ts';
import type { Times } from './settings.ts';

/** Reads the keys that a reference names. */
export type LoadKeys = (reference: string) => Promise<readonly OpeningKey[]>;

/** The keys of a server. They are read again and again, because key versions come and go. */
export interface Keyring {
  keys(): readonly OpeningKey[];
  /** Whether every reference has been read at least once. */
  hasBeenRead(): boolean;
  /** Whether the last refresh read every reference. */
  isComplete(): boolean;
  /** Reads every reference. Returns the failures by reference; these keep their previous keys. */
  refresh(): Promise<ReadonlyMap<string, unknown>>;
}

/** An empty keyring. `states` overrides the states of keys, by kid. */
export function keyringOf(
  references: readonly string[],
  load: LoadKeys,
  states: ReadonlyMap<string, KeyState>,
): Keyring {
  const read = new Map<string, readonly OpeningKey[]>();
  let failures: ReadonlyMap<string, unknown> | undefined;
  const refreshOne = async (reference: string) => {
    try {
      read.set(reference, await load(reference));
      return [];
    } catch (error) {
      return [[reference, error] as const];
    }
  };
  return {
    keys: () =>
      references
        .flatMap((reference) => read.get(reference) ?? [])
        .map((key) => ({ ...key, state: states.get(key.kid) ?? key.state })),
    hasBeenRead: () => references.every((reference) => read.has(reference)),
    isComplete: () => failures?.size === 0,
    async refresh() {
      failures = new Map((await Promise.all(references.map(refreshOne))).flat());
      return failures;
    },
  };
}

interface Refreshing {
  readonly keyring: Keyring;
  readonly log: Log;
  readonly metrics: Pick<Metrics, 'keys' | 'keyRefreshFailures'>;
  readonly times: Pick<Times, 'headStart' | 'refresh' | 'refreshAfterFailure'>;
}

interface Reading {
  /**
   * Fulfilled when the keys have been read once, or after the head start. Rejects if a reference
   * can never be read; a KMS that is unavailable or denies access is asked again instead, because
   * a restart would not help.
   */
  readonly begun: Promise<void>;
  readonly stop: () => void;
}

/** Reads the keys, and refreshes them at intervals until it is stopped. */
export function keepReading(refreshing: Refreshing): Reading {
  const { keyring, times } = refreshing;
  let timer: NodeJS.Timeout | undefined;
  let isOver = false;
  const goOn = async (refresh: ReturnType<Keyring['refresh']>): Promise<void> => {
    const failures = await refresh;
    if (isOver) return;
    report(refreshing, failures);
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

function report(
  { keyring, log, metrics }: Refreshing,
  failures: ReadonlyMap<string, unknown>,
): void {
  metrics.keys.set(keyring.keys().length);
  metrics.keyRefreshFailures.inc(failures.size);
  for (const [reference, error] of failures) {
    const errors = error instanceof KsealError ? [loggedError(error)] : [];
    const message = error instanceof KsealError ? 'cannot read a key' : describeBug(error);
    log.write('error', message, { reference, errors });
  }
}
