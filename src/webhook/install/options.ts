/** Everything that decides what is printed: checked, and with nothing left to look up. */
export interface ManifestOptions {
  /** The command line that makes the same again. */
  readonly commandLine: string;
  readonly version: string;
  readonly image: string;
  readonly namespace: string;
  readonly replicas: number;
  readonly keys: readonly WebhookKey[];
  /** The Secret that holds the key files; there is one where a key is a file. */
  readonly keySecret: string | undefined;
  readonly tls: ServingTls;
  readonly clients: Clients;
  /** CIDRs, and `konnectivity`; empty: no NetworkPolicy. */
  readonly apiServerFrom: readonly string[];
  readonly serviceAccountAnnotations: Readonly<Record<string, string>>;
  readonly serve: PassedOn;
}

/** A key that the webhook opens with. */
export type WebhookKey =
  | { readonly kind: 'remote'; readonly reference: string }
  /** A private key file, by its name in the Secret that is mounted; `path` is where it is here. */
  | { readonly kind: 'file'; readonly name: string; readonly path: string };

/** Where the serving certificate comes from. Texts are PEM. */
export type ServingTls =
  | { readonly kind: 'cert-manager' }
  | {
      readonly kind: 'pair';
      readonly certificate: string;
      readonly key: string;
      readonly ca: string;
    };

/** Who may ask the webhook. */
export type Clients =
  | { readonly kind: 'anyone' }
  | {
      readonly kind: 'certified';
      /** The CAs, in PEM. */
      readonly ca: string;
      readonly names: readonly string[];
      /** The client certificate of the API server, where it was made here. */
      readonly made?: { readonly certificate: string; readonly key: string };
    };

/** What goes to `webhook serve` as it is. */
interface PassedOn {
  readonly acceptUnbound: readonly string[];
  readonly maxScope: string | undefined;
  readonly deprecatedKids: readonly string[];
  readonly revokedKids: readonly string[];
  readonly logLevel: string | undefined;
  readonly memo: boolean;
  readonly kmsEndpoint: string | undefined;
}

/** The name of all that is there once; the cluster has one webhook. */
export const NAME = 'kseal-webhook';

export const PORT = 8443;
export const METRICS_PORT = 9090;

/** The name under which the API server asks the webhook: what its certificate must hold. */
export function hostIn(namespace: string): string {
  return `${NAME}.${namespace}.svc`;
}

/** All names that the Service has within the cluster. */
export function hostsIn(namespace: string): readonly string[] {
  const host = hostIn(namespace);
  return [host, `${host}.cluster.local`, `${NAME}.${namespace}`, NAME];
}

export const tlsSecret = `${NAME}-tls`;
export const clientCaMap = `${NAME}-client-ca`;

/** What tells the pods of the webhook from others. */
export const podLabels = { 'app.kubernetes.io/name': NAME };

export const labels = { ...podLabels, 'app.kubernetes.io/part-of': 'kseal' };

/** The metadata of an object in the webhook's namespace. */
export function metaIn(namespace: string, name = NAME): ObjectMeta {
  return { name, namespace, labels };
}

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

/** An object, and what is said above it in its file. */
export interface Documented {
  readonly object: KubernetesObject;
  readonly comment?: string;
}
