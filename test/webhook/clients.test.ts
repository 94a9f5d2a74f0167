import { once } from 'node:events';
import { connect, type SecureVersion, type TLSSocket } from 'node:tls';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { tlsOptions } from '../../src/webhook/clients.ts';
import { type Authority, makeAuthority, type Pair } from '../helpers/certificates.ts';
import { post, readToEnd } from './https.ts';
import { type Mutating, startMutating } from './mutating.ts';

// W28, W29: who may call. A caller that is refused is refused before anything of it is read.

const versions = ['TLSv1.2', 'TLSv1.3'] as const;
const right = { subject: 'CN=kube-apiserver', use: 'client' } as const;

async function startChecked(): Promise<{ mutating: Mutating; clients: Authority }> {
  const clients = await makeAuthority('CN=clients');
  const clientNames = ['kube-apiserver', 'undefined', 'front, proxy'];
  return { mutating: await startMutating({ ca: clients.cert, clientNames }), clients };
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
  socket.write('POST /mutate HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n');
  socket.write('Connection: close\r\nContent-Length: 2\r\n\r\n{}');
  return answer;
}

test.each(versions)('%s: the right client is served', async (version) => {
  const { mutating, clients } = await startChecked();
  expect(await call(mutating, await clients.issue(right), version)).toMatch(/^HTTP\/1\.1 200 /);
  expect(mutating.refusedClients()).toBe(0);
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
    await vi.waitFor(() => expect(mutating.refusedClients()).toBe(1));
  });
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

test('W29: other authorities of clients are in use as soon as they are there', async () => {
  const { mutating, clients } = await startChecked();
  const others = await makeAuthority('CN=clients');
  const { cert, key } = await mutating.authority.issue({ hosts: ['127.0.0.1'] });
  const tls = {
    cert: Buffer.from(cert),
    key: Buffer.from(key),
    ca: Buffer.from(others.cert),
    notAfter: 0,
  };
  const checked = { clientNames: ['kube-apiserver'], onRefusedClient: () => {} };
  mutating.server.setSecureContext(tlsOptions(tls, checked));
  expect(await call(mutating, await clients.issue(right))).toBe('');
  expect(await call(mutating, await others.issue(right))).toMatch(/^HTTP\/1\.1 200 /);
  expect(await call(mutating, {})).toBe('');
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
    await vi.waitFor(() => expect(mutating.refusedClients()).toBe(1));
  });

  test('plain HTTP is refused, and nothing of it is read', async () => {
    const mutating = await startMutating();
    const answer = fetch(`http://127.0.0.1:${mutating.port}/mutate`, {
      method: 'POST',
      body: '{}',
    });
    await expect(answer).rejects.toThrow();
    expect(mutating.posted).toEqual([]);
    expect(mutating.refusedClients()).toBe(1);
  });
});
