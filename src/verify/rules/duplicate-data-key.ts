import type { Rule } from '../rule.ts';

export const duplicateDataKey: Rule = {
  id: 'duplicate-data-key',
  severity: 'error',
  summary: 'a data key that occurs twice',
  why: 'YAML readers refuse a key that occurs twice in a mapping, or take the last one. If data and stringData have the same key, Kubernetes takes stringData. Either way, one of the two values is not used.',
  wrong: 'data:\n  password: ZXlKaGJHY2lPaUpTVTBF…\nstringData:\n  password: eyJhbGciOiJSU0Et…',
  right: 'data:\n  password: ZXlKaGJHY2lPaUpTVTBF…',
  checkProblem: (problem) => (problem.code === 'duplicate-data-key' ? problem : undefined),
};
