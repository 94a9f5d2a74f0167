import { isNamespace, isSecretName } from '../../kubernetes/secret.ts';
import type { Rule } from '../rule.ts';

export const invalidName: Rule = {
  id: 'invalid-name',
  severity: 'error',
  summary: 'a name or namespace that Kubernetes does not allow',
  why: 'The name of a Secret has at most 253 lower-case letters, digits, hyphens and dots; a namespace has at most 63 characters and no dots. Kubernetes refuses any other name, and no value can be bound to it.',
  wrong: 'metadata:\n  name: HR_Database',
  right: 'metadata:\n  name: hr-database',
  covers: 'line',
  checkSecret: ({ name, namespace, positionOf, position }) => {
    const invalid = [
      ...(name === undefined || isSecretName(name) ? [] : ['name']),
      ...(namespace === undefined || isNamespace(namespace) ? [] : ['namespace']),
    ];
    return invalid.map((part) => ({
      position: positionOf(`metadata.${part}`) ?? position,
      message: `Kubernetes does not allow this ${part}`,
      hint: 'use lower-case letters, digits and "-"',
    }));
  },
};
