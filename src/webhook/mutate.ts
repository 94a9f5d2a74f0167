import { createServer, type Server } from 'node:https';
import Fastify, { type FastifyReply, type FastifyRequest } from 'fastify';
import { KsealError } from '../errors.ts';
import { MAX_REVIEW_OCTETS } from './admission.ts';
import type { Posted } from './answer.ts';
import { bodiesUnderWay, refuseEncoded } from './bodies.ts';
import { type Admitted, admittedTo, type Clients, checkClients, tlsOptions } from './clients.ts';
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
    const octets = body instanceof Uint8Array ? body : new Uint8Array();
    const text = await options.answer({ body: octets, timeout, begun });
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
