import { once } from 'node:events';
import { connect } from 'node:net';
import { expect, onTestFinished, test } from 'vitest';
import { createMetrics, probeServer } from '../../../src/webhook/server/metrics.ts';
import { listen } from '../../../src/webhook/server/serve.ts';
import { readToEnd } from './https.ts';

async function probing(notReady: () => string | undefined = () => undefined) {
  const metrics = createMetrics();
  const { server } = await probeServer(metrics, notReady);
  onTestFinished(() => {
    server.close();
    server.closeAllConnections();
  });
  const port = await listen(server, { host: '127.0.0.1', port: 0, onError: () => {} }, '--port');
  const page = async (path: string, method = 'GET') => {
    const answer = await fetch(`http://127.0.0.1:${port}${path}`, { method });
    return {
      status: answer.status,
      type: answer.headers.get('content-type'),
      text: await answer.text(),
    };
  };
  return { metrics, page, port };
}

test('/livez is always ok, and /readyz gives the reason if it is not', async () => {
  let reason: string | undefined = 'draining';
  const { page } = await probing(() => reason);
  expect(await page('/livez')).toMatchObject({ status: 200, text: 'ok\n' });
  expect(await page('/readyz')).toMatchObject({ status: 503, text: 'draining\n' });
  reason = undefined;
  expect(await page('/readyz')).toMatchObject({ status: 200, text: 'ok\n' });
});

test('/metrics has the metrics of kseal and the process in the Prometheus text format', async () => {
  const { metrics, page } = await probing();
  metrics.reviews.inc({ result: 'opened' });
  const { status, type, text } = await page('/metrics');
  expect([status, type]).toEqual([200, expect.stringMatching(/^text\/plain; version=0\.0\.4/)]);
  expect(text).toMatch(/^kseal_reviews_total\{result="opened"\} 1$/m);
  expect(text).toMatch(/^process_resident_memory_bytes \d+$/m);
  // Labels with names from requests would be unlimited.
  const labels = new Set([...text.matchAll(/^kseal_.*?\{(\w+)=/gm)].map(([, label]) => label));
  expect(
    [...labels].filter((label) => !['result', 'code', 'outcome', 'le'].includes(label ?? '')),
  ).toEqual([]);
});

test('other paths are not found', async () => {
  const { page } = await probing();
  for (const path of ['/', '/mutate', '/debug', '/metrics/x', '/livez/..%2fmutate']) {
    expect((await page(path)).status).toBe(404);
    expect((await page(path, 'POST')).status).toBe(404);
  }
});

test('an endless header gets 431', async () => {
  const { port } = await probing();
  const socket = connect(port, '127.0.0.1');
  await once(socket, 'connect');
  socket.write(`GET /livez HTTP/1.1\r\nHost: x\r\nX: ${'x'.repeat(20_000)}`);
  expect(await readToEnd(socket)).toMatch(/^HTTP\/1\.1 431 /);
});
