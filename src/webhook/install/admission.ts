import { sealedBeginnings } from '../../jwe/detect.ts';
import {
  configurationName,
  hostIn,
  type KubernetesObject,
  kept,
  labels,
  type ManifestOptions,
  NAME,
} from './options.ts';

/** The texts from `from` up to, but not including, `below`: all that begin with one prefix. */
interface TextRange {
  readonly from: string;
  readonly below: string;
}

/** The ranges of base64 texts under `data` that look sealed. */
export const sealedRanges: readonly TextRange[] = sealedBeginnings
  .map((bytes) => Buffer.from(bytes).toString('base64'))
  .map((from) => ({ from, below: successor(from) }));

/** The smallest text that is greater than every text that begins with `prefix`. */
function successor(prefix: string): string {
  const last = prefix.charCodeAt(prefix.length - 1);
  return prefix.slice(0, -1) + String.fromCharCode(last + 1);
}

/**
 * A CEL expression: whether the value `v` looks sealed. CEL charges `startsWith` by the length of
 * the value, but comparisons by the shorter text, and neither accepts null.
 */
const looksSealed = `v != null && (\n${sealedRanges
  .map(({ from, below }) => `    v >= '${from}' && v < '${below}'`)
  .join(' ||\n')}\n  )`;

/**
 * A CEL expression: whether `data`, a map of base64 texts and nulls or null itself, has a value that
 * looks sealed. A loop over the keys takes the API server a time that grows with the square of their
 * number: seconds for 16,000 keys. One formatted text takes 0.1 s: `{"key":"value", "other":null}`,
 * with the quotes in a key escaped. If a release of Kubernetes formats maps in another way, all maps
 * count as sealed.
 */
const someLookSealed = (data: string) => `'%s'.format([{'k': 'v'}]) != '{"k":"v"}' ||
  ['%s'.format([${data}])].exists(text,
${sealedRanges.map(({ from }) => `    text.indexOf('":"${from}') >= 0`).join(' ||\n')}
  )`;

const secretRule = {
  apiGroups: [''],
  apiVersions: ['v1'],
  operations: ['CREATE', 'UPDATE'],
  resources: ['secrets'],
  scope: 'Namespaced',
};

/**
 * Skips Secrets that only wait for their finalizers, unless their values change. Checks the stored
 * object, because a new one could claim any deletionTimestamp.
 */
const notBeingDeleted = {
  name: 'not-being-deleted',
  expression: `dyn(oldObject) == null || !has(oldObject.metadata.deletionTimestamp) ||
  !(has(object.data) && has(oldObject.data) && dyn(object.data) == dyn(oldObject.data))`,
};

const holdsSealed = {
  name: 'has-sealed-values',
  expression: `has(object.data) && (${someLookSealed('object.data')})`,
};

/**
 * Makes the API server call the webhook. It fails closed, because an unopened value must not be
 * stored. Secrets without sealed values are never sent, so they do not depend on the webhook.
 */
export function mutatingWebhook({
  namespace,
  namespaceSelector,
  tls,
}: Pick<ManifestOptions, 'namespace' | 'namespaceSelector' | 'tls'>): KubernetesObject {
  const injected = { 'cert-manager.io/inject-ca-from': `${namespace}/${NAME}` };
  const trusted = tls.kind === 'pair' ? { caBundle: Buffer.from(tls.ca).toString('base64') } : {};
  return {
    apiVersion: 'admissionregistration.k8s.io/v1',
    kind: 'MutatingWebhookConfiguration',
    metadata: {
      name: configurationName(namespace),
      labels,
      ...(tls.kind === 'pair' ? {} : { annotations: injected }),
    },
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
            // The webhook cannot start without the Secrets with its certificate and its keys.
            { key: 'kubernetes.io/metadata.name', operator: 'NotIn', values: [namespace] },
            ...namespaceSelector,
          ],
        },
        matchConditions: [notBeingDeleted, holdsSealed],
        failurePolicy: 'Fail',
        sideEffects: 'None',
        timeoutSeconds: 10,
        // Opens values that another webhook adds later; opened values are not sent again.
        reinvocationPolicy: 'IfNeeded',
        admissionReviewVersions: ['v1'],
      },
    ],
  };
}

/** The name of the policy and of its binding. */
export const POLICY = 'kseal-unopened-values';

/** The most data keys that are looked at one by one, which takes the API server 20 ms. */
const MAX_COMPARED = 1000;

const check =
  'check that the MutatingWebhookConfiguration of kseal exists and selects the namespace';

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
  { name: 'sealed', expression: someLookSealed('variables.data') },
  {
    name: 'unopened',
    expression: `!variables.sealed || variables.data == variables.before ? [] :
  size(variables.data) > ${MAX_COMPARED} ? ['one or more of ' + string(size(variables.data))] :
  variables.data.filter(k, [variables.data[k]].exists(v, ${looksSealed}) &&
  !(k in variables.before && variables.before[k] == variables.data[k]))`,
  },
];

/**
 * The safety net: refuses a Secret with a value that still looks sealed after all webhooks, unless
 * the same value was stored before. It covers every namespace, whatever the webhook selects:
 * otherwise a namespace that loses its label would have opened values replaced by sealed ones.
 */
export function policyObjects(): readonly KubernetesObject[] {
  return [
    {
      apiVersion: 'admissionregistration.k8s.io/v1',
      kind: 'ValidatingAdmissionPolicy',
      metadata: { name: POLICY, labels, annotations: kept },
      spec: {
        failurePolicy: 'Fail',
        matchConstraints: { matchPolicy: 'Equivalent', resourceRules: [secretRule] },
        variables,
        validations: [
          {
            expression: 'size(variables.unopened) == 0',
            // With the reason Invalid, kubectl would print an empty field path.
            reason: 'Forbidden',
            // Shown if the expression below gives more than 5 KiB.
            message: `sealed values were not opened: ${check}`,
            messageExpression: `'sealed values were not opened: data keys ' + variables.unopened.join(', ') + '; ${check}'`,
          },
        ],
      },
    },
    {
      apiVersion: 'admissionregistration.k8s.io/v1',
      kind: 'ValidatingAdmissionPolicyBinding',
      metadata: { name: POLICY, labels, annotations: kept },
      spec: { policyName: POLICY, validationActions: ['Deny'] },
    },
  ];
}
