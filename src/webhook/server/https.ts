import { constants } from 'node:crypto';
import { createServer, type Server } from 'node:https';
import type { Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import type { FastifyReply, FastifyRequest } from 'fastify';
import Fastify from 'fastify';
import { KsealError } from '../../errors.ts';
import { MAX_REVIEW_BYTES } from '../admission-review.ts';
import type { Posted } from './handler.ts';
import type { Log } from './log.ts';
import type { Metrics } from './metrics.ts';
import type { Times } from './settings.ts';
import type { TlsMaterial } from './tls.ts';

interface Clients {
  /** The accepted common names of client certificates; undefined: any client may call. */
  readonly clientNames: readonly string[] | undefined;
  readonly onRefusedClient: (client: RefusedClient) => void;
}

/** The facts about a failed connection that a log may contain. */
export interface RefusedClient {
  /** CLIENT_NAME, or the code of OpenSSL or Node, also of an alert that the client sent. */
  readonly code: string;
  readonly address?: string | undefined;
  /** The common name in a valid certificate. */
  readonly client?: string;
}

export interface MutateOptions extends Clients {
  readonly tls: TlsMaterial;
  readonly answer: (posted: Posted) => Promise<string>;
  /** Whether each connection ends with its next answer. */
  readonly isDraining: () => boolean;
  readonly times: Times;
}

export interface Mutate {
  readonly server: Server;
  /** Fulfilled when no request is being answered. */
  readonly idle: () => Promise<void>;
  /** Uses these TLS files for new connections. If the client CA changed, the old ones end. */
  readonly use: (tls: TlsMaterial) => void;
}

const MAX_CONNECTIONS = 1000;

/** The HTTPS server for `POST /mutate` and nothing else. It does not listen yet. */
export async function mutateServer(options: MutateOptions): Promise<Mutate> {
  const app = Fastify<Server>({
    serverFactory: (handler) => createServer(serverOptions(options), handler),
    bodyLimit: MAX_REVIEW_BYTES,
    // The server still answers while it drains.
    return503OnClosing: false,
    routerOptions: { ignoreTrailingSlash: false },
    frameworkErrors: sendError,
  });
  app.server.maxConnections = MAX_CONNECTIONS;
  app.server.setTimeout(options.times.stalled);
  checkClients(app.server, options);
  app.removeAllContentTypeParsers();
  app.addContentTypeParser(
    'application/json',
    { parseAs: 'buffer' },
    async (_: unknown, body: Buffer) => body,
  );
  const pending = pendingRequests();
  const admitted = admittedTo(app.server);
  app.addHook('onRequest', async ({ raw }, reply) => {
    if (!admitted.has(raw.socket)) return reply.code(403).send({ error: 'connect again' });
  });
  app.addHook('onRequest', refuseEncoded);
  app.addHook('onRequest', pending.admit);
  app.addHook('onSend', async ({ raw }, reply) => {
    if (options.isDraining() || !admitted.has(raw.socket)) reply.header('connection', 'close');
  });
  app.addHook('onResponse', async ({ raw }) => {
    // The rest of a refused body is not read.
    if (!raw.complete) raw.destroy();
  });
  app.setErrorHandler(sendError);
  app.setNotFoundHandler((_, reply) =>
    reply.code(404).send({ error: 'only POST /mutate is served' }),
  );
  app.post<{ Querystring: { timeout?: unknown } }>('/mutate', async ({ body, query }, reply) => {
    const timeout = typeof query.timeout === 'string' ? query.timeout : undefined;
    const begun = performance.now() - reply.elapsedTime;
    const bytes = body instanceof Uint8Array ? body : new Uint8Array();
    const text = await options.answer({ body: bytes, timeout, begun });
    return reply.type('application/json').send(text);
  });
  await app.ready();
  return { server: app.server, idle: pending.none, use: reloading(app.server, admitted, options) };
}

function serverOptions({ tls, times, ...clients }: MutateOptions) {
  return {
    handshakeTimeout: times.handshake,
    headersTimeout: times.headers,
    requestTimeout: times.request,
    keepAliveTimeout: times.idle,
    connectionsCheckingInterval: times.check,
    ...tlsOptions(tls, clients),
  };
}

/** Without session tickets, because a resumed session would skip the check of the client. */
function tlsOptions({ cert, key, ca }: TlsMaterial, { clientNames }: Clients) {
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

/** A connection must not outlive the CA that authenticated it. */
function reloading(server: Server, admitted: Admitted, options: MutateOptions) {
  let { ca } = options.tls;
  return (tls: TlsMaterial) => {
    server.setSecureContext(tlsOptions(tls, options));
    if (ca === undefined || tls.ca?.equals(ca)) return;
    ca = tls.ca;
    admitted.forget();
    // Handshakes in progress still end under the old CA.
    setTimeout(admitted.forget, options.times.handshake).unref();
  };
}

/** The connections that the current client CA authenticated. */
interface Admitted {
  has(socket: Socket): boolean;
  /** Forgets all connections, and ends those without a request. */
  forget(): void;
}

function admittedTo(server: Server): Admitted {
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

/** Ends connections with a valid certificate but another name before anything is read from them. */
function checkClients(server: Server, { clientNames, onRefusedClient }: Clients): void {
  server.on('tlsClientError', (error: NodeJS.ErrnoException, socket) => {
    // The only detail that Node gives about an untrusted certificate.
    const reason: unknown = socket.authorizationError ?? error.code;
    onRefusedClient({ code: `${reason ?? 'TLS'}`, address: socket.remoteAddress });
  });
  if (clientNames === undefined) return;
  server.prependListener('secureConnection', (socket: TLSSocket) => {
    // An array if the subject has several common names, undefined if it is empty.
    const name: unknown = socket.getPeerCertificate().subject?.CN;
    if (socket.authorized && typeof name === 'string' && clientNames.includes(name)) return;
    onRefusedClient({ code: 'CLIENT_NAME', address: socket.remoteAddress, client: `${name}` });
    socket.destroy();
  });
}

const MINUTE = 60_000;

const OURS =
  'a client refused the serving certificate: it must be valid, name the Service, and be signed by the CA in caBundle of the MutatingWebhookConfiguration';

/** The alerts of a client that does not accept our certificate (RFC 8446 §6.2), as OpenSSL names them. */
const untrusted =
  /_ALERT_(?:UNKNOWN_CA|(?:BAD|UNSUPPORTED)_CERTIFICATE|CERTIFICATE_(?:EXPIRED|REVOKED|UNKNOWN))$/;

/**
 * Counts refused clients, and clients that refused our certificate, and logs one per minute and
 * reason: an administrator needs the reason, but anyone can connect. `now` returns milliseconds.
 */
export function refusedClients(
  {
    log,
    metrics,
  }: {
    readonly log: Log;
    readonly metrics: Pick<Metrics, 'refusedClients' | 'certificateRefusals'>;
  },
  now = () => performance.now(),
): (client: RefusedClient) => void {
  const logged = new Map<string, number>();
  return (client) => {
    const isOurs = untrusted.test(client.code);
    metrics[isOurs ? 'certificateRefusals' : 'refusedClients'].inc();
    const isRecent = (logged.get(client.code) ?? Number.NEGATIVE_INFINITY) > now() - MINUTE;
    // Port scanners just disconnect.
    if (isRecent || client.code === 'ECONNRESET') return;
    logged.set(client.code, now());
    if (isOurs) log.write('error', OURS, { ...client });
    else log.write('warn', 'refused a client', { ...client });
  };
}

type Hook = (request: FastifyRequest, reply: FastifyReply) => Promise<unknown>;

const refuseEncoded: Hook = async ({ headers }, reply) => {
  if ((headers['content-encoding'] ?? 'identity') === 'identity') return;
  return reply.code(415).send({ error: 'content encodings are not supported' });
};

/** The bodies of all pending requests may add up to this; a 503 for the rest bounds memory. */
const MAX_PENDING_BYTES = 64 * 1024 * 1024;
/** A request counts for at least this, because of its connection and its review. */
const MIN_REQUEST_BYTES = 32 * 1024;

interface Pending {
  /** Counts a request until it is answered, or refuses it before its body is read. */
  readonly admit: Hook;
  /** Fulfilled when no request is pending. */
  readonly none: () => Promise<void>;
}

/** Counts requests by their Content-Length, and those without one by the maximum. */
function pendingRequests(): Pending {
  let bytes = 0;
  let waiting: (() => void)[] = [];
  const leave = (weight: number) => {
    bytes -= weight;
    if (bytes > 0) return;
    for (const resolve of waiting) resolve();
    waiting = [];
  };
  return {
    async admit({ headers }, reply) {
      const length = Number(headers['content-length'] ?? MAX_REVIEW_BYTES);
      if (length > MAX_REVIEW_BYTES) {
        return reply.code(413).send({ error: 'the body is too large' });
      }
      const weight = Math.max(length, MIN_REQUEST_BYTES);
      if (bytes + weight > MAX_PENDING_BYTES) {
        return reply
          .code(503)
          .header('retry-after', 1)
          .send({ error: 'too many requests at once' });
      }
      bytes += weight;
      reply.raw.once('close', () => leave(weight));
    },
    none: async () => {
      if (bytes > 0) await new Promise<void>((resolve) => waiting.push(resolve));
    },
  };
}

/** Neither the messages of kseal nor those of Node quote a request. */
function sendError(error: Error & { statusCode?: number }, _: FastifyRequest, reply: FastifyReply) {
  if (error instanceof KsealError) return reply.code(400).send({ error: error.message });
  const status = error.statusCode ?? 500;
  return reply.code(status).send({ error: status < 500 ? 'bad request' : 'a bug in kseal' });
}
