import { createServer } from 'node:http';
import Fastify, { type FastifyInstance } from 'fastify';
import type { Metrics } from './metrics.ts';

const times = { headersTimeout: 5_000, requestTimeout: 5_000, connectionsCheckingInterval: 2_000 };

const MAX_CONNECTIONS = 100;

/**
 * Makes the server for the kubelet and for Prometheus, on plain HTTP since they show no client
 * certificate. `notReady` says why reviews should go elsewhere; undefined: they should not.
 */
export async function probeServer(
  metrics: Metrics,
  notReady: () => string | undefined,
): Promise<FastifyInstance> {
  const app = Fastify({ serverFactory: (handler) => createServer(times, handler) });
  app.server.maxConnections = MAX_CONNECTIONS;
  // Whether the process lives says nothing of the KMS: a restart would not bring that back.
  app.get('/livez', async () => 'ok\n');
  app.get('/readyz', async (_, reply) => {
    const reason = notReady();
    return reply.code(reason === undefined ? 200 : 503).send(`${reason ?? 'ok'}\n`);
  });
  app.get('/metrics', async (_, reply) => {
    const text = await metrics.registry.metrics();
    return reply.type(metrics.registry.contentType).send(text);
  });
  await app.ready();
  return app;
}
