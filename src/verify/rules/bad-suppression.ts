import type { Rule } from '../rule.ts';

export const badSuppression: Rule = {
  id: 'bad-suppression',
  severity: 'error',
  summary: 'a kseal-ignore comment without a reason, or of a rule that does not exist',
  why: 'A suppression is for the reviewer, who wants to know why this finding does not matter here. One without a reason, of an unknown rule, or of a rule that nothing silences suppresses nothing.',
  wrong: '# kseal-ignore plaintext-value\npassword: test',
  right: '# kseal-ignore plaintext-value: the test account of the tutorial\npassword: test',
  always: true,
};
