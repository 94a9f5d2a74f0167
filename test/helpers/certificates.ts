import 'reflect-metadata';
import { webcrypto } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import * as x509 from '@peculiar/x509';

x509.cryptoProvider.set(webcrypto as never);
const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };
const usages: webcrypto.KeyUsage[] = ['sign', 'verify'];
const DAY = 86_400_000;

/** A certificate and its private key; PEM. */
export interface Pair {
  readonly cert: string;
  readonly key: string;
}

export interface Leaf {
  /** Such as `CN=kube-apiserver, O=x`; may be empty. */
  readonly subject?: string;
  readonly hosts?: readonly string[];
  /** The extended key usage; by default both. */
  readonly use?: 'server' | 'client';
  /** In days from now. */
  readonly expires?: number;
}

export interface Authority {
  readonly cert: string;
  issue(leaf: Leaf): Promise<Pair>;
}

/** A new certificate authority that expires in `expires` days. */
export async function makeAuthority(name = 'CN=test CA', expires = 30): Promise<Authority> {
  const keys = await webcrypto.subtle.generateKey(algorithm, true, usages);
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    name,
    keys,
    signingAlgorithm: algorithm,
    ...validity(expires),
    extensions: [new x509.BasicConstraintsExtension(true, undefined, true)],
  });
  return {
    cert: certificate.toString('pem'),
    issue: (leaf) => issue(leaf, certificate, keys.privateKey),
  };
}

let serial = 1;

async function issue(leaf: Leaf, issuer: x509.X509Certificate, signingKey: webcrypto.CryptoKey) {
  const { subject = 'CN=leaf', hosts = [], use, expires = 2 } = leaf;
  const keys = await webcrypto.subtle.generateKey(algorithm, true, usages);
  const { serverAuth, clientAuth } = x509.ExtendedKeyUsage;
  const purposes = { server: [serverAuth], client: [clientAuth] };
  const names = hosts.map((value) => ({ type: /^[\d.]+$/.test(value) ? 'ip' : 'dns', value }));
  const certificate = await x509.X509CertificateGenerator.create({
    serialNumber: (serial++).toString(16).padStart(2, '0'),
    subject,
    issuer: issuer.subject,
    publicKey: keys.publicKey,
    signingKey,
    signingAlgorithm: algorithm,
    ...validity(expires),
    extensions: [
      new x509.ExtendedKeyUsageExtension(
        use === undefined ? [serverAuth, clientAuth] : purposes[use],
      ),
      ...(names.length === 0
        ? []
        : [new x509.SubjectAlternativeNameExtension(names as x509.JsonGeneralNames)]),
    ],
  });
  const key = await webcrypto.subtle.exportKey('pkcs8', keys.privateKey);
  return { cert: certificate.toString('pem'), key: x509.PemConverter.encode(key, 'PRIVATE KEY') };
}

function validity(days: number) {
  const now = Date.now();
  return { notBefore: new Date(now - 10 * DAY), notAfter: new Date(now + days * DAY) };
}

/** Writes a serving certificate, its key and its CA to `folder`. */
export async function writeServingPair(authority: Authority, folder: string): Promise<void> {
  const { cert, key } = await authority.issue({ hosts: ['127.0.0.1', 'localhost'], use: 'server' });
  writeFileSync(join(folder, 'tls.crt'), cert);
  writeFileSync(join(folder, 'tls.key'), key);
  writeFileSync(join(folder, 'ca.crt'), authority.cert);
}
