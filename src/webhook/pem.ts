import { X509Certificate } from 'node:crypto';
import { KsealError } from '../errors.ts';

/** Reads the certificates of a PEM text. Throws CERTIFICATE_INVALID, which never quotes the text. */
export function certificatesIn(octets: Uint8Array, what: string): readonly X509Certificate[] {
  const text = Buffer.from(octets).toString('latin1');
  const labels = [...text.matchAll(/-----BEGIN ([^-]*)-----/g)].map(([, label = '']) => label);
  const other = labels.find((label) => label !== 'CERTIFICATE');
  if (other?.includes('PRIVATE KEY')) {
    const hint = 'keep it apart';
    throw invalid(`${what}: holds a private key, where only certificates belong`, hint);
  }
  const blocks = text.match(/-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/g) ?? [];
  if (other !== undefined || labels.length === 0 || blocks.length !== labels.length) {
    const hint = 'give a file that begins with -----BEGIN CERTIFICATE-----';
    throw invalid(`${what}: holds no certificate in PEM form, or something else besides`, hint);
  }
  // TLS would leave out those that it cannot read, without a word.
  return blocks.map((block) => read(block, what));
}

function read(block: string, what: string): X509Certificate {
  try {
    return new X509Certificate(block);
  } catch {
    const hint = 'get it anew from whoever issued it';
    throw invalid(`${what}: a certificate in it is damaged`, hint);
  }
}

/**
 * Checks that the CAs of clients lead up to roots: OpenSSL trusts nothing that stands below a root
 * which is not there, so that every client would be refused. Throws CERTIFICATE_INVALID.
 */
export function checkRoots(cas: readonly X509Certificate[], what: string): void {
  const loose = cas.find((ca) => !cas.some((by) => ca.checkIssued(by)));
  if (loose === undefined) return;
  const message = `${what}: the CA that issued ${shownName(loose.subject)} is not in it`;
  throw invalid(message, `add the certificate of ${shownName(loose.issuer)} to the file`);
}

/** A distinguished name, which Node writes on several lines, as one. */
export function shownName(name: string): string {
  return name.replaceAll('\n', ', ');
}

export function invalid(message: string, hint: string): KsealError {
  return new KsealError('CERTIFICATE_INVALID', message, { hint });
}
