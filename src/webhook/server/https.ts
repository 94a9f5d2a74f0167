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

export interface MutateOptions extends Clients {
  readonly tls: TlsMaterial;
  readonly answer: (posted: Posted) => Promise<string>;
  /** Whether connections are to end with their next answer. */
  readonly isDraining: () => boolean;
  readonly times: Times;
}

const MAX_CONNECTIONS = 1000;

export interface Mutate {
  readonly server: Server;
  /** Fulfilled as soon as no request is under way. */
  readonly idle: () => Promise<void>;
  /** Has new connections use other TLS files. Under other authorities the old ones end. */
  readonly use: (tls: TlsMaterial) => void;
}

/** Makes the HTTPS server: `POST /mutate`, and nothing else. It does not listen yet. */
export async function mutateServer(options: MutateOptions): Promise<Mutate> {
  const app = Fastify<Server>({
    serverFactory: (handler) => createServer(serverOptions(options), handler),
    bodyLimit: MAX_REVIEW_BYTES,
    // While it drains it still answers.
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
  const bodies = bodiesUnderWay();
  const admitted = admittedTo(app.server);
  app.addHook('onRequest', async ({ raw }, reply) => {
    if (!admitted.has(raw.socket)) return reply.code(403).send({ error: 'connect anew' });
  });
  app.addHook('onRequest', refuseEncoded);
  app.addHook('onRequest', bodies.admit);
  app.addHook('onSend', async ({ raw }, reply) => {
    if (options.isDraining() || !admitted.has(raw.socket)) reply.header('connection', 'close');
  });
  app.addHook('onResponse', async ({ raw }) => {
    // Whoever still sends a body that was refused is not listened to any longer.
    if (!raw.complete) raw.destroy();
  });
  app.setErrorHandler(sendError);
  app.setNotFoundHandler((_, reply) =>
    reply.code(404).send({ error: 'only POST /mutate is here' }),
  );
  app.post<{ Querystring: { timeout?: unknown } }>('/mutate', async ({ body, query }, reply) => {
    const timeout = typeof query.timeout === 'string' ? query.timeout : undefined;
    const begun = performance.now() - reply.elapsedTime;
    const bytes = body instanceof Uint8Array ? body : new Uint8Array();
    const text = await options.answer({ body: bytes, timeout, begun });
    return reply.type('application/json').send(text);
  });
  await app.ready();
  return { server: app.server, idle: bodies.none, use: reloading(app.server, admitted, options) };
}

/** Who was let in by an authority that is gone would else be let in for as long as he asks. */
function reloading(server: Server, admitted: Admitted, options: MutateOptions) {
  let { ca } = options.tls;
  return (tls: TlsMaterial) => {
    server.setSecureContext(tlsOptions(tls, options));
    if (ca === undefined || tls.ca?.equals(ca)) return;
    ca = tls.ca;
    admitted.forget();
    // Handshakes that had begun by now end under the authorities of before.
    setTimeout(admitted.forget, options.times.handshake).unref();
  };
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

/** Neither kseal's words nor Node's quote a request. */
function sendError(error: Error & { statusCode?: number }, _: FastifyRequest, reply: FastifyReply) {
  if (error instanceof KsealError) return reply.code(400).send({ error: error.message });
  const status = error.statusCode ?? 500;
  return reply
    .code(status)
    .send({ error: status < 500 ? 'the request is refused' : 'a bug in kseal' });
}

interface Clients {
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

/** Ends what the handshake lets pass although its name is not one of ours, before it is read. */
function checkClients(server: Server, { clientNames, onRefusedClient }: Clients): void {
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
interface Admitted {
  has(socket: Socket): boolean;
  /** From now on there are none. Those that wait for a request are ended. */
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

/** What the bodies that are under way may add up to; a 503 for the rest keeps memory bounded. */
const MAX_BYTES_UNDER_WAY = 64 * 1024 * 1024;
/** What a request counts for at least, with its connection and its review. */
const LEAST_BYTES = 32 * 1024;

type Hook = (request: FastifyRequest, reply: FastifyReply) => Promise<unknown>;

/** The requests that are under way. */
interface Bodies {
  /** Lets a request in, until its answer is given, or refuses it before its body is read. */
  readonly admit: Hook;
  /** Fulfilled as soon as none is under way. */
  readonly none: () => Promise<void>;
}

/** Counts a body as long as it says it is, and one that does not say as the longest there may be. */
function bodiesUnderWay(): Bodies {
  let bytes = 0;
  let waiting: (() => void)[] = [];
  const leave = (weight: number) => {
    bytes -= weight;
    if (bytes > 0) return;
    for (const tell of waiting) tell();
    waiting = [];
  };
  return {
    async admit({ headers }, reply) {
      const length = Number(headers['content-length'] ?? MAX_REVIEW_BYTES);
      if (length > MAX_REVIEW_BYTES) {
        return reply.code(413).send({ error: 'the body is too large' });
      }
      const weight = Math.max(length, LEAST_BYTES);
      if (bytes + weight > MAX_BYTES_UNDER_WAY) {
        return reply.code(503).header('retry-after', 1).send({ error: 'too much at once' });
      }
      bytes += weight;
      reply.raw.once('close', () => leave(weight));
    },
    none: async () => {
      if (bytes > 0) await new Promise<void>((tell) => waiting.push(tell));
    },
  };
}

const refuseEncoded: Hook = async ({ headers }, reply) => {
  if ((headers['content-encoding'] ?? 'identity') === 'identity') return;
  return reply.code(415).send({ error: 'the body must not be encoded' });
};

const MINUTE = 60_000;

/**
 * Counts the clients that are refused, and tells why: whoever set up the API server or the
 * certificates looks for it in this log. Of each reason one is told a minute, for anybody may
 * knock. `now` gives milliseconds.
 */
export function refusedClients(
  { log, metrics }: { readonly log: Log; readonly metrics: Pick<Metrics, 'refusedClients'> },
  now = () => performance.now(),
): (client: RefusedClient) => void {
  const told = new Map<string, number>();
  return (client) => {
    metrics.refusedClients.inc();
    const isTold = (told.get(client.code) ?? Number.NEGATIVE_INFINITY) > now() - MINUTE;
    // Who only tries whether the port is open goes away without a word.
    if (isTold || client.code === 'ECONNRESET') return;
    told.set(client.code, now());
    log.write('warn', 'a client is refused', { ...client });
  };
}
