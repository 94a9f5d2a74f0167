import { none, type Rule } from '../rule.ts';

export const wrongNamespace: Rule = {
  id: 'wrong-namespace',
  severity: 'error',
  summary: 'a Secret in another namespace than the one for its path',
  why: 'The rule for this path in .kseal.yaml names a namespace, and the manifest names another. One of them is wrong: what is sealed for the one does not open in the other.',
  wrong:
    '# rules: [{ path: "hr/**", namespace: hr }], and hr/db.yaml says\nmetadata:\n  name: db\n  namespace: finance',
  right: 'metadata:\n  name: db\n  namespace: hr',
  covers: 'line',
  checkSecret: ({ namespace, placeOf, position }, allowed) => {
    if (
      namespace === undefined ||
      allowed.namespace === undefined ||
      namespace === allowed.namespace
    )
      return none;
    return [
      {
        position: placeOf('metadata.namespace') ?? position,
        message: `the namespace for this path is ${allowed.namespace}`,
        hint: 'correct metadata.namespace, or the rule for this path in .kseal.yaml',
      },
    ];
  },
};
