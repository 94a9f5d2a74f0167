import { KeyObject, webcrypto } from 'node:crypto';
import type { X509Certificate } from '@peculiar/x509';
import {
  hostsIn,
  type KubernetesObject,
  type ManifestOptions,
  metaIn,
  NAME,
  tlsSecret,
} from './options.ts';

interface CertificateRequest {
  readonly commonName: string;
  /** The host names of a server. */
  readonly dnsNames?: readonly string[];
  readonly usage: 'serverAuth' | 'clientAuth';
  readonly validFrom: Date;
  readonly days: number;
}

/** A certificate, its private key (PKCS#8) and the CA that signed it; PEM. */
export interface IssuedCertificate {
  readonly certificate: string;
  readonly key: string;
  readonly ca: string;
}

/** The common name of the CA that signs a certificate for `commonName`. */
export const caName = (commonName: string) => `${commonName} CA`;

const ECDSA = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const;
const DAY = 24 * 60 * 60 * 1000;

/**
 * Issues a certificate from a new CA (ECDSA P-256, RFC 5280). The key of the CA is discarded, so
 * trusting the CA means trusting this one certificate.
 */
export async function issueCertificate(request: CertificateRequest): Promise<IssuedCertificate> {
  // The package needs this polyfill.
  await import('reflect-metadata');
  const { default: x509 } = await import('@peculiar/x509');
  const { commonName, dnsNames = [], usage, validFrom, days } = request;
  // A typed text, because a bare string is parsed at quotes and at a leading #.
  const nameOf = (text: string) => new x509.Name([{ CN: [{ utf8String: text }] }]);
  const [authority, own] = await Promise.all([makeKeyPair(), makeKeyPair()]);
  const common = {
    issuer: nameOf(caName(commonName)),
    notBefore: validFrom,
    notAfter: new Date(validFrom.getTime() + days * DAY),
    signingAlgorithm: ECDSA,
    signingKey: authority.privateKey,
  };
  const { digitalSignature, keyCertSign, cRLSign } = x509.KeyUsageFlags;
  // Go requires the basic constraints of the CA, and the usage and names of the certificate.
  const root = await x509.X509CertificateGenerator.create({
    ...common,
    subject: common.issuer,
    publicKey: authority.publicKey,
    extensions: [
      new x509.BasicConstraintsExtension(true, 0, true),
      new x509.KeyUsagesExtension(keyCertSign | cRLSign, true),
      await x509.SubjectKeyIdentifierExtension.create(authority.publicKey),
    ],
  });
  const names = dnsNames.map((value) => ({ type: 'dns' as const, value }));
  const leaf = await x509.X509CertificateGenerator.create({
    ...common,
    subject: nameOf(commonName),
    publicKey: own.publicKey,
    extensions: [
      new x509.BasicConstraintsExtension(false, undefined, true),
      new x509.KeyUsagesExtension(digitalSignature, true),
      await x509.SubjectKeyIdentifierExtension.create(own.publicKey),
      await x509.AuthorityKeyIdentifierExtension.create(authority.publicKey),
      new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage[usage]]),
      ...(names.length > 0 ? [new x509.SubjectAlternativeNameExtension(names)] : []),
    ],
  });
  const key = KeyObject.from(own.privateKey).export({ type: 'pkcs8', format: 'pem' });
  return { certificate: pemOf(leaf), key: String(key), ca: pemOf(root) };
}

function makeKeyPair(): Promise<webcrypto.CryptoKeyPair> {
  return webcrypto.subtle.generateKey(ECDSA, true, ['sign', 'verify']);
}

function pemOf(certificate: X509Certificate): string {
  return `${certificate.toString('pem').trimEnd()}\n`;
}

const issuers = { selfSigned: `${NAME}-self-signed`, ca: `${NAME}-ca` };

/**
 * A CA of its own, which outlives the serving certificate: the API server's trust and the pods'
 * certificate never have to change at the same moment.
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
