import { keyInState, type Rule, rekeyCommand } from '../rule.ts';

export const deprecatedKey: Rule = {
  id: 'deprecated-key',
  severity: 'warning',
  summary: 'a value sealed to a deprecated key',
  why: 'A deprecated key still opens values, but it is about to be replaced. Once no value is sealed to it any more, it can be destroyed. kseal inspect --by-key lists the remaining values, and kseal verify --fail-if-kid proves that none is left.',
  wrong: 'keys:\n  old: { file: keys/old.pub, state: deprecated }   # and a value is sealed to it',
  right: '# kseal rekey db.yaml --to prod',
  inTemplates: true,
  checkValue: (value, { path }, policy) =>
    keyInState(value, policy, 'deprecated', () => `to move it: ${rekeyCommand(path, policy)}`),
};
