import { none, type Rule } from '../rule.ts';

export const wrongNamespace: Rule = {
  id: 'wrong-namespace',
  severity: 'error',
  summary: 'a Secret in a different namespace from the one for this path',
  why: 'The rule for this path in .kseal.yaml names a namespace, and the manifest names another. One of them is wrong: a value sealed for one namespace does not open in another.',
  wrong:
    '# rules: [{ path: "hr/**", namespace: hr }], and hr/db.yaml has\nmetadata:\n  name: db\n  namespace: finance',
  right: 'metadata:\n  name: db\n  namespace: hr',
  covers: 'line',
  checkSecret: ({ namespace, positionOf, position: start }, { namespace: wanted }) => {
    if (namespace === undefined || wanted === undefined || namespace === wanted) return none;
    const position = positionOf('metadata.namespace') ?? start;
    const message = `namespace ${namespace}, but the rule for this path has ${wanted}`;
    const hint = 'correct metadata.namespace, or the rule for this path in .kseal.yaml';
    return [{ position, message, hint }];
  },
};
