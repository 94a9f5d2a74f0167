import type { ManifestOptions } from '../../../src/webhook/install/options.ts';

/** The options for the fewest flags. */
export function optionsWith(changes: Partial<ManifestOptions> = {}): ManifestOptions {
  return {
    commandLine: 'kseal webhook manifests --image registry.example.org/kseal:1',
    version: '1.2.3',
    image: 'registry.example.org/kseal:1',
    namespace: 'kseal',
    replicas: 2,
    keys: [{ kind: 'remote', reference: 'gcpkms://projects/p/key' }],
    keySecret: undefined,
    tls: { kind: 'cert-manager' },
    clients: { kind: 'anyone' },
    apiServerFrom: [],
    serviceAccountAnnotations: {},
    priorityClass: undefined,
    namespaceSelector: [],
    monitoring: { serviceMonitor: false, alerts: false, labels: {} },
    serve: passedOn,
    ...changes,
  };
}

export const passedOn: ManifestOptions['serve'] = {
  acceptUnbound: [],
  maxScope: undefined,
  deprecatedKids: [],
  revokedKids: [],
  logLevel: undefined,
  memo: true,
  kmsEndpoint: undefined,
  kmsTimeout: undefined,
};
