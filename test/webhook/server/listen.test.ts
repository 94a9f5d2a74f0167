import { createServer } from 'node:net';
import { expect, onTestFinished, test } from 'vitest';
import { listen } from '../../../src/webhook/server/serve.ts';

function server() {
  const made = createServer();
  onTestFinished(() => void made.close());
  return made;
}
const onError = () => {};

test('tells the port that was found for 0', async () => {
  const made = server();
  const port = await listen(made, { host: '127.0.0.1', port: 0, onError }, '--port');
  expect(made.address()).toMatchObject({ port, address: '127.0.0.1' });
});

test('without a host it listens on all addresses', async () => {
  const made = server();
  await listen(made, { host: undefined, port: 0, onError }, '--port');
  expect(made.address()).toMatchObject({ address: expect.stringMatching(/^(::|0\.0\.0\.0)$/) });
});

test('W31: a port in use', async () => {
  const port = await listen(server(), { host: undefined, port: 0, onError }, '--port');
  await expect(
    listen(server(), { host: undefined, port, onError }, '--port'),
  ).rejects.toMatchObject({
    code: 'USAGE',
    message: `cannot listen on port ${port}: the port is in use`,
    hint: 'choose another one with --port',
  });
});

test('W31: an address that is not of this machine', async () => {
  const host = '192.0.2.1';
  await expect(listen(server(), { host, port: 0, onError }, '--port')).rejects.toMatchObject({
    code: 'USAGE',
    message: `cannot listen on ${host}, port 0: this machine has no such address`,
    hint: 'choose another one with --host',
  });
});

test('W27: what goes wrong once it listens is told, and ends nothing', async () => {
  const made = server();
  const told: string[] = [];
  await listen(made, { host: '127.0.0.1', port: 0, onError: (code) => told.push(code) }, '--port');
  for (let i = 0; i < 2; i++) made.emit('error', Object.assign(new Error('x'), { code: 'EMFILE' }));
  expect(told).toEqual(['EMFILE', 'EMFILE']);
});
