import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto';
import { createSecureContext } from 'node:tls';
import { KsealError } from '../errors.ts';

/** A PEM file; messages call it `shown`. */
export interface PemFile {
  readonly bytes: Buffer;
  readonly shown: string;
}

/** A certificate with its chain, and its private key. */
export interface PairFiles {
  readonly cert: PemFile;
  readonly key: PemFile;
}

/** The certificates of a PEM file, at least one. Throws CERTIFICATE_INVALID, without quoting it. */
export function certificatesIn({ bytes, shown }: PemFile): [X509Certificate, ...X509Certificate[]] {
  const text = bytes.toString('latin1');
  const labels = [...text.matchAll(/-----BEGIN ([^-]*)-----/g)].map(([, label = '']) => label);
  const other = labels.find((label) => label !== 'CERTIFICATE');
  if (other?.includes('PRIVATE KEY')) {
    const problem = 'contains a private key, where only certificates belong';
    throw invalid(shown, problem, 'remove the private key from the file');
  }
  const blocks = text.match(/-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/g) ?? [];
  // TLS would silently ignore a certificate that it cannot parse, so each one is parsed here.
  const [first, ...rest] = blocks.map((block) => certificateIn(block, shown));
  if (other !== undefined || first === undefined || blocks.length !== labels.length) {
    const hint = 'give a file of -----BEGIN CERTIFICATE----- blocks';
    throw invalid(shown, 'not a file of PEM certificates', hint);
  }
  return [first, ...rest];
}

function certificateIn(block: string, shown: string): X509Certificate {
  try {
    return new X509Certificate(block);
  } catch {
    throw invalid(shown, 'contains a damaged certificate', 'get a new copy from its issuer');
  }
}

/**
 * Checks a serving certificate and its key as the API server and TLS will: they belong together,
 * the certificate has not expired, and it has a subject alternative name. Returns the certificates.
 * Throws CERTIFICATE_INVALID.
 */
export function checkPair({ cert, key }: PairFiles): ReturnType<typeof certificatesIn> {
  const certificates = certificatesIn(cert);
  const [leaf] = certificates;
  if (!leaf.checkPrivateKey(privateKeyIn(key))) {
    const hint = 'give a certificate and its own private key';
    throw invalid(key.shown, `not the private key of ${cert.shown}`, hint);
  }
  if (leaf.subjectAltName === undefined) {
    const problem = 'no subject alternative name, and the API server ignores the common name';
    const hint = 'add a subject alternative name such as DNS:kseal-webhook.kseal.svc';
    throw invalid(cert.shown, problem, hint);
  }
  if (isExpired(leaf)) throw invalid(cert.shown, `expired on ${leaf.validTo}`, 'renew it');
  try {
    createSecureContext({ cert: cert.bytes, key: key.bytes });
  } catch (error) {
    const { reason = 'no reason given' } = error as { reason?: string };
    const hint = 'make a new certificate and private key';
    throw invalid(cert.shown, `rejected by OpenSSL: ${reason}`, hint);
  }
  return certificates;
}

function privateKeyIn({ bytes, shown }: PemFile): KeyObject {
  try {
    return createPrivateKey(bytes);
  } catch {
    const hint = 'give the private key of the certificate, without a passphrase';
    throw invalid(shown, 'not an unencrypted PEM private key', hint);
  }
}

/**
 * Checks that a serving certificate is valid for `host`, and that `ca` signed it, possibly
 * through the other certificates of its file; and the pair itself. Throws CERTIFICATE_INVALID.
 */
export function checkServing(pair: PairFiles, ca: PemFile, host: string): void {
  checkPair(pair);
  checkIssued(pair.cert, ca, host);
}

/** The same without the private key, and without the date. Throws CERTIFICATE_INVALID. */
export function checkIssued(cert: PemFile, ca: PemFile, host: string): void {
  const roots = certificatesIn(ca);
  const [leaf, ...intermediates] = certificatesIn(cert);
  const { shown } = cert;
  // Go ignores the common name.
  if (leaf.checkHost(host, { subject: 'never' }) === undefined) {
    const problem = `not valid for ${host}, the host that the API server calls`;
    throw invalid(shown, problem, `add a subject alternative name DNS:${host}`);
  }
  if (!isTrusted(leaf, intermediates, roots)) {
    const hint = `append any intermediate certificates to ${shown}`;
    throw invalid(shown, `not signed by ${ca.shown}`, hint);
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

/** The CAs of a file that signed a certificate; PEM. Throws CERTIFICATE_INVALID if none did. */
export function signersOf(cert: PemFile, ca: PemFile): string {
  const [leaf] = certificatesIn(cert);
  const signers = certificatesIn(ca).filter((one) => isTrusted(leaf, [], [one]));
  if (signers.length > 0) return signers.map(String).join('');
  const hint = 'give the CA that signed the certificate';
  throw invalid(cert.shown, `not signed by ${ca.shown}`, hint);
}

/** The certificates of a file that have not expired; PEM. Empty without a file. */
export function currentCas(file: PemFile | undefined): string {
  const all = file === undefined ? [] : certificatesIn(file);
  return all
    .filter((one) => !isExpired(one))
    .map(String)
    .join('');
}

/**
 * The subjects of the certificates of a file, as in `CN=kube-apiserver CA`. They are not read with
 * toLegacyObject(), after which the module tls of Node.js 20 has no createSecureContext.
 */
export function subjectsIn(file: PemFile): readonly string[] {
  return certificatesIn(file).map(({ subject }) => subject.replace(/\\(.)/g, '$1'));
}

/** Checks a new file of client CAs; returns its certificates. Throws CERTIFICATE_INVALID. */
export function checkClientCas(file: PemFile): readonly X509Certificate[] {
  const certificates = certificatesIn(file);
  for (const certificate of certificates) {
    const name = oneLine(certificate.subject);
    if (isExpired(certificate)) {
      const hint = 'give the current certificate of this CA';
      throw invalid(file.shown, `${name} expired on ${certificate.validTo}`, hint);
    }
    if (!certificate.ca) {
      const hint = 'give the certificate of the CA that signed the client certificate';
      throw invalid(file.shown, `${name} is not a CA`, hint);
    }
  }
  checkRoots(file);
  return certificates;
}

/**
 * Checks that every client CA of a file leads up to a root in it. OpenSSL does not trust a CA
 * without its root, and would refuse every client. Throws CERTIFICATE_INVALID.
 */
export function checkRoots(file: PemFile): void {
  const cas = certificatesIn(file);
  const loose = cas.find((ca) => !cas.some((by) => ca.checkIssued(by)));
  if (loose === undefined) return;
  const problem = `the CA that issued ${oneLine(loose.subject)} is missing`;
  throw invalid(file.shown, problem, `add the certificate of ${oneLine(loose.issuer)} to the file`);
}

/** The day on which a PEM certificate expires, as in `2028-11-24`. */
export function expiryDay(certificate: string): string {
  return new Date(new X509Certificate(certificate).validTo).toISOString().slice(0, 10);
}

function isExpired({ validTo }: X509Certificate): boolean {
  return Date.parse(validTo) <= Date.now();
}

/** Node writes each part of a distinguished name on a line of its own. */
function oneLine(name: string): string {
  return name.replaceAll('\n', ', ');
}

function invalid(thing: string, problem: string, hint: string): KsealError {
  return new KsealError('CERTIFICATE_INVALID', problem, { thing, hint });
}
