import { createServer } from 'node:http';
import type { FastifyInstance } from 'fastify';
import Fastify from 'fastify';
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';

/** How a review ended; `unopened`: allowed, although a stored value stays sealed. */
export type ReviewResult =
  | 'untouched'
  | 'opened'
  | 'unopened'
  | 'denied'
  | 'late'
  | 'failed'
  | 'invalid';

export type Metrics = ReturnType<typeof createMetrics>;

/** The metrics of the server. No label takes names from requests, because these are unlimited. */
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
      help: 'Time from the start of a request to its answer, in seconds',
      buckets: [0.01, 0.03, 0.1, 0.3, 1, 3, 10],
      registers,
    }),
    inFlight: gauge('kseal_reviews_in_flight', 'Reviews that are being answered'),
    keySeconds: new Histogram({
      name: 'kseal_key_request_duration_seconds',
      help: 'Time of one decryption by a key, including retries of a KMS call, in seconds, by outcome',
      labelNames: ['outcome'] as const,
      buckets: [0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 10],
      registers,
    }),
    cacheHits: counter(
      'kseal_memo_hits_total',
      'Values answered from the cache without asking a key',
      [],
    ),
    keys: gauge('kseal_keys', 'Keys that can open values'),
    keyRefreshFailures: counter(
      'kseal_key_refresh_failures_total',
      'Failed attempts to read a key reference',
      [],
    ),
    certificateExpiry: gauge(
      'kseal_certificate_expiry_timestamp_seconds',
      'Expiry of the serving certificate, in seconds since 1970',
    ),
    certificateReloads: counter(
      'kseal_certificate_reloads_total',
      'Reloads of changed TLS files, by result; after a failure the old files stay in use',
      ['result'],
    ),
    clientAuthentication: gauge(
      'kseal_client_authentication',
      '1 if clients must present a certificate, 0 if anyone may call',
    ),
    refusedClients: counter(
      'kseal_refused_clients_total',
      'Connections refused because TLS or an accepted client certificate is missing',
      [],
    ),
    certificateRefusals: counter(
      'kseal_certificate_refusals_total',
      'Connections that the client ended because it does not accept the serving certificate',
      [],
    ),
    uncaught: counter(
      'kseal_uncaught_errors_total',
      'Uncaught errors, each of them a bug in kseal',
      [],
    ),
  };
}

const timeouts = {
  headersTimeout: 5_000,
  requestTimeout: 5_000,
  connectionsCheckingInterval: 2_000,
};

const MAX_CONNECTIONS = 100;

/**
 * The server for the kubelet and Prometheus, on plain HTTP because they present no client
 * certificate. `notReady` returns why reviews should go to another pod; undefined if ready.
 */
export async function probeServer(
  metrics: Metrics,
  notReady: () => string | undefined,
): Promise<FastifyInstance> {
  const app = Fastify({ serverFactory: (handler) => createServer(timeouts, handler) });
  app.server.maxConnections = MAX_CONNECTIONS;
  // Does not depend on the KMS, because a restart would not bring that back.
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
