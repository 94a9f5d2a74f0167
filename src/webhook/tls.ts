import { createPrivateKey, type KeyObject, type X509Certificate } from 'node:crypto';
import { resolve } from 'node:path';
import { createSecureContext } from 'node:tls';
import { readFile } from '../fs/read.ts';
import { certificatesIn, checkRoots, invalid } from './pem.ts';

/** The files as they were named, which is how messages call them. */
export interface TlsFiles {
  /** What relative names start from. */
  readonly folder?: string;
  readonly cert: string;
  readonly key: string;
  /** The authorities of client certificates; absent where any client may call. */
  readonly clientCa: string | undefined;
}

/** A pair that fits, with what is to be checked of clients; PEM. */
export interface TlsMaterial {
  readonly cert: Buffer;
  readonly key: Buffer;
  readonly ca: Buffer | undefined;
  /** When the serving certificate expires; milliseconds since 1970. */
  readonly notAfter: number;
}

const MAX_PEM = 1024 * 1024;

/** Reads the files as they are now. Throws IO. */
export function readTlsFiles({
  folder = '',
  cert,
  key,
  clientCa,
}: TlsFiles): Omit<TlsMaterial, 'notAfter'> {
  const read = (path: string) => readFile(resolve(folder, path), path, MAX_PEM);
  return {
    cert: read(cert),
    key: read(key),
    ca: clientCa === undefined ? undefined : read(clientCa),
  };
}

/**
 * Checks that the key is that of the certificate, that it has not expired, that it names a host
 * where Go looks for it, in a subject alternative name, and that TLS can use it all. Throws
 * CERTIFICATE_INVALID.
 */
export function checkTls(
  { cert, key, ca }: Omit<TlsMaterial, 'notAfter'>,
  files: TlsFiles,
  now = Date.now(),
): TlsMaterial {
  const [certificate] = certificatesIn(cert, files.cert) as [X509Certificate];
  if (!certificate.checkPrivateKey(parseKey(key, files.key))) {
    throw invalid(`${files.key}: is not the key of ${files.cert}`, 'give both files of one pair');
  }
  if (certificate.subjectAltName === undefined) {
    const hint = 'make it with a subject alternative name such as DNS:kseal-webhook.kseal.svc';
    throw invalid(`${files.cert}: names no host, and the API server does not look at its CN`, hint);
  }
  const notAfter = Date.parse(certificate.validTo);
  if (notAfter <= now)
    throw invalid(`${files.cert}: expired on ${certificate.validTo}`, 'renew it');
  if (ca !== undefined) checkRoots(certificatesIn(ca, files.clientCa ?? ''), files.clientCa ?? '');
  checkUse({ cert, key }, files.cert);
  return { cert, key, ca, notAfter };
}

function parseKey(pem: Buffer, path: string): KeyObject {
  try {
    return createPrivateKey(pem);
  } catch {
    throw invalid(
      `${path}: is no PEM private key without a passphrase`,
      'give the key of the certificate',
    );
  }
}

/** OpenSSL refuses what it holds for too weak. */
function checkUse(pair: Pick<TlsMaterial, 'cert' | 'key'>, path: string): void {
  try {
    createSecureContext(pair);
  } catch (error) {
    const { reason = 'no reason given' } = error as { reason?: string };
    throw invalid(`${path}: OpenSSL does not use it: ${reason}`, 'make a new pair');
  }
}
