import type { KeyState, OpeningKey } from '../jwe/decrypt.ts';

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
