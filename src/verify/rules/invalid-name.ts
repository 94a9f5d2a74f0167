import { isNamespace, isSecretName } from '../../kubernetes/names.ts';
import { none, type Rule } from '../rule.ts';

export const invalidName: Rule = {
  id: 'invalid-name',
  severity: 'error',
  summary: 'a name or namespace that Kubernetes does not allow',
  why: 'The name of a Secret has lower-case letters, digits, - and dots, at most 253 characters; a namespace has no dots and at most 63 characters. Kubernetes refuses any other, and no value can be bound to it.',
  wrong: 'metadata:\n  name: HR_Database',
  right: 'metadata:\n  name: hr-database',
  covers: 'line',
  checkSecret: ({ name, namespace, placeOf, position }) => {
    const wrong = [
      name === undefined || isSecretName(name) ? [] : ['name'],
      namespace === undefined || isNamespace(namespace) ? [] : ['namespace'],
    ].flat();
    if (wrong.length === 0) return none;
    return wrong.map((part) => ({
      position: placeOf(`metadata.${part}`) ?? position,
      message: `the ${part} is not one that Kubernetes allows`,
      hint: 'use lower-case letters, digits and "-"',
    }));
  },
};
