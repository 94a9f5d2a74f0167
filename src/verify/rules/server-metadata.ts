import { none, type Rule } from '../rule.ts';

export const serverMetadata: Rule = {
  id: 'server-metadata',
  severity: 'warning',
  summary: 'a Secret with metadata that the API server sets',
  why: 'A manifest saved with kubectl get -o yaml contains the identity of one object in one cluster. kubectl apply of an old resourceVersion fails with a conflict, a wrong uid is refused, and ownerReferences to an object that does not exist make the garbage collector delete the Secret.',
  wrong: 'metadata:\n  name: db\n  uid: 2b9c…\n  resourceVersion: "4711"',
  right: 'metadata:\n  name: db',
  covers: 'line',
  checkSecret: ({ serverMetadata: found }) => (found === undefined ? none : [found]),
};
