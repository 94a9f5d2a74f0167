import type { X509Certificate } from 'node:crypto';
import { certificatesIn, checkRoots, invalid, shownName } from './pem.ts';
import { checkTls } from './tls.ts';

/** The certificates of CAs that clients are trusted through. Throws CERTIFICATE_INVALID. */
export function clientCasIn(octets: Uint8Array, what: string): readonly X509Certificate[] {
  const certificates = certificatesIn(octets, what);
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

/** The files of `--tls files`, as octets and with the names that messages call them by. */
export interface ServingFiles {
  readonly certificate: PemFile;
  readonly key: PemFile;
  readonly ca: PemFile;
}

export interface PemFile {
  readonly octets: Uint8Array;
  readonly shown: string;
}

/**
 * Checks that a serving certificate is what the API server will accept: for this host, valid
 * today, with its own key, and signed by the CA, through the other certificates of its file.
 * Throws CERTIFICATE_INVALID.
 */
export function checkServing({ certificate, key, ca }: ServingFiles, host: string): void {
  const [leaf, ...intermediates] = certificatesIn(certificate.octets, certificate.shown);
  const roots = certificatesIn(ca.octets, ca.shown);
  checkTls(
    { cert: Buffer.from(certificate.octets), key: Buffer.from(key.octets), ca: undefined },
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
