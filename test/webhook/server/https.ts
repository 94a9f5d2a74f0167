import { once } from 'node:events';
import { Agent, type RequestOptions, request } from 'node:https';
import { connect as connectTcp, type Socket } from 'node:net';
import { Duplex } from 'node:stream';
import { type ConnectionOptions, connect, type TLSSocket } from 'node:tls';
import { onTestFinished } from 'vitest';

export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly text: string;
}

export interface Target {
  readonly port: number;
  /** The CA of the server's certificate; PEM. */
  readonly ca: string;
}

/**
 * Posts a review as the API server does, without an agent on a new connection. The timeout is the
 * longest that the API server allows, because the machine may be busy.
 */
export function post(
  { port, ca }: Target,
  body: string | Buffer,
  { path = '/mutate?timeout=30s', ...more }: RequestOptions = {},
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const sent = request(
      {
        host: '127.0.0.1',
        port,
        ca,
        path,
        method: 'POST',
        agent: false,
        ...more,
        headers: { 'content-type': 'application/json', ...more.headers },
      },
      (response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk) => chunks.push(chunk));
        response.on('error', reject);
        response.on('end', () =>
          resolve({
            status: response.statusCode ?? 0,
            headers: response.headers,
            text: Buffer.concat(chunks).toString(),
          }),
        );
      },
    );
    sent.on('error', reject);
    sent.end(body);
  });
}

/** An agent that reuses its connections, as the API server does; destroyed after the test. */
export function keepingAgent(maxSockets = 100): Agent {
  const agent = new Agent({ keepAlive: true, maxSockets });
  onTestFinished(() => agent.destroy());
  return agent;
}

/** A TLS connection; destroyed after the test. */
export async function tlsConnection(
  { port, ca }: Target,
  options: ConnectionOptions = {},
): Promise<TLSSocket> {
  const socket = connect({ host: '127.0.0.1', port, ca, ...options });
  onTestFinished(() => void socket.destroy());
  await once(socket, 'secureConnect');
  // The test decides which end is an error.
  socket.on('error', () => {});
  return socket;
}

/** A TCP connection; destroyed after the test. */
export async function tcpConnection({ port }: Target): Promise<Socket> {
  const socket = connectTcp(port, '127.0.0.1');
  onTestFinished(() => void socket.destroy());
  await once(socket, 'connect');
  socket.on('error', () => {});
  return socket;
}

/** Reads until the other end closes or resets the connection. */
export async function readToEnd(socket: Socket): Promise<string> {
  let text = '';
  socket.on('data', (chunk) => {
    text += chunk;
  });
  socket.on('error', () => {});
  // Not once(), which would throw on a reset.
  if (!socket.closed) await new Promise((resolve) => socket.once('close', resolve));
  return text;
}

/** Delays everything that a TLS client sends after its first flight, until it is released. */
export class DelayedSocket extends Duplex {
  readonly #socket: Socket;
  #flights = 0;
  #pass = () => {};

  constructor(socket: Socket) {
    super();
    this.#socket = socket;
    socket.on('data', (chunk) => this.push(chunk));
    socket.on('error', () => {});
    socket.on('close', () => this.destroy());
  }

  override _read(): void {}

  override _write(chunk: Buffer, _: string, done: () => void): void {
    const pass = () => void this.#socket.write(chunk, done);
    this.#flights += 1;
    if (this.#flights === 2) {
      this.#pass = pass;
      this.emit('held');
    } else pass();
  }

  release(): void {
    this.#pass();
  }
}
