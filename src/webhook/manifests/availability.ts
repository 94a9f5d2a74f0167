import { labels, metaIn, NAME, podLabels } from './names.ts';
import type { KubernetesObject } from './object.ts';
import type { ManifestOptions } from './options.ts';

/** How many times the least replicas the autoscaler may go up to. */
const GROWTH = 5;

/** The least privileged Pod Security Standard holds for whatever else is put there. */
export function namespace({ namespace }: ManifestOptions): KubernetesObject {
  return {
    apiVersion: 'v1',
    kind: 'Namespace',
    metadata: {
      name: namespace,
      labels: { ...labels, 'pod-security.kubernetes.io/enforce': 'restricted' },
    },
  };
}

/** An identity towards the cloud; towards the API server it has no token. */
export function serviceAccount(options: ManifestOptions): KubernetesObject {
  const annotations = options.serviceAccountAnnotations;
  return {
    apiVersion: 'v1',
    kind: 'ServiceAccount',
    metadata: {
      ...metaIn(options.namespace),
      ...(Object.keys(annotations).length > 0 ? { annotations } : {}),
    },
    automountServiceAccountToken: false,
  };
}

/** One pod at a time may be evicted: also the only one, or its node could never be drained. */
export function disruptionBudget({ namespace }: ManifestOptions): KubernetesObject {
  return {
    apiVersion: 'policy/v1',
    kind: 'PodDisruptionBudget',
    metadata: metaIn(namespace),
    spec: {
      maxUnavailable: 1,
      unhealthyPodEvictionPolicy: 'AlwaysAllow',
      selector: { matchLabels: podLabels },
    },
  };
}

export function autoscaler({ namespace, replicas }: ManifestOptions): KubernetesObject {
  const target = { type: 'Utilization', averageUtilization: 80 };
  return {
    apiVersion: 'autoscaling/v2',
    kind: 'HorizontalPodAutoscaler',
    metadata: metaIn(namespace),
    spec: {
      scaleTargetRef: { apiVersion: 'apps/v1', kind: 'Deployment', name: NAME },
      minReplicas: replicas,
      maxReplicas: replicas * GROWTH,
      metrics: [{ type: 'Resource', resource: { name: 'cpu', target } }],
    },
  };
}
