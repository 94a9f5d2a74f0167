import { createServer } from 'node:http';
import type { FastifyInstance } from 'fastify';
import Fastify from 'fastify';
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';

/** How a review, or a question to a key, ended. */
export type ReviewResult = 'untouched' | 'opened' | 'denied' | 'late' | 'failed' | 'invalid';

export type Metrics = ReturnType<typeof createMetrics>;

/** What is counted. No label has a name out of a request: there would be no end of them. */
export function createMetrics() {
  const registers = [new Registry()];
  const [registry] = registers as [Registry];
  collectDefaultMetrics({ register: registry });
  const counter = <L extends string>(name: string, help: string, labelNames: L[]) =>
    new Counter({ name, help, labelNames, registers });
  const gauge = (name: string, help: string) => new Gauge({ name, help, registers });
  return {
    registry,
    reviews: counter('kseal_reviews_total', 'Reviews answered, by result', ['result']),
    valuesOpened: counter('kseal_values_opened_total', 'Sealed values opened', []),
    refusals: counter('kseal_refusals_total', 'Sealed values refused, by error code', ['code']),
    reviewSeconds: new Histogram({
      name: 'kseal_review_duration_seconds',
      help: 'From the beginning of a request to its answer',
      buckets: [0.01, 0.03, 0.1, 0.3, 1, 3, 10],
      registers,
    }),
    inFlight: gauge('kseal_reviews_in_flight', 'Requests that have no answer yet'),
    keySeconds: new Histogram({
      name: 'kseal_key_request_duration_seconds',
      help: 'One question to a key (with a KMS: to the KMS, with its retries), by outcome',
      labelNames: ['outcome'] as const,
      buckets: [0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 10],
      registers,
    }),
    cacheHits: counter(
      'kseal_memo_hits_total',
      'Values answered from the cache, with no question',
      [],
    ),
    keys: gauge('kseal_keys', 'Keys that open'),
    keyRefreshFailures: counter(
      'kseal_key_refresh_failures_total',
      'References of keys that could not be read when it was time to',
      [],
    ),
    certificateExpiry: gauge(
      'kseal_certificate_expiry_timestamp_seconds',
      'When the serving certificate expires, in seconds since 1970',
    ),
    certificateReloads: counter(
      'kseal_certificate_reloads_total',
      'Changes of the TLS files, by result; the old pair stays after a failure',
      ['result'],
    ),
    clientAuthentication: gauge(
      'kseal_client_authentication',
      '1 where clients must show a certificate, 0 where anybody may call',
    ),
    refusedClients: counter(
      'kseal_refused_clients_total',
      'Connections refused: no TLS, no client certificate, or not a right one',
      [],
    ),
    uncaught: counter('kseal_uncaught_errors_total', 'Bugs in kseal that nothing caught', []),
  };
}

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
