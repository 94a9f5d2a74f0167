import { hostsIn, metaIn, NAME, tlsSecret } from './names.ts';
import type { KubernetesObject } from './object.ts';
import type { ManifestOptions } from './options.ts';

const issuers = { selfSigned: `${NAME}-self-signed`, ca: `${NAME}-ca` };

/**
 * A CA of the webhook's own, which stays when the serving certificate is renewed: what the API
 * server trusts and what the pods show never have to change at the same moment.
 */
export function certManagerObjects({ namespace }: ManifestOptions): readonly KubernetesObject[] {
  const issuer = (name: string, spec: object) => ({
    apiVersion: 'cert-manager.io/v1',
    kind: 'Issuer',
    metadata: metaIn(namespace, name),
    spec,
  });
  const certificate = (name: string, issuerName: string, spec: object) => ({
    apiVersion: 'cert-manager.io/v1',
    kind: 'Certificate',
    metadata: metaIn(namespace, name),
    spec: {
      ...spec,
      privateKey: { algorithm: 'ECDSA', size: 256, rotationPolicy: 'Always' },
      issuerRef: { group: 'cert-manager.io', kind: 'Issuer', name: issuerName },
    },
  });
  return [
    issuer(issuers.selfSigned, { selfSigned: {} }),
    certificate(issuers.ca, issuers.selfSigned, {
      isCA: true,
      commonName: `${NAME} CA`,
      secretName: issuers.ca,
      duration: '87600h',
      renewBefore: '8760h',
    }),
    issuer(issuers.ca, { ca: { secretName: issuers.ca } }),
    certificate(NAME, issuers.ca, {
      secretName: tlsSecret,
      dnsNames: hostsIn(namespace),
      usages: ['digital signature', 'server auth'],
      duration: '2160h',
      renewBefore: '720h',
    }),
  ];
}
