import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { connect, type SecureVersion, type TLSSocket } from 'node:tls';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import type { Posted } from '../../../src/webhook/server/handler.ts';
import type { TlsMaterial } from '../../../src/webhook/server/tls.ts';
import { type Authority, makeAuthority, type Pair } from '../../helpers/certificates.ts';
import { keepingAgent, post, readToEnd, SlowWay, tcpConnection, tlsConnection } from './https.ts';
import { gate, type Mutating, type MutatingOptions, startMutating } from './mutating.ts';

// W28, W29: who may call. A caller that is refused is refused before anything of it is read.

const versions = ['TLSv1.2', 'TLSv1.3'] as const;
const right = { subject: 'CN=kube-apiserver', use: 'client' } as const;

async function startChecked(
  options: MutatingOptions = {},
): Promise<{ mutating: Mutating; clients: Authority }> {
  const clients = await makeAuthority('CN=clients');
  const clientNames = ['kube-apiserver', 'undefined', 'front, proxy'];
  return { mutating: await startMutating({ ca: clients.cert, clientNames, ...options }), clients };
}

function requestOf(body: string, fields = ''): string {
  const head = 'POST /mutate HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n';
  return `${head}${fields}Content-Length: ${body.length}\r\n\r\n${body}`;
}

/** What a client hears that sends a review; empty if it is cut off. */
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

test.each(versions)('%s: the right client is served', async (version) => {
  const { mutating, clients } = await startChecked();
  expect(await call(mutating, await clients.issue(right), version)).toMatch(/^HTTP\/1\.1 200 /);
  expect(mutating.refused.length).toBe(0);
});

type Make = (clients: Authority) => Promise<Partial<Pair>>;
const strangers: readonly (readonly [string, Make])[] = [
  ['no certificate', async () => ({})],
  ['of another authority', async () => (await makeAuthority('CN=clients')).issue(right)],
  ['of another name', (clients) => clients.issue({ ...right, subject: 'CN=kubelet' })],
  [
    'of a name that begins alike',
    (clients) => clients.issue({ ...right, subject: 'CN=kube-apiserver2' }),
  ],
  [
    'of the name in another case',
    (clients) => clients.issue({ ...right, subject: 'CN=Kube-Apiserver' }),
  ],
  [
    'of two common names',
    (clients) => clients.issue({ ...right, subject: 'CN=kubelet, CN=kube-apiserver' }),
  ],
  [
    'of two that make one in a list',
    (clients) => clients.issue({ ...right, subject: 'CN=front, CN=proxy' }),
  ],
  ['of no name', (clients) => clients.issue({ ...right, subject: '' })],
  [
    'of an organisation of that name',
    (clients) => clients.issue({ ...right, subject: 'O=kube-apiserver' }),
  ],
  [
    'of the name as a host',
    (clients) => clients.issue({ ...right, subject: 'CN=x', hosts: ['kube-apiserver'] }),
  ],
  ['that has expired', (clients) => clients.issue({ ...right, expires: -1 })],
  ['for servers only', (clients) => clients.issue({ ...right, use: 'server' })],
];

describe.each(versions)('W29 %s: a certificate', (version) => {
  test.each(strangers)('%s: cut off, counted, and nothing of it is read', async (_, make) => {
    const { mutating, clients } = await startChecked();
    expect(await call(mutating, await make(clients), version)).toBe('');
    expect(mutating.posted).toEqual([]);
    await vi.waitFor(() => expect(mutating.refused.length).toBe(1));
  });
});

test.each<[string, (clients: Authority) => Promise<Partial<Pair>>, object]>([
  ['shows no certificate', async () => ({}), { code: /PEER_DID_NOT_RETURN_A_CERTIFICATE/ }],
  [
    'shows one of another authority',
    async () => (await makeAuthority('CN=others')).issue(right),
    { code: /UNABLE_TO/ },
  ],
  [
    'has another name',
    (clients) => clients.issue({ ...right, subject: 'CN=kubelet' }),
    { code: /^CLIENT_NAME$/, client: /^kubelet$/, address: /127\.0\.0\.1$/ },
  ],
])('W29: it is told why a client is refused that %s', async (_, make, why) => {
  const { mutating, clients } = await startChecked();
  await call(mutating, await make(clients));
  await vi.waitFor(() => expect(mutating.refused.length).toBe(1));
  const matching = Object.entries(why).map(([name, text]) => [name, expect.stringMatching(text)]);
  expect(mutating.refused[0]).toMatchObject(Object.fromEntries(matching));
});

test('W29: it is told that a client does not trust the server', async () => {
  const { mutating } = await startChecked();
  const { port } = mutating;
  // Node's own client looks at the certificate when the handshake is over, and sends no alert.
  const args = ['s_client', '-connect', `127.0.0.1:${port}`, '-verify_return_error'];
  execFile('openssl', args).stdin?.end();
  await vi.waitFor(() => expect(mutating.refused[0]?.code).toMatch(/ALERT_UNKNOWN_CA/));
});

