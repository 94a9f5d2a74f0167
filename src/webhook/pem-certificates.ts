import { X509Certificate } from 'node:crypto';
import { KsealError } from '../errors.ts';
import { checkTls } from './tls.ts';

/** Reads the certificates of a PEM text. Throws CERTIFICATE_INVALID, which never quotes the text. */
export function certificatesIn(octets: Uint8Array, what: string): readonly X509Certificate[] {
  const text = Buffer.from(octets).toString('latin1');
  const labels = [...text.matchAll(/-----BEGIN ([^-]*)-----/g)].map(([, label = '']) => label);
  const other = labels.find((label) => label !== 'CERTIFICATE');
  if (other?.includes('PRIVATE KEY')) {
    throw invalid(what, 'holds a private key, where only certificates belong', 'keep it apart');
  }
  const blocks = text.match(/-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/g) ?? [];
  if (other !== undefined || labels.length === 0 || blocks.length !== labels.length) {
    throw invalid(what, 'holds no certificate in PEM form, or something else besides');
  }
  return blocks.map((block) => read(() => new X509Certificate(block), what));
}

/** The certificates of CAs that clients are trusted through. Throws CERTIFICATE_INVALID. */
export function clientCasIn(octets: Uint8Array, what: string): readonly X509Certificate[] {
  const certificates = certificatesIn(octets, what);
  for (const certificate of certificates) {
    refuseExpired(certificate, what);
    if (certificate.ca) continue;
    const hint = 'give the certificate of the CA that signed the client certificate';
    throw invalid(what, `${certificate.subject} is not the certificate of a CA`, hint);
  }
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
    throw invalid(certificate.shown, `is not for ${host}, the host that the API server asks`, hint);
  }
  if (!isTrusted(leaf, intermediates, roots)) {
    const hint = 'intermediate certificates go into the file of the certificate, behind it';
    throw invalid(certificate.shown, `is not signed by ${ca.shown}`, hint);
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
  throw invalid(what, `${subject} expired on ${validTo}`, 'give one that is valid');
}

function read<T>(make: () => T, what: string): T {
  try {
    return make();
  } catch {
    throw invalid(what, 'a certificate in it is damaged');
  }
}

function invalid(
  what: string,
  reason: string,
  hint = 'give a file that begins with -----BEGIN CERTIFICATE-----',
) {
  return new KsealError('CERTIFICATE_INVALID', `${what}: ${reason}`, { hint });
}
