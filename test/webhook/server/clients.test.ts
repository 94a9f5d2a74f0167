import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { connect, type SecureVersion, type TLSSocket } from 'node:tls';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import type { Posted } from '../../../src/webhook/server/handler.ts';
import { refusedClients } from '../../../src/webhook/server/https.ts';
import { createMetrics } from '../../../src/webhook/server/metrics.ts';
import { defaultTimes } from '../../../src/webhook/server/settings.ts';
import type { TlsMaterial } from '../../../src/webhook/server/tls.ts';
import { type Authority, makeAuthority, type Pair } from '../../helpers/certificates.ts';
import { eventually, gate, valueIn } from '../common.ts';
import {
  DelayedSocket,
  keepingAgent,
  post,
  readToEnd,
  tcpConnection,
  tlsConnection,
} from './https.ts';
import { type Mutating, type MutatingOptions, startMutating } from './mutating.ts';

const versions = ['TLSv1.2', 'TLSv1.3'] as const;
const apiServer = { subject: 'CN=kube-apiserver', use: 'client' } as const;
const clients = await makeAuthority('CN=clients');
const others = await makeAuthority('CN=clients');

/** A server that accepts three names, two of them as Node might misread other certificates. */
function startChecked(options: MutatingOptions = {}): Promise<Mutating> {
  const clientNames = ['kube-apiserver', 'undefined', 'front, proxy'];
  return startMutating({ ca: clients.cert, clientNames, ...options });
}

function requestOf(body: string, fields = ''): string {
  const head = 'POST /mutate HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n';
  return `${head}${fields}Content-Length: ${body.length}\r\n\r\n${body}`;
}

/** Sends a review, and returns the answer; empty if the connection is cut. */
async function call(
  { port, ca }: Mutating,
  pair: Partial<Pair>,
  version?: SecureVersion,
  session?: Buffer,
): Promise<string> {
  const limits = version === undefined ? {} : { minVersion: version, maxVersion: version };
  const socket = connect({
    host: '127.0.0.1',
    port,
    ca,
    ...pair,
    ...limits,
    ...(session && { session }),
  });
  onTestFinished(() => void socket.destroy());
  const answer = readToEnd(socket);
  socket.write(requestOf('{}', 'Connection: close\r\n'));
  return answer;
}

describe.each(versions)('client certificates with %s', (version) => {
  test('the right one is accepted', async () => {
    const mutating = await startChecked();
    expect(await call(mutating, await clients.issue(apiServer), version)).toMatch(
      /^HTTP\/1\.1 200 /,
    );
    expect(mutating.refused).toEqual([]);
  });

  const issue = (leaf: object) => () => clients.issue({ ...apiServer, ...leaf });

  test.each<[string, () => Promise<Partial<Pair>>]>([
    ['none', async () => ({})],
    ['one of another CA', () => others.issue(apiServer)],
    ['another name', issue({ subject: 'CN=kubelet' })],
    ['a longer name', issue({ subject: 'CN=kube-apiserver2' })],
    ['the name in another case', issue({ subject: 'CN=Kube-Apiserver' })],
    ['two common names', issue({ subject: 'CN=kubelet, CN=kube-apiserver' })],
    ['two common names that join to an accepted one', issue({ subject: 'CN=front, CN=proxy' })],
    ['no name', issue({ subject: '' })],
    ['the name as its organisation', issue({ subject: 'O=kube-apiserver' })],
    ['the name as a host', issue({ subject: 'CN=x', hosts: ['kube-apiserver'] })],
    ['an expired one', issue({ expires: -1 })],
    ['one for servers', issue({ use: 'server' })],
  ])('%s: refused and counted before anything is read', async (_, make) => {
    const mutating = await startChecked();
    expect(await call(mutating, await make(), version)).toBe('');
    expect(mutating.posted).toEqual([]);
    await eventually(() => expect(mutating.refused).toHaveLength(1));
  });

  test('are checked again when a client tries to resume a session', async () => {
    const mutating = await startChecked();
    const pair = await clients.issue(apiServer);
    const session = await sessionOf(mutating, pair, version);
    const reused: boolean[] = [];
    mutating.server.on('secureConnection', (socket: TLSSocket) =>
      reused.push(socket.isSessionReused()),
    );
    expect(await call(mutating, pair, version, session)).toMatch(/^HTTP\/1\.1 200 /);
    expect(reused).toEqual([false]);
    expect(await call(mutating, {}, version, session)).toBe('');
  });
});

