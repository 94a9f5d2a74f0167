import { type JudgedValue, none, type Remark } from './rule.ts';

/** Why a value is not read, if that is what `rule` is about. */
export function faultOf({ position, key, fault }: JudgedValue, rule: string): readonly Remark[] {
  if (fault?.rule !== rule) return none;
  return [{ position, key, message: fault.message, hint: fault.hint }];
}
