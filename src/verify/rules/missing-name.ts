import { none, type Rule } from '../rule.ts';

export const missingName: Rule = {
  id: 'missing-name',
  severity: 'error',
  summary: 'a Secret without a name',
  why: 'Kubernetes refuses a Secret that has neither a name nor a generateName, and a value with scope strict is bound to the name.',
  wrong: 'kind: Secret\nmetadata:\n  namespace: hr',
  right: 'kind: Secret\nmetadata:\n  name: db\n  namespace: hr',
  covers: 'line',
  checkSecret: ({ lacksName, positionOf, position: start }) => {
    if (!lacksName) return none;
    const position = positionOf('metadata.name') ?? positionOf('metadata') ?? start;
    return [
      { position, message: 'the Secret has no name', hint: 'add name: NAME under metadata:' },
    ];
  },
};
