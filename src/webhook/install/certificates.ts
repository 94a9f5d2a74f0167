import { KeyObject, webcrypto, type X509Certificate } from 'node:crypto';
import type { Extension, X509Certificate as IssuedX509 } from '@peculiar/x509';
import { certificatesIn, checkRoots, checkTls, invalid, shownName } from '../server/tls.ts';
import {
  hostsIn,
  type KubernetesObject,
  type ManifestOptions,
  metaIn,
  NAME,
  tlsSecret,
} from './options.ts';

/** What a certificate is for. */
interface CertificateRequest {
  readonly commonName: string;
  /** The names of a server; a client is known by its common name. */
  readonly dnsNames?: readonly string[];
  readonly usage: 'serverAuth' | 'clientAuth';
  readonly validFrom: Date;
  readonly days: number;
}

/** In PEM: a certificate, its private key (PKCS#8), and the CA that signed it. */
export interface IssuedCertificate {
  readonly certificate: string;
  readonly key: string;
  readonly ca: string;
}

const ECDSA = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const;
const DAY = 24 * 60 * 60 * 1000;

/**
 * Issues one certificate from a CA of its own (both ECDSA P-256, RFC 5280). The key of the CA is
 * forgotten: it signs nothing else, so trust in the CA is trust in this one certificate.
 */
export async function issueCertificate(request: CertificateRequest): Promise<IssuedCertificate> {
  const ca = await makeKeyPair();
  const own = await makeKeyPair();
  const issuer = `${request.commonName} CA`;
  const sign = { issuer, signingKey: ca.privateKey, issuerKey: ca.publicKey, request };
  const root = await signCertificate({ ...sign, subject: issuer, publicKey: ca.publicKey });
  const leaf = await signCertificate({
    ...sign,
    subject: request.commonName,
    publicKey: own.publicKey,
    isLeaf: true,
  });
  const key = KeyObject.from(own.privateKey).export({ type: 'pkcs8', format: 'pem' });
  return { certificate: pem(leaf), key: String(key), ca: pem(root) };
}

function makeKeyPair(): Promise<webcrypto.CryptoKeyPair> {
  return webcrypto.subtle.generateKey(ECDSA, true, ['sign', 'verify']);
}

interface Signing {
  readonly request: CertificateRequest;
  readonly issuer: string;
  readonly issuerKey: webcrypto.CryptoKey;
  readonly signingKey: webcrypto.CryptoKey;
  readonly subject: string;
  readonly publicKey: webcrypto.CryptoKey;
  readonly isLeaf?: boolean;
}

async function signCertificate(signing: Signing): Promise<IssuedX509> {
  const { Name, X509CertificateGenerator } = await loadX509();
  const { subject, issuer, publicKey, signingKey, request } = signing;
  const { validFrom, days } = request;
  return X509CertificateGenerator.create({
    subject: new Name(named(subject)),
    issuer: new Name(named(issuer)),
    notBefore: validFrom,
    notAfter: new Date(validFrom.getTime() + days * DAY),
    signingAlgorithm: ECDSA,
    publicKey,
    signingKey,
    extensions: await extensionsOf(signing),
  });
}

/** As a tagged text: a bare one is taken apart at quotes and a leading #. */
function named(commonName: string) {
  return [{ CN: [{ utf8String: commonName }] }];
}

/** RFC 5280 § 4.2.1. Go's verifier wants the CA's basic constraints, and in a leaf its usage and names. */
async function extensionsOf(signing: Signing): Promise<Extension[]> {
  const x509 = await loadX509();
  const { publicKey, issuerKey, isLeaf = false, request } = signing;
  const { digitalSignature, keyCertSign, cRLSign } = x509.KeyUsageFlags;
  const usages = isLeaf ? digitalSignature : keyCertSign | cRLSign;
  const extensions = [
    new x509.BasicConstraintsExtension(!isLeaf, isLeaf ? undefined : 0, true),
    new x509.KeyUsagesExtension(usages, true),
    await x509.SubjectKeyIdentifierExtension.create(publicKey),
  ];
  if (!isLeaf) return extensions;
  const names = request.dnsNames?.map((value) => ({ type: 'dns' as const, value })) ?? [];
  return [
    ...extensions,
    await x509.AuthorityKeyIdentifierExtension.create(issuerKey),
    new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage[request.usage]]),
    ...(names.length > 0 ? [new x509.SubjectAlternativeNameExtension(names)] : []),
  ];
}

/** The package reads what this polyfill keeps of its classes. */
async function loadX509() {
  await import('reflect-metadata');
  return import('@peculiar/x509');
}

function pem(certificate: IssuedX509): string {
  return `${certificate.toString('pem').trimEnd()}\n`;
}

/** The certificates of CAs that clients are trusted through. Throws CERTIFICATE_INVALID. */
export function clientCasIn(bytes: Uint8Array, what: string): readonly X509Certificate[] {
  const certificates = certificatesIn(bytes, what);
  for (const certificate of certificates) {
    refuseExpired(certificate, what);
    if (certificate.ca) continue;
    const hint = 'give the certificate of the CA that signed the client certificate';
    const message = `${what}: ${shownName(certificate.subject)} is not the certificate of a CA`;
    throw invalid(message, hint);
  }
  checkRoots(certificates, what);
  return certificates;
}

/** The files of `--tls files`, as bytes and with the names that messages call them by. */
interface ServingFiles {
  readonly certificate: PemFile;
  readonly key: PemFile;
  readonly ca: PemFile;
}

export interface PemFile {
  readonly bytes: Uint8Array;
  readonly shown: string;
}

/**
 * Checks that a serving certificate is what the API server will accept: for this host, valid
 * today, with its own key, and signed by the CA, through the other certificates of its file.
 * Throws CERTIFICATE_INVALID.
 */
export function checkServing({ certificate, key, ca }: ServingFiles, host: string): void {
  const [leaf, ...intermediates] = certificatesIn(certificate.bytes, certificate.shown);
  const roots = certificatesIn(ca.bytes, ca.shown);
  checkTls(
    { cert: Buffer.from(certificate.bytes), key: Buffer.from(key.bytes), ca: undefined },
    { cert: certificate.shown, key: key.shown, clientCa: undefined },
  );
  // Go takes a host from the alternative names alone.
  if (leaf?.checkHost(host, { subject: 'never' }) === undefined) {
    const hint = `make one with a subject alternative name DNS:${host}`;
    const message = `${certificate.shown}: is not for ${host}, the host that the API server asks`;
    throw invalid(message, hint);
  }
  if (!isTrusted(leaf, intermediates, roots)) {
    const hint = 'intermediate certificates go into the file of the certificate, behind it';
    throw invalid(`${certificate.shown}: is not signed by ${ca.shown}`, hint);
  }
}

function isTrusted(
  certificate: X509Certificate,
  intermediates: readonly X509Certificate[],
  roots: readonly X509Certificate[],
): boolean {
  const signed = (by: X509Certificate) =>
    certificate.checkIssued(by) && certificate.verify(by.publicKey);
  if (roots.some((root) => root.raw.equals(certificate.raw) || signed(root))) return true;
  return intermediates.some((one) => {
    const others = intermediates.filter((other) => other !== one);
    return signed(one) && isTrusted(one, others, roots);
  });
}

function refuseExpired({ subject, validTo }: X509Certificate, what: string): void {
  if (Date.parse(validTo) > Date.now()) return;
  throw invalid(`${what}: ${shownName(subject)} expired on ${validTo}`, 'give one that is valid');
}

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
