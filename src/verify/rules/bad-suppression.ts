import type { Rule, Violation } from '../rule.ts';
import type { BadSuppression } from '../suppressions.ts';

export const badSuppression: Rule = {
  id: 'bad-suppression',
  severity: 'error',
  summary: 'a kseal-ignore comment without a reason, or with an unknown rule',
  why: 'A suppression tells the reviewer why a finding does not matter here. A comment without a reason, with an unknown rule, or with a rule that cannot be suppressed has no effect.',
  wrong: '# kseal-ignore plaintext-value\npassword: test',
  right: '# kseal-ignore plaintext-value: the test account of the tutorial\npassword: test',
  always: true,
  checkText: ({ badSuppressions }) => badSuppressions.map(violation),
};

function violation({ position, problem, meant }: BadSuppression): Violation {
  if (problem === 'no-reason') {
    const hint = 'add it after a colon: # kseal-ignore RULE: reason';
    return { position, message: 'kseal-ignore without a reason has no effect', hint };
  }
  const message = 'kseal-ignore without a rule that can be suppressed has no effect';
  const hint = meant === undefined ? 'use the rule id that kseal verify prints' : undefined;
  return { position, message, hint: hint ?? `did you mean ${meant}?` };
}
