import { type Rule, remarkOnState } from '../rule.ts';

const hint =
  'seal it again to the current key: kseal decrypt FILE -k OLD | kseal seal -f - -k NEW -o FILE --force';

export const deprecatedKey: Rule = {
  id: 'deprecated-key',
  severity: 'warning',
  summary: 'a value sealed to a deprecated key',
  why: 'A deprecated key still opens, but it is on its way out: once its last value is sealed again to the current key, it can be destroyed. kseal inspect --by-key lists what is left, and kseal verify --fail-if-kid proves that nothing is.',
  wrong: 'keys:\n  old: { file: keys/old.pub, state: deprecated }   # and a value is sealed to it',
  right: '# kseal decrypt db.yaml -k old | kseal seal -f - -k prod -o db.yaml --force',
  inTemplates: true,
  checkValue: (value, _, allowed) => remarkOnState(value, allowed, 'deprecated', hint),
};
