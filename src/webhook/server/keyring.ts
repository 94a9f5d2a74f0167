import { exitCodeOf, exitCodes, KsealError } from '../../errors.ts';
import type { KeyState, OpeningKey } from '../../jwe/decrypt.ts';
import { describeBug, type Log, loggedError } from './log.ts';
import type { Metrics } from './metrics.ts';
import { type Times, within } from './settings.ts';

interface Refreshing {
  readonly keyring: Keyring;
  readonly log: Log;
  readonly metrics: Pick<Metrics, 'keys' | 'keyRefreshFailures'>;
  readonly times: Pick<Times, 'headStart' | 'refresh' | 'refreshAfterFailure'>;
}

interface Reading {
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

/** Reads the keys behind a reference. */
export type LoadKeys = (reference: string) => Promise<readonly OpeningKey[]>;

/** The keys of a server, read again and again, since key versions come and go. */
export interface Keyring {
  keys(): readonly OpeningKey[];
  /** Every reference has been read at least once. */
  hasBeenRead(): boolean;
  /** The last reading of every reference went well. */
  isComplete(): boolean;
  /** Reads every reference. Returns what went wrong, by reference; those keep their keys. */
  refresh(): Promise<ReadonlyMap<string, unknown>>;
}

/** A keyring with nothing read yet. The server knows the states of kids from `states`. */
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
