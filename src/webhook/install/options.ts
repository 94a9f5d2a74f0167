/** The checked input of `kseal webhook manifests`. */
export interface ManifestOptions {
  /** The command line that generates the same again. */
  readonly commandLine: string;
  readonly version: string;
  readonly image: string;
  readonly namespace: string;
  readonly replicas: number;
  readonly keys: readonly WebhookKey[];
  /** The Secret that holds the key files; undefined if no key is a file. */
  readonly keySecret: string | undefined;
  readonly tls: ServingTls;
  readonly clients: Clients;
  /** CIDRs, and `konnectivity`; empty: no NetworkPolicy. */
  readonly apiServerFrom: readonly string[];
  readonly serviceAccountAnnotations: Readonly<Record<string, string>>;
  /** The name of an existing PriorityClass. */
  readonly priorityClass: string | undefined;
  /** Namespaces whose Secrets are opened; empty: all but the webhook's own. */
  readonly namespaceSelector: readonly SelectorRequirement[];
  readonly monitoring: Monitoring;
  readonly serve: ServeFlags;
}

/** A requirement of a label selector, as in `matchExpressions`. */
export interface SelectorRequirement {
  readonly key: string;
  readonly operator: 'In' | 'NotIn' | 'Exists' | 'DoesNotExist';
  readonly values?: readonly string[];
}

/** The objects for the Prometheus operator. */
interface Monitoring {
  readonly serviceMonitor: boolean;
  readonly alerts: boolean;
  /** Labels by which a Prometheus selects the objects. */
  readonly labels: Readonly<Record<string, string>>;
}

/** A key that the webhook opens values with. */
export type WebhookKey =
  | { readonly kind: 'remote'; readonly reference: string }
  /** A private key file: its name in the mounted Secret, and its path on this machine. */
  | { readonly kind: 'file'; readonly name: string; readonly path: string };

/** The source of the serving certificate; PEM. */
export type ServingTls =
  | { readonly kind: 'cert-manager' }
  | {
      readonly kind: 'pair';
      /** Whether kseal issued it, and can replace it. */
      readonly isIssued: boolean;
      readonly certificate: string;
      /** The private key, if it has to be written. */
      readonly key?: string;
      /** The CAs that the API server trusts; several while a certificate is replaced. */
      readonly ca: string;
    };

/** The clients that may call the webhook. */
export type Clients =
  | { readonly kind: 'anyone' }
  | {
      readonly kind: 'certified';
      /** PEM; several CAs while a certificate is replaced. */
      readonly ca: string;
      readonly names: readonly string[];
      /** Whether kseal issued the client certificate of the API server. */
      readonly isIssued: boolean;
      /** The certificate, if it has to be written. */
      readonly made?: { readonly certificate: string; readonly key: string };
    };

/** Flags that are passed to `webhook serve` unchanged. */
interface ServeFlags {
  readonly acceptUnbound: readonly string[];
  readonly maxScope: string | undefined;
  readonly deprecatedKids: readonly string[];
  readonly revokedKids: readonly string[];
  readonly logLevel: string | undefined;
  readonly memo: boolean;
  readonly kmsEndpoint: string | undefined;
  /** Seconds. */
  readonly kmsTimeout: number | undefined;
}

/** The folders of the output, as the user named them. */
export interface Folders {
  /** For Git: the kustomize bases and the certificates. */
  readonly base: string;
  /** For private keys. */
  readonly private: string;
}

/** The folder of the policy in the base. */
export const POLICY_BASE = 'policy';

/** The files with private keys. */
export const privateFiles = { tls: 'tls.key', apiServer: 'apiserver-kubeconfig.yaml' };

/** A Kubernetes object as plain data. */
export interface KubernetesObject {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: ObjectMeta;
  readonly [field: string]: unknown;
}

interface ObjectMeta {
  readonly name: string;
  readonly namespace?: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
}

/** An object with the comment above it in its file. */
export interface Documented {
  readonly object: KubernetesObject;
  readonly comment?: string;
}

/** The name of every object that exists once in the namespace of a webhook. */
export const NAME = 'kseal-webhook';

/** The namespace of a webhook, unless the user names another. */
export const NAMESPACE = 'kseal';

/**
 * The name of the MutatingWebhookConfiguration. A cluster can have several webhooks, each in its own
 * namespace, and installing one must not replace the configuration of another.
 */
export function configurationName(namespace: string): string {
  return namespace === NAMESPACE ? NAME : `${NAME}-${namespace}`;
}

export const tlsSecret = `${NAME}-tls`;
export const clientCaMap = `${NAME}-client-ca`;

export const PORT = 8443;
export const METRICS_PORT = 9090;

/** The labels that select the pods of the webhook. */
export const podLabels = { 'app.kubernetes.io/name': NAME };

export const labels = { ...podLabels, 'app.kubernetes.io/part-of': 'kseal' };

/** Keeps an object when Argo CD or Flux no longer finds it in Git, or when its application is deleted. */
export const kept = {
  'argocd.argoproj.io/sync-options': 'Prune=false,Delete=false',
  'kustomize.toolkit.fluxcd.io/prune': 'disabled',
};

/** The metadata of an object in the webhook's namespace. */
export function metaIn(namespace: string, name = NAME): ObjectMeta {
  return { name, namespace, labels };
}

/** The host name that the API server calls, which the serving certificate must contain. */
export function hostIn(namespace: string): string {
  return `${NAME}.${namespace}.svc`;
}

/** All host names of the Service inside the cluster. */
export function hostsIn(namespace: string): readonly string[] {
  const host = hostIn(namespace);
  return [host, `${host}.cluster.local`, `${NAME}.${namespace}`, NAME];
}
