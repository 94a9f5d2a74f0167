import { once } from 'node:events';
import { createServer } from 'node:https';
import { type AddressInfo, connect } from 'node:net';
import { expect, onTestFinished, test, vi } from 'vitest';
import { drain, twoSignals } from '../../../src/webhook/server/serve.ts';

const never = new Promise<string>(() => {});
const idle = () => new Promise<void>(() => {});

test('tells the first signal, the second, and no more once it is stopped', async () => {
  let tell = (_: string) => {};
  const stop = vi.fn();
  const signals = twoSignals((listener) => {
    tell = listener;
    return stop;
  });
  tell('SIGTERM');
  tell('SIGINT');
  tell('SIGTERM');
  expect(await Promise.all([signals.first, signals.second])).toEqual(['SIGTERM', 'SIGINT']);
  signals.stop();
  expect(stop).toHaveBeenCalledOnce();
});

async function listening() {
  const server = createServer().listen(0, '127.0.0.1');
  onTestFinished(() => void server.close());
  await once(server, 'listening');
  return server;
}

test('W30: goes on listening, then closes, and returns when it is closed', async () => {
  const server = await listening();
  const seen: boolean[] = [];
  const ended = drain({ server, idle }, { second: never }, { serving: 50, lastAnswers: 60_000 });
  seen.push(server.listening);
  await ended;
  seen.push(server.listening);
  expect(seen).toEqual([true, false]);
});

test('W30: waits for answers no longer than it may', async () => {
  const server = await listening();
  vi.spyOn(server, 'close').mockImplementation(() => server);
  await drain({ server, idle }, { second: never }, { serving: 0, lastAnswers: 20 });
  vi.restoreAllMocks();
});

test('W30: does not wait for connections on which nothing was ever asked', async () => {
  const server = await listening();
  const { port } = server.address() as AddressInfo;
  const socket = connect(port, '127.0.0.1');
  onTestFinished(() => void socket.destroy());
  await once(server, 'connection');
  const asked = vi.fn(async () => {});
  const draining = { serving: 0, lastAnswers: 60_000 };
  await drain({ server, idle: asked }, { second: never }, draining);
  expect(asked).toHaveBeenCalledTimes(2);
});

test.each([
  ['while it still serves', { serving: 60_000, lastAnswers: 60_000 }],
  ['while it waits for answers', { serving: 0, lastAnswers: 60_000 }],
])('W30: a second signal %s ends it at once', async (_, draining) => {
  const server = await listening();
  vi.spyOn(server, 'close').mockImplementation(() => server);
  const second = new Promise<string>((resolve) => setTimeout(resolve, 20, 'SIGINT'));
  await expect(drain({ server, idle }, { second }, draining)).rejects.toMatchObject({
    code: 'INTERRUPTED',
  });
  vi.restoreAllMocks();
});
