import { resolve } from 'node:path';
import type { Config } from '../config/config.ts';
import { expected } from '../errors.ts';
import type { KeyState } from '../jwe/decrypt.ts';
import { type KeyFile, readKeyFile } from './key-file.ts';

/** The names that a configuration gives to a kid, and the strictest of their states. */
export interface KeyStatus {
  readonly names: readonly string[];
  readonly state: KeyState;
}

interface KeyStatuses {
  readonly of: (kid: string) => KeyStatus;
  /** The kids of all configured keys, as far as they are known offline. */
  readonly kids: readonly string[];
  /** The kids that values may be sealed to, and the length of each modulus in bits, if known. */
  readonly unrevoked: ReadonlyMap<string, number | undefined>;
}

/**
 * Looks up the kid of each configured key: its pin, or else the kid of its file. A state belongs
 * to the kid, so it applies to the key under every name.
 */
export async function keyStatuses({ keys, folder }: Config): Promise<KeyStatuses> {
  const rows = await Promise.all(
    [...keys].map(async ([name, { kid, file, private: secret, state = 'active' }]) => {
      const found = await keyInFile(folder, kid === undefined ? (file ?? secret) : file);
      const isOther = kid !== undefined && kid !== found?.kid;
      return { name, state, kid: kid ?? found?.kid, bits: isOther ? undefined : found?.bits };
    }),
  );
  const of = (kid: string) => {
    const own = rows.filter((row) => row.kid === kid);
    return { names: own.map(({ name }) => name), state: strictest(own.map(({ state }) => state)) };
  };
  const kids = rows.flatMap(({ kid }) => kid ?? []);
  const unrevoked = new Map<string, number | undefined>();
  for (const { kid, bits } of rows)
    if (kid !== undefined && of(kid).state !== 'revoked')
      unrevoked.set(kid, bits ?? unrevoked.get(kid));
  return { of, kids, unrevoked };
}

const byStrictness: readonly KeyState[] = ['revoked', 'deprecated'];

export function strictest(states: readonly KeyState[]): KeyState {
  return byStrictness.find((state) => states.includes(state)) ?? 'active';
}

/** Undefined for a file that cannot be read; a command that needs the file reports it. */
async function keyInFile(folder: string, file: string | undefined): Promise<KeyFile | undefined> {
  if (file === undefined) return undefined;
  try {
    return await readKeyFile(resolve(folder, file), file);
  } catch (error) {
    expected(error);
    return undefined;
  }
}
