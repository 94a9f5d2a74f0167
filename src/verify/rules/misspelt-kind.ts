import type { Rule } from '../rule.ts';

export const misspeltKind: Rule = {
  id: 'misspelt-kind',
  severity: 'error',
  summary: 'a document that was meant to be a Secret',
  why: 'Kubernetes and kseal take a document for a Secret only if it says kind: Secret, with exactly these letters. This one says so in another case, so it is neither applied nor sealed, and its values are not judged.',
  wrong: 'apiVersion: v1\nKind: secret',
  right: 'apiVersion: v1\nkind: Secret',
  covers: 'text',
};
