import type { Rule } from '../rule.ts';

export const unknownField: Rule = {
  id: 'unknown-field',
  severity: 'error',
  summary: 'a field that a Secret does not have',
  why: 'Kubernetes is strict about the spelling and the place of a field: it refuses or drops unknown fields. A value in such a field reaches no program, and kseal does not seal it, so plaintext there stays in Git.',
  wrong: 'kind: Secret\nmetadata:\n  type: Opaque\nData:\n  password: Y29ycmVjdCBob3JzZQ==',
  right:
    'kind: Secret\nmetadata:\n  name: db\ntype: Opaque\ndata:\n  password: ZXlKaGJHY2lPaUpTVTBF…',
  inTemplates: true,
  checkProblem: (problem) => (problem.code === 'unknown-field' ? problem : undefined),
};
