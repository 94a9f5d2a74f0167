import { KeyObject, webcrypto } from 'node:crypto';
import type { Extension, X509Certificate } from '@peculiar/x509';

/** What a certificate is for. */
export interface CertificateRequest {
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

async function signCertificate(signing: Signing): Promise<X509Certificate> {
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

function pem(certificate: X509Certificate): string {
  return `${certificate.toString('pem').trimEnd()}\n`;
}
