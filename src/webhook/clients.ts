import { constants } from 'node:crypto';
import type { Server } from 'node:https';
import type { Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import type { TlsMaterial } from './tls.ts';

export interface Clients {
  /** The common names of client certificates that may call; without them anybody may. */
  readonly clientNames: readonly string[] | undefined;
  readonly onRefusedClient: (client: RefusedClient) => void;
}

/** Who was refused, as far as a log may tell. */
export interface RefusedClient {
  /** CLIENT_NAME, or what OpenSSL or Node call it. */
  readonly code: string;
  readonly address?: string | undefined;
  /** The common name in a certificate that was sound. */
  readonly client?: string;
}

/** The TLS settings, which a reload sets anew; a resumed session would skip the look at a client. */
export function tlsOptions({ cert, key, ca }: TlsMaterial, { clientNames }: Clients) {
  const isChecked = clientNames !== undefined;
  return {
    cert,
    key,
    ...(isChecked && ca !== undefined ? { ca } : {}),
    minVersion: 'TLSv1.2' as const,
    secureOptions: constants.SSL_OP_NO_TICKET,
    requestCert: isChecked,
    rejectUnauthorized: isChecked,
  };
}

/** Ends what the handshake lets pass although its name is not one of ours, before it is read. */
export function checkClients(server: Server, { clientNames, onRefusedClient }: Clients): void {
  server.on('tlsClientError', (error: NodeJS.ErrnoException, socket) => {
    // Of a certificate that is not trusted this is all that is told.
    const reason: unknown = socket.authorizationError ?? error.code;
    onRefusedClient({ code: `${reason ?? 'TLS'}`, address: socket.remoteAddress });
  });
  if (clientNames === undefined) return;
  server.prependListener('secureConnection', (socket: TLSSocket) => {
    // Of a subject with several common names Node makes a list, of an empty one nothing.
    const name: unknown = socket.getPeerCertificate().subject?.CN;
    if (socket.authorized && typeof name === 'string' && clientNames.includes(name)) return;
    onRefusedClient({ code: 'CLIENT_NAME', address: socket.remoteAddress, client: `${name}` });
    socket.destroy();
  });
}

/** The connections that were let in under the authorities that are in use. */
export interface Admitted {
  has(socket: Socket): boolean;
  /** From now on there are none. Those that wait for a request are ended. */
  forget(): void;
}

export function admittedTo(server: Server): Admitted {
  let admitted = new WeakSet<Socket>();
  server.on('secureConnection', (socket) => admitted.add(socket));
  return {
    has: (socket) => admitted.has(socket),
    forget() {
      admitted = new WeakSet();
      server.closeIdleConnections();
    },
  };
}