/** The first session that the server offers. */
async function sessionOf({ port, ca }: Mutating, pair: Pair, version: SecureVersion) {
  const limits = { minVersion: version, maxVersion: version };
  const socket = connect({ host: '127.0.0.1', port, ca, ...pair, ...limits });
  const sessions: Buffer[] = [];
  socket.on('session', (session) => sessions.push(session));
  await once(socket, 'secureConnect');
  socket.end('GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n');
  await readToEnd(socket);
  return sessions[0] ?? socket.getSession();
}

describe('the reason for a refusal is reported', () => {
  test.each<[string, () => Promise<Partial<Pair>>, object]>([
    ['no certificate', async () => ({}), { code: /PEER_DID_NOT_RETURN_A_CERTIFICATE/ }],
    [
      'a certificate of another CA',
      async () => (await makeAuthority('CN=others')).issue(apiServer),
      { code: /UNABLE_TO/ },
    ],
    [
      'another name',
      () => clients.issue({ ...apiServer, subject: 'CN=kubelet' }),
      { code: /^CLIENT_NAME$/, client: /^kubelet$/, address: /127\.0\.0\.1$/ },
    ],
  ])('%s', async (_, make, why) => {
    const mutating = await startChecked();
    await call(mutating, await make());
    await eventually(() => expect(mutating.refused).toHaveLength(1));
    const matching = Object.entries(why).map(([name, text]) => [name, expect.stringMatching(text)]);
    expect(mutating.refused[0]).toMatchObject(Object.fromEntries(matching));
  });

  test('a client that does not trust the server', async () => {
    const mutating = await startChecked();
    const { port } = mutating;
    // Node's client checks the certificate after the handshake, and sends no alert.
    const args = ['s_client', '-connect', `127.0.0.1:${port}`, '-verify_return_error'];
    execFile('openssl', args).stdin?.end();
    await eventually(() => expect(mutating.refused[0]?.code).toMatch(/ALERT_UNKNOWN_CA/));
  });
});

describe('refused clients', () => {
  function watched() {
    const metrics = createMetrics();
    const lines: unknown[][] = [];
    const clock = { now: 0 };
    const log = { write: (...line: unknown[]) => void lines.push(line) };
    const refuse = refusedClients({ log, metrics }, () => clock.now);
    const counted = async (name = 'kseal_refused_clients_total') =>
      valueIn(await metrics.registry.metrics(), name);
    return { refuse, lines, clock, counted };
  }

  test('are all counted, but logged once per reason and minute', async () => {
    const { refuse, lines, clock, counted } = watched();
    const kubelet = { code: 'CLIENT_NAME', address: '10.0.0.1', client: 'kubelet' };
    const stranger = { code: 'ERR_SSL_UNSUPPORTED_PROTOCOL', address: '10.0.0.2' };
    refuse(kubelet);
    refuse({ ...kubelet, client: 'another' });
    refuse(stranger);
    expect(await counted()).toBe(3);
    expect(lines).toEqual([
      ['warn', 'refused a client', kubelet],
      ['warn', 'refused a client', stranger],
    ]);
    clock.now = 60_000;
    refuse(kubelet);
    refuse(kubelet);
    expect(lines).toHaveLength(3);
  });

  test.each([
    'ERR_SSL_TLSV1_ALERT_UNKNOWN_CA',
    'ERR_SSL_SSLV3_ALERT_BAD_CERTIFICATE',
    'ERR_SSL_SSL/TLS_ALERT_CERTIFICATE_EXPIRED',
    'ERR_SSL_SSLV3_ALERT_CERTIFICATE_UNKNOWN',
  ])('differ from those that refused our certificate: %s', async (code) => {
    const { refuse, lines, counted } = watched();
    for (const address of ['10.0.0.1', '10.0.0.2']) refuse({ code, address });
    expect(lines).toEqual([
      [
        'error',
        expect.stringMatching(/refused the serving certificate/),
        { code, address: '10.0.0.1' },
      ],
    ]);
    expect(await counted()).toBe(0);
    expect(await counted('kseal_certificate_refusals_total')).toBe(2);
  });

  test('are only counted if they just disconnect, as port scanners do', async () => {
    const { refuse, lines, counted } = watched();
    refuse({ code: 'ECONNRESET' });
    expect(await counted()).toBe(1);
    expect(lines).toEqual([]);
  });
});

