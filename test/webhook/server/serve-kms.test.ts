import { connect, createServer, type Socket } from 'node:net';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { startKmsEmulator } from '../../kms-emulator/emulator.ts';
import { emulatorForTests } from '../../kms-emulator/for-tests.ts';
import { HR, versionOf } from '../../kms-emulator/harness.ts';
import { answered, creation, sealed } from '../reviews.ts';
import { keepingAgent, post } from './https.ts';
import { type Served, type Serving, startServed } from './served.ts';

// The server with its keys in Cloud KMS, which is slow, damaged, busy, or says no.

const one = versionOf(HR, 1);
const emulator = emulatorForTests();
const pem = () => emulator().version(one)?.pem ?? '';

async function serveWithKms(more: Serving = {}): Promise<Served> {
  const served = await startServed({
    references: [`gcpkms://${HR}`],
    kmsEndpoint: emulator().endpoint,
    ...more,
  });
  emulator().calls.length = 0;
  return served;
}

/** So many sealed values, `key-0` of `value-0` and so on. */
function sealedValues(count: number): Record<string, string> {
  const entry = (_: unknown, index: number) =>
    [`key-${index}`, sealed(`value-${index}`, pem(), `key-${index}`)] as const;
  return Object.fromEntries(Array.from({ length: count }, entry));
}

const decryptions = () => emulator().calls.filter(({ method }) => method === 'AsymmetricDecrypt');

describe('W16: many values', () => {
  test('200 values at 50 ms each: one patch, in time, as many at once as a namespace may', async () => {
    const served = await serveWithKms();
    emulator().fault('AsymmetricDecrypt', { delay: 50 });
    const answer = answered((await post(served, creation(sealedValues(200)))).text);
    expect(answer.allowed).toBe(true);
    expect(Object.keys(answer.opened)).toHaveLength(200);
    expect(answer.opened['key-123']).toBe('value-123');
    expect(decryptions()).toHaveLength(200);
    // One after the other they would take 10 s.
    expect(served.log().at(-1)?.milliseconds).toBeLessThan(5_000);
  });

  test('257 values: denied at once, and the KMS is asked for none', async () => {
    const served = await serveWithKms();
    const answer = answered((await post(served, creation(sealedValues(257)))).text);
    expect(answer).toMatchObject({ allowed: false, status: { code: 400 } });
    expect(answer.status.message).toContain('more than 256 sealed values in one Secret');
    expect(decryptions()).toEqual([]);
  });
});

describe('W20: a KMS that hangs', () => {
  test('denied before 4 s of a timeout of 5 s, to be tried again; the connection goes on', async () => {
    const served = await serveWithKms();
    const agent = keepingAgent(1);
    emulator().fault('AsymmetricDecrypt', 'hang', 1);
    const body = creation(sealedValues(1));
    const begun = performance.now();
    const late = await post(served, body, { path: '/mutate?timeout=5s', agent });
    expect(performance.now() - begun).toBeLessThan(4_000);
    expect(late.status).toBe(200);
    expect(answered(late.text)).toMatchObject({
      uid: 'u1',
      allowed: false,
      status: { code: 503, details: { retryAfterSeconds: 5 } },
    });
    const next = await post(served, body, { agent });
    expect(answered(next.text).opened).toEqual({ 'key-0': 'value-0' });
    expect(Object.values(agent.freeSockets).flat()).toHaveLength(1);
  });

  test('a namespace that waits keeps no other from being served', async () => {
    const served = await serveWithKms();
    emulator().fault('AsymmetricDecrypt', 'hang', 32);
    const hanging = Array.from({ length: 3 }, () =>
      post(served, creation(sealedValues(16)), { path: '/mutate?timeout=2s' }),
    );
    await vi.waitFor(() => expect(decryptions()).toHaveLength(32), { interval: 5 });
    const place = { namespace: 'ops', name: 'mail' };
    const other = creation({ password: sealed('other', pem(), 'password', place) }, place);
    expect(answered((await post(served, other)).text).opened).toEqual({ password: 'other' });
    // Those whose turn comes as the others give up would otherwise be answered in time, or not.
    emulator().fault('AsymmetricDecrypt', 'hang');
    const codes = (await Promise.all(hanging)).map(({ text }) => answered(text).status.code);
    expect(codes).toEqual([503, 503, 503]);
  });
});

