import { describeMetadata, keepsCopy } from '../../manifest/copies.ts';
import { type Rule, sealCommand } from '../rule.ts';

export const plaintextAnnotation: Rule = {
  id: 'plaintext-annotation',
  severity: 'error',
  summary: 'an annotation that contains values in plaintext',
  why: 'kubectl apply stores the manifest in the annotation kubectl.kubernetes.io/last-applied-configuration. kapp, kopf, kubecfg, Rancher and others have similar annotations, some of them compressed. A manifest fetched with kubectl get contains them, including the plaintext, and they are easy to overlook. Any other annotation that contains a Secret in plaintext is reported as well.',
  wrong:
    'metadata:\n  annotations:\n    kubectl.kubernetes.io/last-applied-configuration: \'{"data":{"password":"Y29ycmVjdCBob3JzZQ=="}}\'',
  right: 'metadata:\n  name: db   # without the annotation',
  inTemplates: true,
  checkSecret: ({ plaintextAnnotations, path, nested }, policy) =>
    plaintextAnnotations.map(({ name, position }) => {
      const isRemoved = keepsCopy(name);
      const problem = isRemoved ? 'plaintext, or cannot be read' : 'a Secret in plaintext';
      const remove =
        isRemoved && nested === undefined
          ? `to remove it: ${sealCommand(path, policy)}`
          : 'remove it';
      return {
        position,
        message: `${describeMetadata('annotation', name)} contains ${problem}`,
        hint: `change the values if they were ever committed; ${remove}`,
      };
    }),
};
