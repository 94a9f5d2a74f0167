import {
  clientCaMap,
  type Documented,
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

/** The folders of files in the pod; each is a volume. */
const TLS_FOLDER = '/etc/kseal/tls';
const CLIENT_CA_FOLDER = '/etc/kseal/client-ca';
export const KEYS_FOLDER = '/etc/kseal/keys';

/** An ID that no image or node uses. */
const USER = 65532;

/** Octal 0440: the user reads files as a member of the group that owns the volumes. */
const READABLE = 0o440;

/** More than the webhook needs to drain; seconds. */
const GRACE = 60;

/** The autoscaler starts at most this many times the minimum of replicas. */
export const GROWTH = 5;

/** Enforces the strictest Pod Security Standard on every pod in the namespace. */
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

/** The Deployment with its ServiceAccount, PodDisruptionBudget and HorizontalPodAutoscaler. */
export function workload(options: ManifestOptions): readonly Documented[] {
  return [
    { object: serviceAccount(options) },
    {
      object: deployment(options),
      comment:
        'spec.replicas is omitted: the HorizontalPodAutoscaler sets it, even without metrics.',
    },
    { object: disruptionBudget(options) },
    { object: autoscaler(options) },
  ];
}

/** For the workload identity of a cloud; it has no token for the API server. */
function serviceAccount({
  namespace,
  serviceAccountAnnotations: annotations,
}: ManifestOptions): KubernetesObject {
  return {
    apiVersion: 'v1',
    kind: 'ServiceAccount',
    metadata: {
      ...metaIn(namespace),
      ...(Object.keys(annotations).length > 0 ? { annotations } : {}),
    },
    automountServiceAccountToken: false,
  };
}

/** Without `replicas`: applying it again would undo the autoscaler's choice. */
function deployment(options: ManifestOptions): KubernetesObject {
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
    ...(options.priorityClass === undefined ? {} : { priorityClassName: options.priorityClass }),
    topologySpreadConstraints: spreads,
    containers: [container(options)],
    volumes: mountsOf(options).map(({ volume }) => volume),
  };
}

/** Spreads the pods of each version over nodes and zones, as far as the cluster has several. */
export const spreads = ['kubernetes.io/hostname', 'topology.kubernetes.io/zone'].map(
  (topologyKey) => ({
    topologyKey,
    maxSkew: 1,
    whenUnsatisfiable: 'ScheduleAnyway',
    labelSelector: { matchLabels: podLabels },
    matchLabelKeys: ['pod-template-hash'],
  }),
);

/** Without a CPU limit, because a throttled webhook would miss the API server's deadline. */
export const resources = {
  requests: { cpu: '100m', memory: '128Mi' },
  limits: { memory: '512Mi' },
};

function container(options: ManifestOptions) {
  const probe = (path: string) => ({ httpGet: { path, port: 'metrics' } });
  return {
    name: 'kseal',
    image: options.image,
    args: ['webhook', 'serve', ...serveArguments(options).flatMap(printed)],
    ports: [
      { name: 'https', containerPort: PORT },
      { name: 'metrics', containerPort: METRICS_PORT },
    ],
    // Unavailable keys make a pod unready, but never restart it.
    startupProbe: { ...probe('/livez'), periodSeconds: 2, failureThreshold: 30 },
    livenessProbe: {
      ...probe('/livez'),
      periodSeconds: 10,
      timeoutSeconds: 5,
      failureThreshold: 6,
    },
    readinessProbe: { ...probe('/readyz'), periodSeconds: 5, timeoutSeconds: 3 },
    resources,
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

/** Whole folders, because a mounted single file is not updated when its source changes. */
function mountsOf({ keys, keySecret, clients }: ManifestOptions) {
  const tls = { secretName: tlsSecret, defaultMode: READABLE };
  const mounts: { mountPath: string; volume: { name: string; [source: string]: unknown } }[] = [
    { mountPath: TLS_FOLDER, volume: { name: 'tls', secret: tls } },
  ];
  if (clients.kind === 'certified') {
    const volume = { name: 'client-ca', configMap: { name: clientCaMap } };
    mounts.push({ mountPath: CLIENT_CA_FOLDER, volume });
  }
  if (keySecret !== undefined) {
    const items = keys.flatMap((key) =>
      key.kind === 'file' ? { key: key.name, path: key.name } : [],
    );
    const secret = { secretName: keySecret, defaultMode: READABLE, items };
    mounts.push({ mountPath: KEYS_FOLDER, volume: { name: 'keys', secret } });
  }
  return mounts;
}

/** An option of `webhook serve`, which is passed once for each value. */
export interface Argument {
  readonly flag: string;
  /** `true` for a flag without a value; undefined is omitted. */
  readonly values: readonly (string | true | undefined)[];
}

/** The options of the container, whose entry point is kseal; also those that have no value. */
export function serveArguments({ keys, clients, serve }: ManifestOptions): readonly Argument[] {
  const references = keys.map((key) =>
    key.kind === 'file' ? `${KEYS_FOLDER}/${key.name}` : key.reference,
  );
  const access: readonly Argument[] =
    clients.kind === 'anyone'
      ? [{ flag: '--allow-any-client', values: [true] }]
      : [
          { flag: '--client-ca', values: [`${CLIENT_CA_FOLDER}/ca.crt`] },
          { flag: '--client-name', values: clients.names },
        ];
  return [
    { flag: '--key', values: references },
    { flag: '--tls-cert', values: [`${TLS_FOLDER}/tls.crt`] },
    { flag: '--tls-key', values: [`${TLS_FOLDER}/tls.key`] },
    { flag: '--port', values: [`${PORT}`] },
    { flag: '--metrics-port', values: [`${METRICS_PORT}`] },
    ...access,
    { flag: '--accept-unbound', values: serve.acceptUnbound },
    { flag: '--max-scope', values: [serve.maxScope] },
    { flag: '--deprecated-kid', values: serve.deprecatedKids },
    { flag: '--revoked-kid', values: serve.revokedKids },
    { flag: '--log-level', values: [serve.logLevel] },
    { flag: '--no-memo', values: serve.memo ? [] : [true] },
    { flag: '--kms-endpoint', values: [serve.kmsEndpoint] },
    { flag: '--kms-timeout', values: [serve.kmsTimeout?.toString()] },
  ];
}

/** Flag and value are one argument, because a kid may begin with a dash. */
export function printed({ flag, values }: Argument): readonly string[] {
  return values.flatMap((value) => {
    if (value === undefined) return [];
    // Kubernetes expands `$(NAME)` in arguments, and reads `$$` as a dollar sign.
    return value === true ? flag : `${flag}=${value.replaceAll('$', '$$$$')}`;
  });
}

/** Always allows one eviction: otherwise the node of a single replica could never be drained. */
function disruptionBudget({ namespace }: ManifestOptions): KubernetesObject {
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

function autoscaler({ namespace, replicas }: ManifestOptions): KubernetesObject {
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
