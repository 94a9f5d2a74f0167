import type { ObjectMeta } from './object.ts';

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
