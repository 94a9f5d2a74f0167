import { isIP } from 'node:net';
import {
  type Documented,
  type ManifestOptions,
  METRICS_PORT,
  metaIn,
  PORT,
  podLabels,
} from './options.ts';

/** The value of `--api-server-from` for clusters whose API server connects through konnectivity. */
export const KONNECTIVITY = 'konnectivity';

/** Whether `text` is a range of IP addresses as Kubernetes writes it: `10.0.0.0/8`, `fd00::/64`. */
export function isCidr(text: string): boolean {
  const [, address = '', length] = /^([^%/]+)\/(0|[1-9]\d{0,2})$/.exec(text) ?? [];
  const bits: Record<number, number> = { 4: 32, 6: 128 };
  return Number(length) <= (bits[isIP(address)] ?? -1);
}

const limits = `Limits who can connect to port ${PORT}, because anyone who reaches it could have values opened.
A NetworkPolicy is not authentication:
- It has no effect unless the network plugin of the cluster enforces it.
- It knows addresses, not identities: anything that shares an address with the API server is let
  in too, such as a pod with hostNetwork on its node, or a proxy in front of it.
- It does not stop users who can reach pods through the API server (services/proxy,
  pods/portforward).
Only client certificates identify the API server: --client-ca and --client-name.`;

/** The Service, and the NetworkPolicy if `--api-server-from` was given. */
export function network({ namespace, apiServerFrom }: ManifestOptions): readonly Documented[] {
  const service = {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: metaIn(namespace),
    spec: {
      selector: podLabels,
      ports: [
        { name: 'https', port: 443, targetPort: 'https' },
        // For the ServiceMonitor of a Prometheus.
        { name: 'metrics', port: METRICS_PORT, targetPort: 'metrics' },
      ],
    },
  };
  if (apiServerFrom.length === 0) return [{ object: service }];
  const port = (number: number) => [{ protocol: 'TCP', port: number }];
  const policy = {
    apiVersion: 'networking.k8s.io/v1',
    kind: 'NetworkPolicy',
    metadata: metaIn(namespace),
    spec: {
      podSelector: { matchLabels: podLabels },
      policyTypes: ['Ingress'],
      ingress: [
        { from: apiServerFrom.map(peer), ports: port(PORT) },
        // Probes come from every node, and metrics contain no values.
        { ports: port(METRICS_PORT) },
      ],
    },
  };
  return [{ object: service }, { object: policy, comment: limits }];
}

/** A peer of a NetworkPolicy: a CIDR, or konnectivity. */
export function peer(from: string) {
  if (from !== KONNECTIVITY) return { ipBlock: { cidr: from } };
  return {
    namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': 'kube-system' } },
    podSelector: { matchLabels: { 'k8s-app': 'konnectivity-agent' } },
  };
}
