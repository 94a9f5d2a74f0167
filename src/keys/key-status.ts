import { resolve } from 'node:path';
import type { Config } from '../config/config.ts';
import { KsealError } from '../errors.ts';
import type { KeyState } from '../jwe/decrypt.ts';
import { readKeyFile } from './key-file.ts';

/** What a configuration says of a kid. */
export interface KeyStatus {
  readonly names: readonly string[];
  /** The strictest of the states that these names have. */
  readonly state: KeyState;
}

export interface KeyStatuses {
  readonly of: (kid: string) => KeyStatus;
  /** Every kid that a name stands for, as far as that is known here. */
  readonly kids: readonly string[];
  /** The kids that values may be sealed to. */
  readonly unrevoked: readonly string[];
}

/**
 * Finds out which kid each configured name stands for: its pin, else that of its file. The
 * state belongs to the kid, and so holds however the key is reached.
 */
export async function keyStatuses({ keys, folder }: Config): Promise<KeyStatuses> {
  const rows = await Promise.all(
    [...keys].map(async ([name, { kid, file, private: secret, state = 'active' }]) => ({
      name,
      state,
      kid: kid ?? (await kidInFile(folder, file ?? secret)),
    })),
  );
  const of = (kid: string) => {
    const own = rows.filter((row) => row.kid === kid);
    return { names: own.map(({ name }) => name), state: strictest(own.map(({ state }) => state)) };
  };
  const kids = rows.flatMap(({ kid }) => kid ?? []);
  return { of, kids, unrevoked: kids.filter((kid) => of(kid).state !== 'revoked') };
}

const byStrictness: readonly KeyState[] = ['revoked', 'deprecated'];

export function strictest(states: readonly KeyState[]): KeyState {
  return byStrictness.find((state) => states.includes(state)) ?? 'active';
}

/** Undefined for a file that cannot be read: whoever needs it is told so then. */
async function kidInFile(folder: string, file: string | undefined): Promise<string | undefined> {
  if (file === undefined) return undefined;
  try {
    return (await readKeyFile(resolve(folder, file), file)).kid;
  } catch (error) {
    if (error instanceof KsealError) return undefined;
    throw error;
  }
}
