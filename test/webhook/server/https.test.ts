import { once } from 'node:events';
import type { TLSSocket } from 'node:tls';
import { gzipSync } from 'node:zlib';
import { describe, expect, test, vi } from 'vitest';
import { keepingAgent, post, readToEnd, tcpConnection, tlsConnection } from './https.ts';
import { gate, type Mutating, startMutating } from './mutating.ts';

const MIB = 1024 * 1024;
const head = 'POST /mutate HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n';

function connectionsOf({ server }: Mutating): Promise<number> {
  return new Promise((resolve) => server.getConnections((_, count) => resolve(count)));
}

/** Writes as fast as the other end reads, until it has had enough; returns how much it took. */
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

describe('W14: bodies', () => {
  test('6 MiB are served', async () => {
    const mutating = await startMutating();
    const body = Buffer.alloc(6 * MIB, ' ');
    expect(await post(mutating, body)).toMatchObject({ status: 200, text: 'ok' });
    expect(mutating.posted[0]?.body.length).toBe(6 * MIB);
  });

  test('8 MiB that are announced: 413 before any of it is read, and the connection ends', async () => {
    const mutating = await startMutating();
    const socket = await tlsConnection(mutating);
    socket.write(`${head}Content-Length: ${8 * MIB}\r\n\r\n`);
    expect(await readToEnd(socket)).toMatch(/^HTTP\/1\.1 413 /);
    expect(mutating.posted).toEqual([]);
  });

  test('a chunked body without an end: 413 or cut, after 7 MiB and what the way holds', async () => {
    const mutating = await startMutating();
    const socket = await tlsConnection(mutating);
    const answer = readToEnd(socket);
    socket.write(`${head}Transfer-Encoding: chunked\r\n\r\n`);
    const chunk = Buffer.concat([
      Buffer.from('10000\r\n'),
      Buffer.alloc(65_536, ' '),
      Buffer.from('\r\n'),
    ]);
    expect(await writeEndlessly(socket, chunk)).toBeLessThan(64 * MIB);
    expect(await answer).toMatch(/^(HTTP\/1\.1 413 |$)/);
    expect(mutating.posted).toEqual([]);
  });

  test('more than Content-Length says: the rest is no part of the review', async () => {
    const mutating = await startMutating();
    const socket = await tlsConnection(mutating);
    socket.write(`${head}Content-Length: 4\r\n\r\n1234 is what comes behind it\r\n\r\n`);
    expect(await readToEnd(socket)).toMatch(/HTTP\/1\.1 400 /);
    expect(mutating.posted.map(({ body }) => `${body}`)).toEqual(['1234']);
  });

  test('less than Content-Length says: 408 when its time is over, never an answer', async () => {
    const mutating = await startMutating({ times: { headers: 100, request: 100, check: 20 } });
    const socket = await tlsConnection(mutating);
    socket.write(`${head}Content-Length: 100\r\n\r\n1234`);
    expect(await readToEnd(socket)).toMatch(/^HTTP\/1\.1 408 /);
    expect(mutating.posted).toEqual([]);
  });

  test.each([
    ['Content-Length: 4\r\nTransfer-Encoding: chunked'],
    ['Content-Length: 4\r\nContent-Length: 5'],
    ['Content-Length: -1'],
    ['Content-Length: 0x10'],
    ['Transfer-Encoding: gzip'],
  ])('what leaves open where the body ends is refused: %s', async (fields) => {
    const mutating = await startMutating();
    const socket = await tlsConnection(mutating);
    socket.write(`${head}${fields}\r\n\r\n4\r\n1234\r\n0\r\n\r\n`);
    expect(await readToEnd(socket)).toMatch(/^HTTP\/1\.1 400 /);
    expect(mutating.posted).toEqual([]);
  });

  test.each(['gzip', 'deflate', 'br', 'identity, gzip'])('a body in %s: 415', async (encoding) => {
    const mutating = await startMutating();
    const headers = { 'content-encoding': encoding };
    expect((await post(mutating, gzipSync('{}'), { headers })).status).toBe(415);
    expect(mutating.posted).toEqual([]);
  });

  test('all that are under way: 503 for more than 64 MiB, and room again when they are gone', async () => {
    const mutating = await startMutating();
    const open = async () => {
      const socket = await tlsConnection(mutating);
      socket.write(`${head}Content-Length: ${7 * MIB}\r\n\r\n{`);
      return socket;
    };
    const sockets = await Promise.all(Array.from({ length: 9 }, open));
    await vi.waitFor(async () =>
      expect((await post(mutating, Buffer.alloc(4 * MIB))).status).toBe(503),
    );
    expect(await connectionsOf(mutating)).toBe(9);
    expect((await post(mutating, '{}')).status).toBe(200);
    for (const socket of sockets) socket.destroy();
    await vi.waitFor(async () =>
      expect((await post(mutating, Buffer.alloc(4 * MIB))).status).toBe(200),
    );
  });

  test('small requests by the thousand: 2048 are under way, and 503 for the rest', async () => {
    const { promise, finish } = gate();
    const mutating = await startMutating({ answer: () => promise.then(() => 'ok') });
    const socket = await tlsConnection(mutating);
    socket.write(`${head}Content-Length: 2\r\n\r\n{}`.repeat(2048));
    await vi.waitFor(() => expect(mutating.posted.length).toBe(2048));
    expect(await post(mutating, '{}')).toMatchObject({
      status: 503,
      headers: { 'retry-after': '1' },
    });
    finish();
    await vi.waitFor(async () => expect((await post(mutating, '{}')).status).toBe(200));
  });
});

