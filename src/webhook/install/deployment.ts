import {
  clientCaMap,
  type KubernetesObject,
  labels,
  type ManifestOptions,
  METRICS_PORT,
  metaIn,
  NAME,
  PORT,
  podLabels,
  tlsSecret,
} from './options.ts';

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

/** Where the pod has its files; each folder is a volume. */
const TLS_FOLDER = '/etc/kseal/tls';
const CLIENT_CA_FOLDER = '/etc/kseal/client-ca';
const KEYS_FOLDER = '/etc/kseal/keys';

/** The command line of the container: what the image's entry point, kseal, is called with. */
function serveArguments({ keys, clients, serve }: ManifestOptions): readonly string[] {
  const references = keys.map((key) =>
    key.kind === 'file' ? `${KEYS_FOLDER}/${key.name}` : key.reference,
  );
  return [
    ...['webhook', 'serve'],
    ...each('--key', references),
    ...each('--tls-cert', [`${TLS_FOLDER}/tls.crt`]),
    ...each('--tls-key', [`${TLS_FOLDER}/tls.key`]),
    ...each('--port', [`${PORT}`]),
    ...each('--metrics-port', [`${METRICS_PORT}`]),
    ...(clients.kind === 'anyone'
      ? ['--allow-any-client']
      : [
          ...each('--client-ca', [`${CLIENT_CA_FOLDER}/ca.crt`]),
          ...each('--client-name', clients.names),
        ]),
    ...each('--accept-unbound', serve.acceptUnbound),
    ...each('--max-scope', [serve.maxScope]),
    ...each('--deprecated-kid', serve.deprecatedKids),
    ...each('--revoked-kid', serve.revokedKids),
    ...each('--log-level', [serve.logLevel]),
    ...(serve.memo ? [] : ['--no-memo']),
    ...each('--kms-endpoint', [serve.kmsEndpoint]),
  ];
}

/** One argument each, which no value can break out of: a kid may begin with a dash. */
function each(flag: string, values: readonly (string | undefined)[]): string[] {
  return values.flatMap((value) => (value === undefined ? [] : `${flag}=${escaped(value)}`));
}

/** Kubernetes replaces `$(NAME)` in arguments; `$$` stands for a dollar sign. */
function escaped(value: string): string {
  return value.replaceAll('$', '$$$$');
}

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
