import { type Rule, sealCommand } from '../rule.ts';

export const plaintextAnnotation: Rule = {
  id: 'plaintext-annotation',
  severity: 'error',
  summary: 'an annotation in which kubectl keeps the values in plaintext',
  why: 'kubectl apply keeps what was applied in the annotation kubectl.kubernetes.io/last-applied-configuration. A manifest that was fetched from a cluster with kubectl get carries it along, plaintext and all, and it is easy to overlook.',
  wrong:
    'metadata:\n  annotations:\n    kubectl.kubernetes.io/last-applied-configuration: \'{"data":{"password":"Y29ycmVjdCBob3JzZQ=="}}\'',
  right: 'metadata:\n  name: db   # without the annotation',
  inTemplates: true,
  checkSecret: ({ plaintextAnnotations, path }) =>
    plaintextAnnotations.map(({ name, position }) => ({
      position,
      message: `the annotation ${name} holds values in plaintext, or cannot be read`,
      hint: `remove it: ${sealCommand(path)}; and change the values, if it was ever committed`,
    })),
};
