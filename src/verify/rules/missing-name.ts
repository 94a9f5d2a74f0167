import { none, type Rule } from '../rule.ts';

export const missingName: Rule = {
  id: 'missing-name',
  severity: 'error',
  summary: 'a Secret without a name',
  why: 'Kubernetes refuses a Secret that has neither a name nor a generateName, and a value sealed with scope strict is bound to the name.',
  wrong: 'kind: Secret\nmetadata:\n  namespace: hr',
  right: 'kind: Secret\nmetadata:\n  name: db\n  namespace: hr',
  covers: 'line',
  checkSecret: ({ lacksName, placeOf, position }) => {
    if (!lacksName) return none;
    const at = placeOf('metadata.name') ?? placeOf('metadata') ?? position;
    return [
      { position: at, message: 'the Secret has no name', hint: 'write name: NAME below metadata:' },
    ];
  },
};
