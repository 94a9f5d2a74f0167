import { CLIENT_CA_FOLDER, KEYS_FOLDER, serveArguments, TLS_FOLDER } from './arguments.ts';
import {
  clientCaMap,
  labels,
  METRICS_PORT,
  metaIn,
  NAME,
  PORT,
  podLabels,
  tlsSecret,
} from './names.ts';
import type { KubernetesObject } from './object.ts';
import type { ManifestOptions } from './options.ts';

/** Nobody in particular: a user that no image and no node knows. */
const USER = 65532;

/** Octal 0440: the user gets at files through the group that owns the volumes. */
const READABLE = 0o440;

/** Longer than the webhook takes to answer what it has begun, in seconds. */
const GRACE = 60;

/** Without `replicas`, which are the autoscaler's: applying it again would take them back. */
export function deployment(options: ManifestOptions): KubernetesObject {
  return {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: metaIn(options.namespace),
    spec: {
      selector: { matchLabels: podLabels },
      strategy: { type: 'RollingUpdate', rollingUpdate: { maxUnavailable: 0, maxSurge: 1 } },
      template: {
        metadata: { labels },
        spec: podSpec(options),
      },
    },
  };
}

function podSpec(options: ManifestOptions) {
  return {
    serviceAccountName: NAME,
    automountServiceAccountToken: false,
    enableServiceLinks: false,
    terminationGracePeriodSeconds: GRACE,
    securityContext: {
      runAsNonRoot: true,
      runAsUser: USER,
      runAsGroup: USER,
      fsGroup: USER,
      seccompProfile: { type: 'RuntimeDefault' },
    },
    topologySpreadConstraints: ['kubernetes.io/hostname', 'topology.kubernetes.io/zone'].map(
      spread,
    ),
    containers: [container(options)],
    volumes: mountsOf(options).map(({ volume }) => volume),
  };
}

/** Replicas go to different nodes and zones where there are several. */
function spread(topologyKey: string) {
  return {
    topologyKey,
    maxSkew: 1,
    whenUnsatisfiable: 'ScheduleAnyway',
    labelSelector: { matchLabels: podLabels },
    matchLabelKeys: ['pod-template-hash'],
  };
}

function container(options: ManifestOptions) {
  const probe = (path: string) => ({ httpGet: { path, port: 'metrics' } });
  return {
    name: 'kseal',
    image: options.image,
    args: serveArguments(options),
    ports: [
      { name: 'https', containerPort: PORT },
      { name: 'metrics', containerPort: METRICS_PORT },
    ],
    // Whether keys can be reached decides who is asked (readiness), never who is restarted.
    startupProbe: { ...probe('/livez'), periodSeconds: 2, failureThreshold: 30 },
    livenessProbe: {
      ...probe('/livez'),
      periodSeconds: 10,
      timeoutSeconds: 5,
      failureThreshold: 6,
    },
    readinessProbe: { ...probe('/readyz'), periodSeconds: 5, timeoutSeconds: 3 },
    // No limit of the CPU: throttled, the webhook would miss the API server's deadline.
    resources: {
      requests: { cpu: '100m', memory: '128Mi' },
      limits: { memory: '512Mi' },
    },
    securityContext: {
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      capabilities: { drop: ['ALL'] },
    },
    volumeMounts: mountsOf(options).map(({ volume, mountPath }) => ({
      name: volume.name,
      mountPath,
      readOnly: true,
    })),
  };
}

/** Whole folders, not single files: only folders follow when what they hold is renewed. */
function mountsOf({ keys, keySecret, clients }: ManifestOptions) {
  const tls = { secretName: tlsSecret, defaultMode: READABLE };
  const mounts: { mountPath: string; volume: { name: string; [source: string]: unknown } }[] = [
    { mountPath: TLS_FOLDER, volume: { name: 'tls', secret: tls } },
  ];
  if (clients.kind === 'certified') {
    const volume = { name: 'client-ca', configMap: { name: clientCaMap } };
    mounts.push({ mountPath: CLIENT_CA_FOLDER, volume });
  }
  const files = keys.flatMap((key) => (key.kind === 'file' ? key.name : []));
  if (keySecret !== undefined) {
    const items = files.map((name) => ({ key: name, path: name }));
    const secret = { secretName: keySecret, defaultMode: READABLE, items };
    mounts.push({ mountPath: KEYS_FOLDER, volume: { name: 'keys', secret } });
  }
  return mounts;
}
