import type { Server } from 'node:net';
import { KsealError } from '../errors.ts';

/** What the system says, and whether it says it of the host or of the port. */
const reasons: Readonly<Record<string, readonly ['host' | 'port', string]>> = {
  EADDRINUSE: ['port', 'the port is in use'],
  EACCES: ['port', 'permission denied'],
  EADDRNOTAVAIL: ['host', 'this machine has no such address'],
  ENOTFOUND: ['host', 'there is no such host'],
};

/** Where a server listens: `host:port`; the port is the one that was found where 0 was given. */
export interface Listening {
  readonly port: number;
  readonly host: string | undefined;
  /** Hears of what goes wrong later: connections that cannot be accepted, for want of descriptors. */
  readonly onError: (code: string) => void;
}

/**
 * Listens on a port; without a host on all addresses of this machine. Throws USAGE, with the flag
 * that named the port.
 */
export function listen(
  server: Server,
  { port, host, onError }: Listening,
  flag: string,
): Promise<number> {
  return new Promise((resolve, reject) => {
    const refuse = ({ code = '' }: NodeJS.ErrnoException) => {
      const where = host === undefined ? `port ${port}` : `${host}, port ${port}`;
      const unknown = ['port', `the system answered ${code || 'with an error'}`] as const;
      const [what, reason] = reasons[code] ?? unknown;
      const hint = `choose another one with ${what === 'host' ? '--host' : flag}`;
      reject(new KsealError('USAGE', `cannot listen on ${where}: ${reason}`, { hint }));
    };
    server.once('error', refuse);
    server.listen({ port, host }, () => {
      server.off('error', refuse);
      server.on('error', ({ code = '' }: NodeJS.ErrnoException) => onError(code));
      const address = server.address();
      resolve(typeof address === 'object' && address !== null ? address.port : port);
    });
  });
}
