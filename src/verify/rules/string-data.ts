import { none, type Rule } from '../rule.ts';

export const stringData: Rule = {
  id: 'string-data',
  severity: 'warning',
  summary: 'sealed values under stringData',
  why: 'A key that is removed from stringData is not removed from the cluster by kubectl apply: the old value stays (kubernetes issue 89938). Under data it is. Where stringData is meant, say field: stringData in the rule for the path, or string-data: off.',
  wrong: 'stringData:\n  password: eyJhbGciOiJSU0Et….….….….…',
  right: 'data:\n  password: ZXlKaGJHY2lPaUpTVTBF…   # the same value, base64-encoded once more',
  covers: 'line',
  checkSecret: ({ values, placeOf, position }, { field }) => {
    // What is not sealed yet is moved to data when kseal seals it.
    const sealed = values.some((value) => value.field === 'stringData' && value.jwe !== undefined);
    if (!sealed || field === 'stringData') return none;
    const message = 'sealed values under stringData, from which kubectl apply never removes a key';
    const hint =
      'move them to data, base64-encoded once more; or if it is meant: field: stringData in the rule for this path';
    return [{ position: placeOf('stringData') ?? position, message, hint }];
  },
};
