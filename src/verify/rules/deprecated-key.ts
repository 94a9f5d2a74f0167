import { keyInState, type Rule } from '../rule.ts';

const hint =
  'seal it again to the current key: kseal decrypt FILE -k OLD | kseal seal -f - -k NEW -o FILE --force';

export const deprecatedKey: Rule = {
  id: 'deprecated-key',
  severity: 'warning',
  summary: 'a value sealed to a deprecated key',
  why: 'A deprecated key still opens values, but it is about to be replaced. Once its last value is sealed to the current key, it can be destroyed. kseal inspect --by-key lists the remaining values, and kseal verify --fail-if-kid proves that there are none.',
  wrong: 'keys:\n  old: { file: keys/old.pub, state: deprecated }   # and a value is sealed to it',
  right: '# kseal decrypt db.yaml -k old | kseal seal -f - -k prod -o db.yaml --force',
  inTemplates: true,
  checkValue: (value, _, policy) => keyInState(value, policy, 'deprecated', hint),
};
