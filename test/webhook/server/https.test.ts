import { once } from 'node:events';
import type { RequestOptions } from 'node:https';
import type { TLSSocket } from 'node:tls';
import { gzipSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { eventually, gate } from '../common.ts';
import { post, readToEnd, tcpConnection, tlsConnection } from './https.ts';
import { type Mutating, startMutating } from './mutating.ts';

const MIB = 1024 * 1024;
const head = 'POST /mutate HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n';

function connectionsOf({ server }: Mutating): Promise<number> {
  return new Promise((resolve) => server.getConnections((_, count) => resolve(count)));
}

describe('requests', () => {
  const type = (name: string) => ({ headers: { 'content-type': name } });

  test.each([
    'application/json',
    'application/json; charset=utf-8',
    'application/json;charset=UTF-8',
    'Application/JSON',
  ])('the content type %s is accepted', async (name) => {
    const mutating = await startMutating();
    expect(await post(mutating, '{}', type(name))).toMatchObject({ status: 200, text: 'ok' });
  });

  test.each<[string, number, RequestOptions]>([
    ['text/plain', 415, type('text/plain')],
    ['no content type', 415, type('')],
    ['a form', 415, type('application/x-www-form-urlencoded')],
    ['application/jsonp', 415, type('application/jsonp')],
    ['gzip', 415, { headers: { 'content-encoding': 'gzip' } }],
    ['deflate', 415, { headers: { 'content-encoding': 'deflate' } }],
    ['br', 415, { headers: { 'content-encoding': 'br' } }],
    ['identity, gzip', 415, { headers: { 'content-encoding': 'identity, gzip' } }],
    ['GET', 404, { method: 'GET' }],
    ['PUT', 404, { method: 'PUT' }],
    ['another path', 404, { path: '/' }],
    ['a longer path', 404, { path: '/mutate/x' }],
    ['a trailing slash', 404, { path: '/mutate/' }],
    ['a path in another case', 404, { path: '/Mutate' }],
    ['the metrics', 404, { method: 'GET', path: '/metrics' }],
    ['a path that cannot be decoded', 400, { path: '/%zz' }],
  ])('%s: %i', async (_, status, sending) => {
    const mutating = await startMutating();
    // GET has no body.
    const answer = await post(mutating, sending.method === 'GET' ? '' : gzipSync('{}'), sending);
    expect(answer.status).toBe(status);
    expect(Object.keys(JSON.parse(answer.text))).toEqual(['error']);
    expect(mutating.posted).toEqual([]);
  });

  test('a duplicate timeout is ignored', async () => {
    const mutating = await startMutating();
    expect((await post(mutating, '{}', { path: '/mutate?timeout=5s&timeout=x' })).status).toBe(200);
    expect(mutating.posted[0]?.timeout).toBeUndefined();
  });

  test('an unexpected error is a 500 without its message', async () => {
    const answer = () => Promise.reject(new TypeError('CANARY-message'));
    const { status, text } = await post(await startMutating({ answer }), '{}');
    expect([status, text]).toEqual([500, '{"error":"a bug in kseal"}']);
  });
});

describe('bodies', () => {
  test('accepts a body of 6 MiB', async () => {
    const mutating = await startMutating();
    const body = Buffer.alloc(6 * MIB, ' ');
    expect(await post(mutating, body)).toMatchObject({ status: 200, text: 'ok' });
    expect(mutating.posted[0]?.body.length).toBe(6 * MIB);
  });

  test('refuses a body of 8 MiB with 413 before reading it', async () => {
    const mutating = await startMutating();
    const socket = await tlsConnection(mutating);
    socket.write(`${head}Content-Length: ${8 * MIB}\r\n\r\n`);
    expect(await readToEnd(socket)).toMatch(/^HTTP\/1\.1 413 /);
    expect(mutating.posted).toEqual([]);
  });

  test('cuts off an endless chunked body after 7 MiB', async () => {
    const mutating = await startMutating();
    const accepted = once(mutating.server, 'secureConnection');
    const socket = await tlsConnection(mutating);
    const [serverSocket]: TLSSocket[] = await accepted;
    const answer = readToEnd(socket);
    socket.write(`${head}Transfer-Encoding: chunked\r\n\r\n`);
    const chunk = Buffer.concat([
      Buffer.from('10000\r\n'),
      Buffer.alloc(65_536, ' '),
      Buffer.from('\r\n'),
    ]);
    await writeEndlessly(socket, chunk);
    expect(serverSocket?.bytesRead).toBeGreaterThan(7 * MIB);
    expect(serverSocket?.bytesRead).toBeLessThan(8 * MIB);
    expect(await answer).toMatch(/^(HTTP\/1\.1 413 |$)/);
    expect(mutating.posted).toEqual([]);
  });

  test('ignores bytes after Content-Length', async () => {
    const mutating = await startMutating();
    const socket = await tlsConnection(mutating);
    socket.write(`${head}Content-Length: 4\r\n\r\n1234 and something else\r\n\r\n`);
    expect(await readToEnd(socket)).toMatch(/HTTP\/1\.1 400 /);
    expect(mutating.posted.map(({ body }) => `${body}`)).toEqual(['1234']);
  });

  test.each([
    ['Content-Length: 4\r\nTransfer-Encoding: chunked'],
    ['Content-Length: 4\r\nContent-Length: 5'],
    ['Content-Length: -1'],
    ['Content-Length: 0x10'],
    ['Transfer-Encoding: gzip'],
  ])('refuses a body of ambiguous length: %s', async (fields) => {
    const mutating = await startMutating();
    const socket = await tlsConnection(mutating);
    socket.write(`${head}${fields}\r\n\r\n4\r\n1234\r\n0\r\n\r\n`);
    expect(await readToEnd(socket)).toMatch(/^HTTP\/1\.1 400 /);
    expect(mutating.posted).toEqual([]);
  });

  test('refuses bodies of more than 64 MiB in all with 503 until others are gone', async () => {
    const mutating = await startMutating();
    const open = async () => {
      const socket = await tlsConnection(mutating);
      socket.write(`${head}Content-Length: ${7 * MIB}\r\n\r\n{`);
      return socket;
    };
    const sockets = await Promise.all(Array.from({ length: 9 }, open));
    const body = Buffer.alloc(4 * MIB);
    await eventually(async () => expect((await post(mutating, body)).status).toBe(503));
    expect(await connectionsOf(mutating)).toBe(9);
    expect((await post(mutating, '{}')).status).toBe(200);
    for (const socket of sockets) socket.destroy();
    await eventually(async () => expect((await post(mutating, body)).status).toBe(200));
  });

  test('refuses a request with 503 while 2048 others are pending', async () => {
    const { promise, open } = gate();
    const mutating = await startMutating({ answer: () => promise.then(() => 'ok') });
    const socket = await tlsConnection(mutating);
    socket.write(`${head}Content-Length: 2\r\n\r\n{}`.repeat(2048));
    await eventually(() => expect(mutating.posted).toHaveLength(2048));
    expect(await post(mutating, '{}')).toMatchObject({
      status: 503,
      headers: { 'retry-after': '1' },
    });
    open();
    await eventually(async () => expect((await post(mutating, '{}')).status).toBe(200));
  });
});

/** Writes as fast as the other end reads until it closes the connection; returns the bytes written. */
async function writeEndlessly(socket: TLSSocket, piece: Buffer, most = 200 * MIB): Promise<number> {
  let written = 0;
  while (!socket.destroyed && socket.writable && written < most) {
    written += piece.length;
    if (!socket.write(piece)) {
      const ended = new AbortController();
      const { signal } = ended;
      const events = [once(socket, 'drain', { signal }), once(socket, 'close', { signal })];
      await Promise.race(events).catch(() => {});
      ended.abort();
      await Promise.allSettled(events);
    }
  }
  return written;
}

test('clients that leave during a body, an answer or the handshake do not disturb others', async () => {
  const { promise, open } = gate();
  const mutating = await startMutating({ answer: () => promise.then(() => 'ok'.repeat(MIB)) });
  const half = await tlsConnection(mutating);
  half.write(`${head}Content-Length: 100\r\n\r\n1234`);
  const whole = await tlsConnection(mutating);
  whole.write(`${head}Content-Length: 2\r\n\r\n{}`);
  const bare = await tcpConnection(mutating);
  bare.write(Buffer.from('160301', 'hex'));
  await eventually(() => expect(mutating.posted).toHaveLength(1));
  for (const socket of [half, whole, bare]) socket.destroy();
  open();
  const next = await post(mutating, '{}');
  expect([next.status, next.text.length]).toEqual([200, 2 * MIB]);
});

describe('slow clients', () => {
  const times = { headers: 150, request: 300, check: 20 };

  /** Sends one byte after the other until the connection ends. */
  async function drip(socket: TLSSocket, text: string): Promise<string> {
    const answer = readToEnd(socket);
    let sent = 0;
    const timer = setInterval(() => {
      socket.write(text[sent++ % text.length] ?? '');
    }, 20);
    return answer.finally(() => clearInterval(timer));
  }

  test('50 of them do not keep others from being served', async () => {
    const mutating = await startMutating();
    const slow = await Promise.all(Array.from({ length: 50 }, () => tlsConnection(mutating)));
    for (const socket of slow) socket.write(head);
    expect((await post(mutating, '{}')).status).toBe(200);
    expect(await connectionsOf(mutating)).toBeGreaterThanOrEqual(50);
  });

  test('a slow header ends the connection', async () => {
    const socket = await tlsConnection(await startMutating({ times }));
    const padding = `${head}X-Padding: ${'x'.repeat(100)}`;
    expect(await drip(socket, padding)).toMatch(/^(HTTP\/1\.1 408 |$)/);
  });

  test('a slow body ends the connection', async () => {
    const mutating = await startMutating({ times });
    const socket = await tlsConnection(mutating);
    socket.write(`${head}Content-Length: 1000\r\n\r\n`);
    // A byte that arrives as the server closes resets the connection, and the answer is lost.
    expect(await drip(socket, ' ')).toMatch(/^(HTTP\/1\.1 408 |$)/);
    expect(mutating.posted).toEqual([]);
  });

  test('an incomplete body gets 408', async () => {
    const mutating = await startMutating({ times });
    const socket = await tlsConnection(mutating);
    socket.write(`${head}Content-Length: 100\r\n\r\n1234`);
    expect(await readToEnd(socket)).toMatch(/^HTTP\/1\.1 408 /);
    expect(mutating.posted).toEqual([]);
  });

  test('a missing or incomplete handshake ends the connection', async () => {
    const mutating = await startMutating({ times: { handshake: 150 } });
    const [silent, begun] = await Promise.all([tcpConnection(mutating), tcpConnection(mutating)]);
    begun.write(Buffer.from('1603010200010001fc0303', 'hex'));
    expect(await Promise.all([readToEnd(silent), readToEnd(begun)])).toEqual(['', '']);
    await eventually(() => expect(mutating.refused).toHaveLength(2));
  });

  test('no request after the handshake ends the connection', async () => {
    const socket = await tlsConnection(await startMutating({ times }));
    expect(await readToEnd(socket)).toMatch(/^(HTTP\/1\.1 408 |$)/);
  });

  test('an answer that nobody reads ends the connection', async () => {
    let startLimit = () => {};
    const mutating = await startMutating({
      times: { stalled: 100 },
      answer: async () => {
        startLimit();
        return 'x'.repeat(32 * MIB);
      },
    });
    // However long the request takes to arrive, it does not miss the limit.
    mutating.server.on('secureConnection', (serverSocket) => {
      serverSocket.setTimeout(0);
      startLimit = () => void serverSocket.setTimeout(mutating.server.timeout);
    });
    const socket = await tlsConnection(mutating);
    socket.pause();
    socket.write(`${head}Content-Length: 2\r\n\r\n{}`);
    await eventually(() => expect(mutating.posted).toHaveLength(1));
    await eventually(async () => expect(await connectionsOf(mutating)).toBe(0));
  });

  test('an endless header gets 431', async () => {
    const socket = await tlsConnection(await startMutating());
    socket.write(`${head}X: ${'x'.repeat(20_000)}`);
    expect(await readToEnd(socket)).toMatch(/^HTTP\/1\.1 431 /);
  });
});
