import { createServer, type Server } from 'node:https';
import Fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify';
import { KsealError } from '../errors.ts';
import { MAX_REVIEW_OCTETS } from './admission.ts';
import type { Posted } from './answer.ts';
import { type Clients, checkClients, tlsOptions } from './clients.ts';
import type { Times } from './times.ts';
import type { TlsMaterial } from './tls.ts';

export interface MutateOptions extends Clients {
  readonly tls: TlsMaterial;
  readonly answer: (posted: Posted) => Promise<string>;
  /** Whether connections are to end with their next answer. */
  readonly isDraining: () => boolean;
  readonly times: Times;
}

const MAX_CONNECTIONS = 1000;
/** What the bodies that are under way may add up to; a 503 for the rest keeps memory bounded. */
const MAX_OCTETS_UNDER_WAY = 128 * 1024 * 1024;
/** What a request takes at least, with its connection and its review. */
const LEAST_OCTETS = 32 * 1024;

/** Makes the HTTPS server: `POST /mutate`, and nothing else. It does not listen yet. */
export async function mutateServer(options: MutateOptions): Promise<FastifyInstance<Server>> {
  const app = Fastify<Server>({
    serverFactory: (handler) => createServer(serverOptions(options), handler),
    bodyLimit: MAX_REVIEW_OCTETS,
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
    const weight = Math.max(length, LEAST_OCTETS);
    if (underWay + weight > MAX_OCTETS_UNDER_WAY) {
      return reply.code(503).header('retry-after', 1).send({ error: 'too much at once' });
    }
    underWay += weight;
    reply.raw.once('close', () => {
      underWay -= weight;
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
