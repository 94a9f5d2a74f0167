import { constants } from 'node:crypto';
import { createServer, type Server } from 'node:https';
import type { TLSSocket } from 'node:tls';
import Fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify';
import { KsealError } from '../errors.ts';
import { MAX_REVIEW_OCTETS } from './admission.ts';
import type { Posted } from './answer.ts';
import type { TlsMaterial } from './tls.ts';

export interface MutateOptions {
  readonly tls: TlsMaterial;
  /** The common names of client certificates that may call; without them anybody may. */
  readonly clientNames: readonly string[] | undefined;
  readonly answer: (posted: Posted) => Promise<string>;
  /** Whether connections are to end with their next answer. */
  readonly isDraining: () => boolean;
  readonly onRefusedClient: () => void;
}

/** What a connection may take, in milliseconds. The API server itself keeps an idle one for 90 s. */
const times = {
  handshakeTimeout: 10_000,
  headersTimeout: 10_000,
  requestTimeout: 20_000,
  keepAliveTimeout: 120_000,
  connectionsCheckingInterval: 2_000,
};

const MAX_CONNECTIONS = 1000;
/** What the bodies that are under way may add up to; a 503 for the rest keeps memory bounded. */
const MAX_OCTETS_UNDER_WAY = 128 * 1024 * 1024;

/** Makes the HTTPS server: `POST /mutate`, and nothing else. It does not listen yet. */
export async function mutateServer(options: MutateOptions): Promise<FastifyInstance<Server>> {
  const app = Fastify<Server>({
    serverFactory: (handler) => createServer({ ...times, ...tlsOptions(options) }, handler),
    bodyLimit: MAX_REVIEW_OCTETS,
    requestTimeout: times.requestTimeout,
    keepAliveTimeout: times.keepAliveTimeout,
    // While it drains it still answers.
    return503OnClosing: false,
    routerOptions: { ignoreTrailingSlash: false },
    frameworkErrors: sendError,
  });
  app.server.maxConnections = MAX_CONNECTIONS;
  checkClients(app.server, options);
  app.removeAllContentTypeParsers();
  app.addContentTypeParser(
    'application/json',
    { parseAs: 'buffer' },
    async (_: unknown, body: Buffer) => body,
  );
  app.addHook('onRequest', refuseEncoded);
  app.addHook('onRequest', boundOctets());
  app.addHook('onSend', async (_, reply) => {
    if (options.isDraining()) reply.header('connection', 'close');
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
    const octets = body instanceof Uint8Array ? body : new Uint8Array();
    const text = await options.answer({ body: octets, timeout, begun });
    return reply.type('application/json').send(text);
  });
  await app.ready();
  return app;
}

/** The TLS settings, which a reload sets anew; a resumed session would skip the look at a client. */
export function tlsOptions({ tls, clientNames }: Pick<MutateOptions, 'tls' | 'clientNames'>) {
  const { cert, key, ca } = tls;
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
function checkClients(server: Server, { clientNames, onRefusedClient }: MutateOptions): void {
  server.on('tlsClientError', onRefusedClient);
  if (clientNames === undefined) return;
  server.prependListener('secureConnection', (socket: TLSSocket) => {
    const { subject } = socket.getPeerCertificate();
    if (socket.authorized && clientNames.includes(String(subject?.CN))) return;
    onRefusedClient();
    socket.destroy();
  });
}

async function refuseEncoded(request: FastifyRequest, reply: FastifyReply): Promise<unknown> {
  const encoding = request.headers['content-encoding'] ?? 'identity';
  if (encoding === 'identity') return;
  return reply.code(415).send({ error: 'the body must not be encoded' });
}

/** Counts a body as long as it says it is, and one that does not say as the longest there may be. */
function boundOctets() {
  let underWay = 0;
  return async ({ headers }: FastifyRequest, reply: FastifyReply): Promise<unknown> => {
    const length = Number(headers['content-length'] ?? MAX_REVIEW_OCTETS);
    if (length > MAX_REVIEW_OCTETS) return reply.code(413).send({ error: 'the body is too large' });
    if (underWay + length > MAX_OCTETS_UNDER_WAY) {
      return reply.code(503).header('retry-after', 1).send({ error: 'too much at once' });
    }
    underWay += length;
    reply.raw.once('close', () => {
      underWay -= length;
    });
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
