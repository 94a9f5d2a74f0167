import { createHash } from 'node:crypto';
import { resolve } from 'node:path';
import { KsealError } from '../../errors.ts';
import { readFile } from '../../fs/read.ts';
import { checkPair, checkRoots, type PairFiles, type PemFile } from '../certificates.ts';
import type { Log } from './log.ts';
import type { Metrics } from './metrics.ts';

/** The TLS files, named as the user typed them. */
export interface TlsFiles {
  /** The folder that relative names start from. */
  readonly folder?: string;
  readonly cert: string;
  readonly key: string;
  /** The CAs of client certificates; undefined if any client may call. */
  readonly clientCa: string | undefined;
}

/** The contents of the TLS files. */
interface ReadFiles extends PairFiles {
  readonly ca: PemFile | undefined;
}

/** Checked TLS files; PEM. */
export interface TlsMaterial {
  readonly cert: Buffer;
  readonly key: Buffer;
  readonly ca: Buffer | undefined;
  /** When the serving certificate expires; milliseconds since 1970. */
  readonly notAfter: number;
}

const MAX_PEM = 1024 * 1024;

/** Reads the files. Throws IO. */
export function readTlsFiles({ folder = '', cert, key, clientCa }: TlsFiles): ReadFiles {
  const read = (path: string) => ({
    bytes: readFile(resolve(folder, path), path, MAX_PEM),
    shown: path,
  });
  return {
    cert: read(cert),
    key: read(key),
    ca: clientCa === undefined ? undefined : read(clientCa),
  };
}

/** Checks that TLS and the API server accept the files. Throws CERTIFICATE_INVALID. */
export function checkTls({ cert, key, ca }: ReadFiles): TlsMaterial {
  const [leaf] = checkPair({ cert, key });
  if (ca !== undefined) checkRoots(ca);
  return { cert: cert.bytes, key: key.bytes, ca: ca?.bytes, notAfter: Date.parse(leaf.validTo) };
}

interface TlsWatch {
  readonly files: TlsFiles;
  readonly log: Log;
  readonly metrics: Pick<Metrics, 'certificateExpiry' | 'certificateReloads'>;
}

/**
 * Checks the TLS files for changes every `interval` milliseconds, and passes valid ones to `use`.
 * Invalid ones, as in the middle of a replacement, are logged. Returns a function that ends it.
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

/** Returns a function that checks the files once, and remembers what it saw. */
export function tlsLook(
  { files, log, metrics }: TlsWatch,
  inUse: TlsMaterial,
  use: (tls: TlsMaterial) => void,
): () => void {
  let seen = digestOf([inUse.cert, inUse.key, inUse.ca]);
  const look = () => {
    const read = readTlsFiles(files);
    const found = digestOf([read.cert.bytes, read.key.bytes, read.ca?.bytes]);
    if (found === seen) return;
    seen = found;
    const tls = checkTls(read);
    use(tls);
    metrics.certificateExpiry.set(tls.notAfter / 1000);
    metrics.certificateReloads.inc({ result: 'done' });
    const expires = new Date(tls.notAfter).toISOString();
    log.write('info', 'reloaded the TLS files', { expires });
  };
  return () => {
    try {
      look();
    } catch (error) {
      const problem = error instanceof KsealError ? error.message : 'unexpected error';
      if (error instanceof KsealError && error.code === 'IO') {
        // A file that cannot be read is logged once, and not at every look.
        if (seen === problem) return;
        seen = problem;
      }
      metrics.certificateReloads.inc({ result: 'failed' });
      log.write('error', `cannot reload the TLS files, the old ones stay in use: ${problem}`);
    }
  };
}

function digestOf(parts: readonly (Buffer | undefined)[]): string {
  return parts
    .map((part = Buffer.alloc(0)) => createHash('sha256').update(part).digest('hex'))
    .join(' ');
}
