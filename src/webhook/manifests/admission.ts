import { hostIn, labels, NAME } from './names.ts';
import type { KubernetesObject } from './object.ts';
import type { ManifestOptions } from './options.ts';
import { looksSealedInCel } from './ranges.ts';

/** Which requests are looked at: Secrets that are created or updated. */
export const secretRule = {
  apiGroups: [''],
  apiVersions: ['v1'],
  operations: ['CREATE', 'UPDATE'],
  resources: ['secrets'],
  scope: 'Namespaced',
};

/** What waits for its finalizers only is left alone. So says the stored object: what is sent may claim it. */
export const notBeingDeleted = {
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