describe('W24: clients that go away', () => {
  test('in the middle of a body, of an answer, of the handshake: the next is served', async () => {
    const { promise, finish } = gate();
    const mutating = await startMutating({ answer: () => promise.then(() => 'ok'.repeat(MIB)) });
    const half = await tlsConnection(mutating);
    half.write(`${head}Content-Length: 100\r\n\r\n1234`);
    const whole = await tlsConnection(mutating);
    whole.write(`${head}Content-Length: 2\r\n\r\n{}`);
    const bare = await tcpConnection(mutating);
    bare.write(Buffer.from('160301', 'hex'));
    await vi.waitFor(() => expect(mutating.posted).toHaveLength(1));
    for (const socket of [half, whole, bare]) socket.destroy();
    finish();
    const next = await post(mutating, '{}');
    expect([next.status, next.text.length]).toEqual([200, 2 * MIB]);
  });

  test('an error of the answer is a 500 that says nothing of it', async () => {
    const mutating = await startMutating({
      answer: () => Promise.reject(new TypeError('CANARY-message')),
    });
    const { status, text } = await post(mutating, '{}');
    expect([status, text]).toEqual([500, '{"error":"a bug in kseal"}']);
  });
});

describe('W27: clients that dawdle', () => {
  const times = { handshake: 150, headers: 150, request: 300, check: 20 };

  /** Sends one byte after the other until the connection ends. */
  async function drip(socket: TLSSocket, text: string): Promise<string> {
    const answer = readToEnd(socket);
    let sent = 0;
    const timer = setInterval(() => {
      socket.write(text[sent++ % text.length] ?? '');
    }, 20);
    return answer.finally(() => clearInterval(timer));
  }

  test('50 connections of a header byte every so often: closed, and others served meanwhile', async () => {
    const mutating = await startMutating({ times });
    const sockets = await Promise.all(Array.from({ length: 50 }, () => tlsConnection(mutating)));
    const dripping = Promise.all(
      sockets.map((socket) => drip(socket, `${head}X-Padding: ${'x'.repeat(100)}`)),
    );
    const agent = keepingAgent(1);
    let isOver = false;
    void dripping.then(() => {
      isOver = true;
    });
    let served = 0;
    while (!isOver) {
      expect((await post(mutating, '{}', { agent })).status).toBe(200);
      served += 1;
    }
    expect(served).toBeGreaterThan(5);
    expect((await dripping).every((text) => /^(HTTP\/1\.1 408 |$)/.test(text))).toBe(true);
  });

  test('a body of an byte every so often', async () => {
    const mutating = await startMutating({ times });
    const socket = await tlsConnection(mutating);
    socket.write(`${head}Content-Length: 1000\r\n\r\n`);
    expect(await drip(socket, ' ')).toMatch(/^HTTP\/1\.1 408 /);
    expect(mutating.posted).toEqual([]);
  });

  test('a handshake that does not come, or stops', async () => {
    const mutating = await startMutating({ times });
    const [silent, begun] = await Promise.all([tcpConnection(mutating), tcpConnection(mutating)]);
    begun.write(Buffer.from('1603010200010001fc0303', 'hex'));
    expect(await Promise.all([readToEnd(silent), readToEnd(begun)])).toEqual(['', '']);
    expect(mutating.refused.length).toBe(2);
  });

  test('no request at all after the handshake', async () => {
    const mutating = await startMutating({ times });
    expect(await readToEnd(await tlsConnection(mutating))).toMatch(/^(HTTP\/1\.1 408 |$)/);
  });

  test('an answer that nobody reads', async () => {
    const mutating = await startMutating({
      times: { stalled: 200 },
      answer: async () => 'x'.repeat(64 * MIB),
    });
    const socket = await tlsConnection(mutating);
    socket.pause();
    socket.write(`${head}Content-Length: 2\r\n\r\n{}`);
    await vi.waitFor(() => expect(mutating.posted).toHaveLength(1));
    await vi.waitFor(async () => expect(await connectionsOf(mutating)).toBe(0), 5_000);
  });

  test('headers without an end: 431', async () => {
    const mutating = await startMutating();
    const socket = await tlsConnection(mutating);
    socket.write(`${head}X: ${'x'.repeat(20_000)}`);
    expect(await readToEnd(socket)).toMatch(/^HTTP\/1\.1 431 /);
  });
});
