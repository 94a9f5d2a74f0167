import { expect, test } from 'vitest';
import { refusedClients } from '../../../src/webhook/server/https.ts';
import { createMetrics } from '../../../src/webhook/server/metrics.ts';
import { valueIn } from './served.ts';

function watched() {
  const metrics = createMetrics();
  const lines: unknown[][] = [];
  const clock = { now: 0 };
  const log = { write: (...line: unknown[]) => void lines.push(line) };
  const refuse = refusedClients({ log, metrics }, () => clock.now);
  const counted = async () =>
    valueIn(await metrics.registry.metrics(), 'kseal_refused_clients_total');
  return { refuse, lines, clock, counted };
}

test('each is counted; of a kind of them one is told, and one more a minute later', async () => {
  const { refuse, lines, clock, counted } = watched();
  const stranger = { code: 'CLIENT_NAME', address: '10.0.0.1', client: 'kubelet' };
  refuse(stranger);
  refuse({ ...stranger, client: 'another' });
  refuse({ code: 'ERR_SSL_TLSV1_ALERT_UNKNOWN_CA', address: '10.0.0.2' });
  expect(await counted()).toBe(3);
  expect(lines).toEqual([
    ['warn', 'a client is refused', stranger],
    [
      'warn',
      'a client is refused',
      { code: 'ERR_SSL_TLSV1_ALERT_UNKNOWN_CA', address: '10.0.0.2' },
    ],
  ]);
  clock.now = 60_000;
  refuse(stranger);
  refuse(stranger);
  expect(lines).toHaveLength(3);
});

test('who went away before anything was said is counted, and no more: port scanners do', async () => {
  const { refuse, lines, counted } = watched();
  refuse({ code: 'ECONNRESET' });
  expect(await counted()).toBe(1);
  expect(lines).toEqual([]);
});
