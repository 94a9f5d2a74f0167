import { sealedBeginnings } from '../../jwe/detect.ts';
import { hostIn, type KubernetesObject, labels, type ManifestOptions, NAME } from './options.ts';

/** The texts from `from` up to, but without, `below`: all those that begin with one prefix. */
interface TextRange {
  readonly from: string;
  readonly below: string;
}

/** What the base64 texts under `data` that look sealed begin with, as ranges. */
export const sealedRanges: readonly TextRange[] = sealedBeginnings
  .map((bytes) => Buffer.from(bytes).toString('base64'))
  .map((from) => ({ from, below: successor(from) }));

/** The least text that is greater than all those that begin with `prefix`. */
function successor(prefix: string): string {
  const last = prefix.charCodeAt(prefix.length - 1);
  return prefix.slice(0, -1) + String.fromCharCode(last + 1);
}

/**
 * A CEL expression, of several lines: whether the value `name` looks sealed. CEL charges
 * `startsWith` by the length of the value, comparisons by that of the shorter text; neither
 * takes null.
 */
function looksSealedInCel(name: string): string {
  const isIn = ({ from, below }: TextRange) => `    ${name} >= '${from}' && ${name} < '${below}'`;
  return `${name} != null && (\n${sealedRanges.map(isIn).join(' ||\n')}\n  )`;
}

/** Which requests are looked at: Secrets that are created or updated. */
const secretRule = {
  apiGroups: [''],
  apiVersions: ['v1'],
  operations: ['CREATE', 'UPDATE'],
  resources: ['secrets'],
  scope: 'Namespaced',
};

/** What waits for its finalizers only is left alone. So says the stored object: what is sent may claim it. */
const notBeingDeleted = {
  name: 'not-being-deleted',
  expression: 'dyn(oldObject) == null || !has(oldObject.metadata.deletionTimestamp)',
};

/** `data` may be absent, and both it and a value in it may be null. */
const holdsSealed = {
  name: 'holds-what-looks-sealed',
  expression: `has(object.data) && dyn(object.data) != null && object.data.exists(k,
  [dyn(object.data[k])].exists(v, ${looksSealedInCel('v')}))`,
};

/**
 * What makes the API server ask the webhook. It fails closed, for an unopened value must not be
 * stored; and Secrets that hold none are never sent, so that they do not depend on it.
 */
export function mutatingWebhook({ namespace, tls }: ManifestOptions): KubernetesObject {
  const injected = { 'cert-manager.io/inject-ca-from': `${namespace}/${NAME}` };
  const trusted = tls.kind === 'pair' ? { caBundle: Buffer.from(tls.ca).toString('base64') } : {};
  return {
    apiVersion: 'admissionregistration.k8s.io/v1',
    kind: 'MutatingWebhookConfiguration',
    metadata: { name: NAME, labels, ...(tls.kind === 'pair' ? {} : { annotations: injected }) },
    webhooks: [
      {
        name: hostIn(namespace),
        clientConfig: {
          service: { name: NAME, namespace, path: '/mutate', port: 443 },
          ...trusted,
        },
        rules: [secretRule],
        matchPolicy: 'Equivalent',
        namespaceSelector: {
          matchExpressions: [
            // Its certificate and its keys are Secrets that it cannot start without.
            { key: 'kubernetes.io/metadata.name', operator: 'NotIn', values: [namespace] },
          ],
        },
        matchConditions: [notBeingDeleted, holdsSealed],
        failurePolicy: 'Fail',
        sideEffects: 'None',
        timeoutSeconds: 10,
        // What another webhook puts in afterwards is opened, too; what is open is not sent again.
        reinvocationPolicy: 'IfNeeded',
        admissionReviewVersions: ['v1'],
      },
    ],
  };
}

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