describe('W21: what the KMS answers', () => {
  const theirs = `CANARY anna@example.com ${one}`;

  test('UNAVAILABLE twice, then fine: opened', async () => {
    const served = await serveWithKms();
    emulator().fault('AsymmetricDecrypt', { status: 'UNAVAILABLE' }, 2);
    const answer = answered((await post(served, creation(sealedValues(1)))).text);
    expect(answer.opened).toEqual({ 'key-0': 'value-0' });
    expect(decryptions()).toHaveLength(3);
  });

  test('RESOURCE_EXHAUSTED: 503 to be tried again, after three calls a value', async () => {
    const served = await serveWithKms();
    emulator().fault('AsymmetricDecrypt', { status: 'RESOURCE_EXHAUSTED', message: theirs });
    const { text } = await post(served, creation(sealedValues(2)));
    expect(answered(text)).toMatchObject({
      allowed: false,
      status: { code: 503, reason: 'ServiceUnavailable', details: { retryAfterSeconds: 5 } },
    });
    expect(decryptions()).toHaveLength(6);
  });

  test('a KMS that fails is not asked for the rest of a Secret', async () => {
    const served = await serveWithKms();
    emulator().fault('AsymmetricDecrypt', { status: 'RESOURCE_EXHAUSTED' });
    const { text } = await post(served, creation(sealedValues(256)));
    expect(answered(text).status.code).toBe(503);
    expect(decryptions().length).toBeLessThanOrEqual(16 * 3);
  });

  test('PERMISSION_DENIED: denied at once, and the user reads of no resource and no identity', async () => {
    const served = await serveWithKms();
    emulator().fault('AsymmetricDecrypt', { status: 'PERMISSION_DENIED', message: theirs });
    const { text } = await post(served, creation(sealedValues(1)));
    expect(answered(text)).toMatchObject({ allowed: false, status: { code: 500 } });
    expect(text).not.toMatch(/CANARY|anna|acme-prod|cryptoKey|gcloud/);
    expect(decryptions()).toHaveLength(1);
    expect(served.text()).toContain(`${one}: access denied`);
    expect(served.text()).not.toMatch(/CANARY|anna/);
  });
});

describe('W22: what arrives damaged', () => {
  const damages = ['unverified', 'wrong-checksum', 'missing-checksum', 'damaged-request'] as const;

  test.each(damages)('%s once: recovered; always: denied, with no plaintext', async (fault) => {
    const served = await serveWithKms();
    const body = creation(sealedValues(1));
    emulator().fault('AsymmetricDecrypt', fault, 1);
    expect(answered((await post(served, body)).text).opened).toEqual({ 'key-0': 'value-0' });
    emulator().fault('AsymmetricDecrypt', fault);
    const { text } = await post(served, body);
    expect(answered(text)).toMatchObject({ allowed: false, opened: {}, status: { code: 503 } });
    expect(decryptions()).toHaveLength(2 + 3);
  });
});

/** A way to the emulator that counts the connections that take it. */
async function countingWay() {
  const sockets: Socket[] = [];
  const [, port = ''] = emulator().endpoint.split(':');
  const server = createServer((socket) => {
    sockets.push(socket);
    const way = connect(Number(port), '127.0.0.1');
    socket.pipe(way).pipe(socket);
    for (const end of [socket, way]) end.on('error', () => {});
  }).listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  onTestFinished(() => {
    server.close();
    for (const socket of sockets) socket.destroy();
  });
  return { endpoint: `127.0.0.1:${(server.address() as { port: number }).port}`, sockets };
}

describe('W23: many at once', () => {
  test('300 reviews of distinct values: each has its own, over one connection to the KMS', async () => {
    const { endpoint, sockets } = await countingWay();
    const served = await serveWithKms({ kmsEndpoint: endpoint });
    const agent = keepingAgent(50);
    const reviewOf = async (_: unknown, index: number) => {
      const place = { namespace: `ns-${index % 7}`, name: `secret-${index}` };
      const data = { password: sealed(`CANARY-${index}`, pem(), 'password', place) };
      const uid = `uid-${index}`;
      const answer = answered(
        (await post(served, creation(data, { ...place, uid }), { agent })).text,
      );
      return [answer.uid, answer.opened.password];
    };
    const answers = await Promise.all(Array.from({ length: 300 }, reviewOf));
    expect(answers).toEqual(answers.map((__, index) => [`uid-${index}`, `CANARY-${index}`]));
    expect(sockets).toHaveLength(1);
    expect(await served.metric('kseal_values_opened_total')).toBe(300);
    expect(await served.metric('kseal_reviews_in_flight')).toBe(0);
    expect(served.text()).not.toContain('CANARY');
  });

  test('a KMS that dies: 503 to be tried again; one that is back is found by the next review', async () => {
    const keys = { [HR]: [{ id: 1 }] };
    const first = await startKmsEmulator({ keys });
    const served = await serveWithKms({ kmsEndpoint: first.endpoint });
    const body = creation({ a: sealed('value', first.version(one)?.pem ?? '', 'a') });
    expect(answered((await post(served, body)).text).opened).toEqual({ a: 'value' });
    first.stop();
    const dead = answered((await post(served, body)).text);
    expect(dead.status).toMatchObject({ code: 503, details: { retryAfterSeconds: 5 } });
    const second = await startKmsEmulator({ keys, port: Number(first.endpoint.split(':')[1]) });
    onTestFinished(() => second.stop());
    await vi.waitFor(async () => {
      expect(answered((await post(served, body)).text).opened).toEqual({ a: 'value' });
    }, 10_000);
  });

  test('a connection to the KMS that breaks is made anew', async () => {
    const { endpoint, sockets } = await countingWay();
    const served = await serveWithKms({ kmsEndpoint: endpoint });
    for (const socket of sockets) socket.destroy();
    const answer = answered((await post(served, creation(sealedValues(3)))).text);
    expect(Object.keys(answer.opened)).toHaveLength(3);
    expect(sockets).toHaveLength(2);
  });
});