describe('a new client CA', () => {
  /** Uses new TLS files with this client CA. */
  async function use(mutating: Mutating, { cert: ca }: Pick<Authority, 'cert'>) {
    const { cert, key } = await mutating.authority.issue({ hosts: ['127.0.0.1'] });
    const [certBytes, keyBytes, caBytes] = [cert, key, ca].map((text) => Buffer.from(text));
    mutating.use({ cert: certBytes, key: keyBytes, ca: caBytes, notAfter: 0 } as TlsMaterial);
  }

  test('applies to new connections at once', async () => {
    const mutating = await startChecked();
    await use(mutating, others);
    expect(await call(mutating, await clients.issue(apiServer))).toBe('');
    expect(await call(mutating, await others.issue(apiServer))).toMatch(/^HTTP\/1\.1 200 /);
    expect(await call(mutating, {})).toBe('');
  });

  test('ends old connections once their pending requests are answered', async () => {
    const { promise, open } = gate();
    const answer = async ({ body }: Posted) => {
      if (`${body}` === '{}') await promise;
      return 'ok';
    };
    const mutating = await startChecked({ answer });
    const pair = await clients.issue(apiServer);
    const [idle, busy, begun] = await Promise.all(
      ['1', '{}', ''].map(async (body) => {
        const socket = await tlsConnection(mutating, pair);
        // Half of a header: for Node, this connection is not idle.
        socket.write(body === '' ? requestOf('2').slice(0, 30) : requestOf(body));
        return socket;
      }),
    );
    await once(idle as TLSSocket, 'data');
    await eventually(() => expect(mutating.posted).toHaveLength(2));
    const ends = [idle, busy, begun].map((socket) => readToEnd(socket as TLSSocket));
    await use(mutating, others);
    expect(await ends[0]).toBe('');
    begun?.write(requestOf('2').slice(30));
    expect(await ends[2]).toMatch(/^HTTP\/1\.1 403 /);
    open();
    expect(await ends[1]).toMatch(/^HTTP\/1\.1 200 .*\r\nconnection: close\r\n/is);
    expect(mutating.posted).toHaveLength(2);
  });

  test('ends connections whose handshake began before it', async () => {
    const mutating = await startChecked();
    const way = new DelayedSocket(await tcpConnection(mutating));
    const { ca } = mutating;
    const pair = await clients.issue(apiServer);
    const socket = connect({ socket: way, host: '127.0.0.1', ca, ...pair });
    const end = readToEnd(socket);
    await once(way, 'held');
    vi.useFakeTimers({ toFake: ['setTimeout'] });
    onTestFinished(() => void vi.useRealTimers());
    await use(mutating, others);
    way.release();
    await once(mutating.server, 'secureConnection');
    vi.advanceTimersByTime(defaultTimes.handshake);
    socket.write(requestOf('{}'));
    // Node.js 26 ends a connection that has no request yet; earlier ones keep it, and get a request.
    expect(await end).toMatch(/^(?:HTTP\/1\.1 403 |$)/);
    expect(mutating.posted).toEqual([]);
  });

  test('that is the same as before ends nothing', async () => {
    const mutating = await startChecked();
    const agent = keepingAgent(1);
    const sending = { ...(await clients.issue(apiServer)), agent };
    await post(mutating, '{}', sending);
    await use(mutating, clients);
    const connections = vi.fn();
    mutating.server.on('secureConnection', connections);
    expect(await post(mutating, '{}', sending)).toMatchObject({
      status: 200,
      headers: { connection: 'keep-alive' },
    });
    expect(connections).not.toHaveBeenCalled();
  });
});

test('with --allow-any-client no certificate is requested, and any is accepted', async () => {
  const mutating = await startMutating();
  expect((await post(mutating, '{}')).status).toBe(200);
  expect((await post(mutating, '{}', { ...(await others.issue(apiServer)) })).status).toBe(200);
});

describe('outdated or no TLS', () => {
  test.each(['TLSv1', 'TLSv1.1'] as const)('%s is refused', async (version) => {
    const mutating = await startMutating();
    const { port, ca } = mutating;
    const socket = connect({
      host: '127.0.0.1',
      port,
      ca,
      minVersion: version,
      maxVersion: version,
      // Otherwise the client itself would refuse.
      ciphers: 'DEFAULT@SECLEVEL=0',
    });
    const [error] = (await once(socket, 'error').catch((thrown) => [thrown])) as [Error];
    expect(error.message).toMatch(/alert protocol version|tlsv1 alert/);
    await eventually(() => expect(mutating.refused).toHaveLength(1));
  });

  test('plain HTTP is refused before anything is read', async () => {
    const mutating = await startMutating();
    const answer = fetch(`http://127.0.0.1:${mutating.port}/mutate`, {
      method: 'POST',
      body: '{}',
    });
    await expect(answer).rejects.toThrow();
    expect(mutating.posted).toEqual([]);
    await eventually(() => expect(mutating.refused).toHaveLength(1));
  });
});