/** The first session that a server offers on a connection that is then used. */
async function sessionOf({ port, ca }: Mutating, pair: Pair, version: SecureVersion) {
  const socket = connect({
    host: '127.0.0.1',
    port,
    ca,
    ...pair,
    minVersion: version,
    maxVersion: version,
  });
  const sessions: Buffer[] = [];
  socket.on('session', (session) => sessions.push(session));
  await once(socket, 'secureConnect');
  socket.end('GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n');
  await readToEnd(socket);
  return sessions[0] ?? socket.getSession();
}

describe.each(versions)('W29 %s: a session', (version) => {
  test('is not resumed: the certificate is looked at each time', async () => {
    const { mutating, clients } = await startChecked();
    const pair = await clients.issue(right);
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

describe('W29: other authorities of clients', () => {
  /** Puts new TLS files to use: under these authorities of clients. */
  async function use(mutating: Mutating, { cert: ca }: Pick<Authority, 'cert'>) {
    const { cert, key } = await mutating.authority.issue({ hosts: ['127.0.0.1'] });
    const [certBytes, keyBytes, caBytes] = [cert, key, ca].map((text) => Buffer.from(text));
    mutating.use({ cert: certBytes, key: keyBytes, ca: caBytes, notAfter: 0 } as TlsMaterial);
  }

  test('are in use as soon as they are there', async () => {
    const { mutating, clients } = await startChecked();
    const others = await makeAuthority('CN=clients');
    await use(mutating, others);
    expect(await call(mutating, await clients.issue(right))).toBe('');
    expect(await call(mutating, await others.issue(right))).toMatch(/^HTTP\/1\.1 200 /);
    expect(await call(mutating, {})).toBe('');
  });

  test('end the connections of before: what is under way is answered, and nothing else', async () => {
    const { promise, finish } = gate();
    const answer = async ({ body }: Posted) => {
      if (`${body}` === '{}') await promise;
      return 'ok';
    };
    const { mutating, clients } = await startChecked({ answer });
    const pair = await clients.issue(right);
    const [idle, busy, begun] = await Promise.all(
      ['1', '{}', ''].map(async (body) => {
        const socket = await tlsConnection(mutating, pair);
        // One has sent half of its headers: to Node it is not idle, and to us not asked yet.
        socket.write(body === '' ? requestOf('2').slice(0, 30) : requestOf(body));
        return socket;
      }),
    );
    await once(idle as TLSSocket, 'data');
    await vi.waitFor(() => expect(mutating.posted.length).toBe(2));
    const ends = [idle, busy, begun].map((socket) => readToEnd(socket as TLSSocket));
    await use(mutating, await makeAuthority('CN=clients'));
    expect(await ends[0]).toBe('');
    begun?.write(requestOf('2').slice(30));
    expect(await ends[2]).toMatch(/^HTTP\/1\.1 403 /);
    finish();
    expect(await ends[1]).toMatch(/^HTTP\/1\.1 200 .*\r\nconnection: close\r\n/is);
    expect(mutating.posted.length).toBe(2);
  });

  test('end those whose handshake had begun, too', async () => {
    const { mutating, clients } = await startChecked({ times: { handshake: 200 } });
    const way = new SlowWay(await tcpConnection(mutating));
    const { ca } = mutating;
    const pair = await clients.issue(right);
    const socket = connect({ socket: way, host: '127.0.0.1', ca, ...pair });
    const end = readToEnd(socket);
    await once(way, 'held');
    await use(mutating, await makeAuthority('CN=clients'));
    way.release();
    socket.write(requestOf('{}'));
    expect(await end).toMatch(/^HTTP\/1\.1 (200|403) /);
  });

  test('that are the same ones, beside a new pair, end nothing', async () => {
    const { mutating, clients } = await startChecked();
    const agent = keepingAgent(1);
    const sending = { ...(await clients.issue(right)), agent };
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

test('where any client may call, a certificate is not asked for, and a strange one is no fault', async () => {
  const mutating = await startMutating();
  expect((await post(mutating, '{}')).status).toBe(200);
  const pair = await (await makeAuthority()).issue(right);
  expect((await post(mutating, '{}', { ...pair })).status).toBe(200);
});

describe('W28: what is no TLS of today', () => {
  test.each(['TLSv1', 'TLSv1.1'] as const)('%s is refused', async (version) => {
    const mutating = await startMutating();
    const { port, ca } = mutating;
    const socket = connect({
      host: '127.0.0.1',
      port,
      ca,
      minVersion: version,
      maxVersion: version,
      // Without this the client itself would not speak it.
      ciphers: 'DEFAULT@SECLEVEL=0',
    });
    const [error] = (await once(socket, 'error').catch((thrown) => [thrown])) as [Error];
    expect(error.message).toMatch(/alert protocol version|tlsv1 alert/);
    await vi.waitFor(() => expect(mutating.refused.length).toBe(1));
  });

  test('plain HTTP is refused, and nothing of it is read', async () => {
    const mutating = await startMutating();
    const answer = fetch(`http://127.0.0.1:${mutating.port}/mutate`, {
      method: 'POST',
      body: '{}',
    });
    await expect(answer).rejects.toThrow();
    expect(mutating.posted).toEqual([]);
    expect(mutating.refused.length).toBe(1);
  });
});
