import { type Rule, sealCommand } from '../rule.ts';

export const plaintextAnnotation: Rule = {
  id: 'plaintext-annotation',
  severity: 'error',
  summary: 'an annotation in which kubectl keeps the values in plaintext',
  why: 'kubectl apply stores the manifest in the annotation kubectl.kubernetes.io/last-applied-configuration. A manifest fetched with kubectl get contains it, including the plaintext, and it is easy to overlook.',
  wrong:
    'metadata:\n  annotations:\n    kubectl.kubernetes.io/last-applied-configuration: \'{"data":{"password":"Y29ycmVjdCBob3JzZQ=="}}\'',
  right: 'metadata:\n  name: db   # without the annotation',
  inTemplates: true,
  checkSecret: ({ plaintextAnnotations, path, nested }) => {
    const remove = nested === undefined ? `remove it: ${sealCommand(path)}` : 'remove it';
    return plaintextAnnotations.map(({ name, position }) => ({
      position,
      message: `annotation ${name} contains plaintext, or cannot be read`,
      hint: `${remove}; if it was ever committed, change the values as well`,
    }));
  },
};
