import { createHash, createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto';
import { resolve } from 'node:path';
import { createSecureContext } from 'node:tls';
import { KsealError } from '../../errors.ts';
import { readFile } from '../../fs/read.ts';
import type { Log } from './log.ts';
import type { Metrics } from './metrics.ts';

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

interface TlsWatch {
  readonly files: TlsFiles;
  readonly log: Log;
  readonly metrics: Pick<Metrics, 'certificateExpiry' | 'certificateReloads'>;
}

/**
 * Looks at the TLS files every so many milliseconds; returns what ends it. Those that changed and
 * fit go to `use`. With those that do not, as in the middle of a replacement, the old ones stay.
 */
export function watchTls(
  watch: TlsWatch & { readonly interval: number },
  inUse: TlsMaterial,
  use: (tls: TlsMaterial) => void,
): () => void {
  watch.metrics.certificateExpiry.set(inUse.notAfter / 1000);
  const timer = setInterval(tlsLook(watch, inUse, use), watch.interval);
  return () => clearInterval(timer);
}

/** One look, as a function that remembers what the last one saw. */
export function tlsLook(
  { files, log, metrics }: TlsWatch,
  inUse: TlsMaterial,
  use: (tls: TlsMaterial) => void,
): () => void {
  let seen = fingerprintOf(inUse);
  const look = () => {
    const read = readTlsFiles(files);
    const found = fingerprintOf(read);
    if (found === seen) return;
    seen = found;
    const tls = checkTls(read, files);
    use(tls);
    metrics.certificateExpiry.set(tls.notAfter / 1000);
    metrics.certificateReloads.inc({ result: 'done' });
    const expires = new Date(tls.notAfter).toISOString();
    log.write('info', 'new TLS files are in use', { expires });
  };
  return () => {
    try {
      look();
    } catch (error) {
      const words = error instanceof KsealError ? error.message : 'they cannot be used';
      // Files that cannot be read look the same every time, and are told of once.
      if (error instanceof KsealError && error.code === 'IO' && seen === words) return;
      if (error instanceof KsealError && error.code === 'IO') seen = words;
      metrics.certificateReloads.inc({ result: 'failed' });
      log.write('error', `the TLS files changed, and the old ones stay in use: ${words}`);
    }
  };
}

function fingerprintOf({ cert, key, ca }: Omit<TlsMaterial, 'notAfter'>): string {
  const parts = [cert, key, ca ?? Buffer.alloc(0)];
  return parts.map((part) => createHash('sha256').update(part).digest('hex')).join(' ');
}

/** Reads the certificates of a PEM text. Throws CERTIFICATE_INVALID, which never quotes the text. */
export function certificatesIn(bytes: Uint8Array, what: string): readonly X509Certificate[] {
  const text = Buffer.from(bytes).toString('latin1');
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
