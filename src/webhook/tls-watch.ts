import { createHash } from 'node:crypto';
import { KsealError } from '../errors.ts';
import type { Log } from './log.ts';
import type { Metrics } from './metrics.ts';
import { checkTls, readTlsFiles, type TlsFiles, type TlsMaterial } from './tls.ts';

export interface TlsWatch {
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
