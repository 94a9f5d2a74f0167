import {
  type Documented,
  type KubernetesObject,
  type ManifestOptions,
  METRICS_PORT,
  metaIn,
  PORT,
  podLabels,
} from './options.ts';

/** Its second port is for Prometheus: a ServiceMonitor can name it. */
export function service({ namespace }: ManifestOptions): KubernetesObject {
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: metaIn(namespace),
    spec: {
      selector: podLabels,
      ports: [
        { name: 'https', port: 443, targetPort: 'https' },
        { name: 'metrics', port: METRICS_PORT, targetPort: 'metrics' },
      ],
    },
  };
}

/** The value of `--api-server-from` for clusters whose API server comes through konnectivity. */
export const KONNECTIVITY = 'konnectivity';

const limits = `Who may connect to port ${PORT}: whoever reaches it could have values opened.
What a NetworkPolicy cannot do: it has no effect unless the network plugin of the cluster
enforces it; it knows addresses, not identities, so that whatever shares an address with the
API server (pods with hostNetwork on its node, a proxy in front of it) is let in as well; nor
does it stop whoever may reach pods through the API server (services/proxy, pods/portforward).
Only client certificates (--client-ca, --client-name) do.`;

/** Absent where nobody has said from where the API server comes. */
export function networkPolicy({ namespace, apiServerFrom }: ManifestOptions): Documented[] {
  if (apiServerFrom.length === 0) return [];
  const port = (number: number) => [{ protocol: 'TCP', port: number }];
  const object = {
    apiVersion: 'networking.k8s.io/v1',
    kind: 'NetworkPolicy',
    metadata: metaIn(namespace),
    spec: {
      podSelector: { matchLabels: podLabels },
      policyTypes: ['Ingress'],
      ingress: [
        { from: apiServerFrom.map(peer), ports: port(PORT) },
        // Probes come from every node; metrics hold no values.
        { ports: port(METRICS_PORT) },
      ],
    },
  };
  return [{ object, comment: limits }];
}

function peer(from: string) {
  if (from !== KONNECTIVITY) return { ipBlock: { cidr: from } };
  return {
    namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': 'kube-system' } },
    podSelector: { matchLabels: { 'k8s-app': 'konnectivity-agent' } },
  };
}

/** Whether `text` is a range of IP addresses as Kubernetes writes it: `10.0.0.0/8`, `fd00::/64`. */
export function isCidr(text: string): boolean {
  const [, address = '', digits] = /^([0-9a-f.:]+)\/(0|[1-9]\d{0,2})$/i.exec(text) ?? [];
  const length = Number(digits);
  return address.includes(':')
    ? length <= 128 && URL.canParse(`http://[${address}]`)
    : length <= 32 && OCTETS.test(address);
}

const OCTET = '(?:0|[1-9]\\d?|1\\d\\d|2[0-4]\\d|25[0-5])';
const OCTETS = new RegExp(`^${OCTET}(?:\\.${OCTET}){3}$`);
