import { none, type Rule } from '../rule.ts';

export const stringData: Rule = {
  id: 'string-data',
  severity: 'warning',
  summary: 'sealed values under stringData',
  why: 'When a key is removed from stringData, kubectl apply does not remove it from the cluster: the old value stays (kubernetes issue 89938). Under data, it is removed. If you need stringData, set field: stringData in the rule for the path, or string-data: off.',
  wrong: 'stringData:\n  password: eyJhbGciOiJSU0Et….….….….…',
  right: 'data:\n  password: ZXlKaGJHY2lPaUpTVTBF…   # the same value, base64-encoded',
  covers: 'line',
  checkSecret: ({ values, positionOf, position }, { field }) => {
    // kseal moves plaintext values to data when it seals them.
    const sealed = values.some((value) => value.field === 'stringData' && value.jwe !== undefined);
    if (!sealed || field === 'stringData') return none;
    const message = 'sealed values under stringData, from which kubectl apply never removes a key';
    const hint =
      'base64-encode them and move them to data; or set field: stringData in the rule for this path';
    return [{ position: positionOf('stringData') ?? position, message, hint }];
  },
};
