import { notBeingDeleted, secretRule } from './admission.ts';
import { labels, NAME } from './names.ts';
import type { KubernetesObject } from './object.ts';
import { looksSealedInCel } from './ranges.ts';

const POLICY = 'kseal-unopened-values';

const unopened = 'sealed values were not opened';
const question = `is the MutatingWebhookConfiguration ${NAME} in place?`;

const variables = [
  {
    name: 'data',
    expression: 'has(object.data) && dyn(object.data) != null ? dyn(object.data) : dyn({})',
  },
  {
    name: 'before',
    expression:
      'dyn(oldObject) != null && has(oldObject.data) && dyn(oldObject.data) != null ? dyn(oldObject.data) : dyn({})',
  },
  {
    name: 'unopened',
    expression: `variables.data.filter(k,
  [variables.data[k]].exists(v, ${looksSealedInCel('v')}) &&
  !(k in variables.before && variables.before[k] == variables.data[k]))`,
  },
];

/**
 * The net below the webhook: no Secret in the cluster may hold a value that still looks sealed
 * when all webhooks are done, unless it was stored like that before.
 */
export function policyObjects(): readonly KubernetesObject[] {
  return [
    {
      apiVersion: 'admissionregistration.k8s.io/v1',
      kind: 'ValidatingAdmissionPolicy',
      metadata: { name: POLICY, labels },
      spec: {
        failurePolicy: 'Fail',
        matchConstraints: { matchPolicy: 'Equivalent', resourceRules: [secretRule] },
        matchConditions: [notBeingDeleted],
        variables,
        validations: [
          {
            expression: 'size(variables.unopened) == 0',
            // With the reason Invalid kubectl prints an empty field path in front.
            reason: 'Forbidden',
            // Where the names are longer than 5 KiB in all, this one is shown.
            message: `${unopened}; ${question}`,
            messageExpression: `'${unopened}, under the data keys ' + variables.unopened.join(', ') + '; ${question}'`,
          },
        ],
      },
    },
    {
      apiVersion: 'admissionregistration.k8s.io/v1',
      kind: 'ValidatingAdmissionPolicyBinding',
      metadata: { name: POLICY, labels },
      spec: { policyName: POLICY, validationActions: ['Deny'] },
    },
  ];
}
