import type { Fault, JudgedSecret, Policy, Remark, Rule } from './rule.ts';
import { rules } from './rules/index.ts';

interface Checks {
  readonly secret: readonly { id: string; check: NonNullable<Rule['checkSecret']> }[];
  readonly value: readonly { id: string; check: NonNullable<Rule['checkValue']> }[];
}

function checksOf(chosen: readonly Rule[]): Checks {
  return {
    secret: chosen.flatMap(({ id, checkSecret: check }) => (check ? [{ id, check }] : [])),
    value: chosen.flatMap(({ id, checkValue: check }) => (check ? [{ id, check }] : [])),
  };
}

const allChecks = checksOf(rules);
const lastingChecks = checksOf(rules.filter(({ inTemplates }) => inTemplates));

/** What the rules say of a Secret: of a template or a SOPS file, only what holds all the same. */
export function checkSecret(secret: JudgedSecret, allowed: Policy): readonly Fault[] {
  const checks = secret.template || secret.sops ? lastingChecks : allChecks;
  const faults: Fault[] = [];
  const add = (rule: string, remarks: readonly Remark[]) => {
    // Of sound manifests there are none, and there are many such.
    if (remarks.length === 0) return;
    for (const remark of remarks) faults.push({ ...remark, rule, secret: secret.label });
  };
  for (const { id, check } of checks.secret) add(id, check(secret, allowed));
  for (const value of secret.values)
    for (const { id, check } of checks.value) add(id, check(value, secret, allowed));
  return faults;
}
