import type { KeyState } from '../jwe/decrypt.ts';
import { type Allowance, type JudgedValue, none, type Remark } from './rule.ts';

/** What is said of a value whose key is in the given state. */
export function remarkOnState(
  value: JudgedValue,
  { keys }: Allowance,
  state: KeyState,
  hint: string,
): readonly Remark[] {
  const { kid } = value;
  const known = kid === undefined ? undefined : keys?.get(kid);
  if (known?.state !== state) return none;
  const name = known.name === undefined ? kid : `${known.name} (${kid})`;
  const message = `sealed to key ${name}, which is ${state}`;
  return [{ position: value.position, key: value.key, message, hint }];
}
