import type { Rule } from '../rule.ts';

export const duplicateDataKey: Rule = {
  id: 'duplicate-data-key',
  severity: 'error',
  summary: 'a data key that is there twice',
  why: 'YAML readers refuse a key that is twice in one mapping, or take the last; of data and stringData, Kubernetes takes stringData. Either way one of the two values is not what is used.',
  wrong: 'data:\n  password: ZXlKaGJHY2lPaUpTVTBF…\nstringData:\n  password: eyJhbGciOiJSU0Et…',
  right: 'data:\n  password: ZXlKaGJHY2lPaUpTVTBF…',
};
