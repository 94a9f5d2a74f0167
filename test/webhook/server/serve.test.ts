import { once } from 'node:events';
import { createServer as createHttpsServer } from 'node:https';
import { type AddressInfo, createServer } from 'node:net';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { KsealError } from '../../../src/errors.ts';
import type { OpeningKey } from '../../../src/jwe/decrypt.ts';
import { drain, listen } from '../../../src/webhook/server/serve.ts';
import { eventually, gate } from '../common.ts';
import { askedKey, keys } from '../keys.ts';
import { answered, creation, sealed, sealedValues } from '../reviews.ts';
import { keepingAgent, post, readToEnd, tlsConnection } from './https.ts';
import { startServed } from './served.ts';

const pem = keys.publicPem('small');
const plain = creation({ plain: 'eA==' });
const reviewFor = (publicPem = pem) => creation(sealedValues(1, publicPem));
const opened = { 'key-0': 'value-0' };

/** Reads the keys again almost at once. */
const quick = { refresh: 20, refreshAfterFailure: 20 };

/** A key that answers after `promise`, and the number of its requests. */
function keyAfter(promise: Promise<unknown> = Promise.resolve()) {
  const asked = askedKey('small');
  const { kid, modulusBytes, state } = asked;
  const decryptKey = async (encryptedKey: Uint8Array) => {
    const cek = asked.decryptKey(encryptedKey);
    await promise;
    return cek;
  };
  const key: OpeningKey = { kid, modulusBytes, state, decryptKey };
  return { key, requests: () => asked.asked.length };
}

describe('a start', () => {
  const failing = (code: 'KEY_INVALID' | 'USAGE') => () =>
    Promise.reject(new KsealError(code, 'message'));

  test('fails if a key can never be read', async () => {
    const starting = startServed({ references: ['a'], loadKeys: failing('KEY_INVALID') });
    await expect(starting).rejects.toMatchObject({ code: 'KEY_INVALID', message: 'message' });
  });

  test('fails with the errors of all such keys', async () => {
    const starting = startServed({ references: ['a', 'b'], loadKeys: failing('USAGE') });
    await expect(starting).rejects.toMatchObject({
      errors: [{ code: 'USAGE' }, { code: 'USAGE' }],
    });
  });

  test.each([
    ['--port', 'port'],
    ['--metrics-port', 'metricsPort'],
  ])('fails if a port is in use, with a hint to change %s', async (flag, option) => {
    const other = createServer().listen(0, '127.0.0.1');
    await once(other, 'listening');
    onTestFinished(() => void other.close());
    const { port } = other.address() as AddressInfo;
    await expect(startServed({ [option]: port })).rejects.toMatchObject({
      code: 'USAGE',
      message: `cannot listen on 127.0.0.1 port ${port}: address already in use`,
      hint: `choose another port with ${flag}`,
    });
  });

  test('ends at a signal while the keys are read', async () => {
    const starting = startServed({
      references: ['a'],
      loadKeys: () => new Promise(() => {}),
      signalAtStart: 'SIGTERM',
    });
    await expect(starting).rejects.toMatchObject({ message: 'ended' });
  });
});

describe('keys', () => {
  const unavailable = () => {
    throw new KsealError('KEY_UNAVAILABLE', 'unavailable');
  };

  test('is alive but not ready until all keys are available', async () => {
    let load = async (): Promise<OpeningKey[]> => unavailable();
    const served = await startServed({ references: ['a'], times: quick, loadKeys: () => load() });
    expect(await served.page('/livez')).toEqual([200, 'ok\n']);
    expect(await served.page('/readyz')).toEqual([503, 'not all keys have been read yet\n']);
    const early = await post(served, reviewFor());
    expect(answered(early.text)).toMatchObject({
      allowed: false,
      status: { code: 503, details: { retryAfterSeconds: 1 } },
    });
    expect(await served.metric('kseal_key_refresh_failures_total')).toBeGreaterThan(0);
    expect(served.text()).toContain('cannot read a key');
    load = async () => [keyAfter().key];
    await eventually(async () => expect((await served.page('/readyz'))[0]).toBe(200));
    expect(answered((await post(served, reviewFor())).text).opened).toEqual(opened);
  });

  test('starts after a while even if reading the keys takes longer', async () => {
    const served = await startServed({
      references: ['a'],
      loadKeys: () => new Promise(() => {}),
      times: { headStart: 50 },
    });
    expect((await served.page('/readyz'))[0]).toBe(503);
    expect((await served.page('/livez'))[0]).toBe(200);
  });

  test('stays ready if keys become unavailable; an unknown kid is a transient error', async () => {
    let load = async () => [keyAfter().key];
    const served = await startServed({ references: ['a'], times: quick, loadKeys: () => load() });
    load = async () => unavailable();
    const failures = () => served.metric('kseal_key_refresh_failures_total');
    await eventually(async () => expect(await failures()).toBeGreaterThan(0));
    expect((await served.page('/readyz'))[0]).toBe(200);
    const unknown = await post(served, reviewFor(keys.publicPem('other')));
    expect(answered(unknown.text).status.code).toBe(503);
    expect(answered((await post(served, reviewFor())).text).opened).toEqual(opened);
  });

  test('logs a note once, even if each reading of the keys gives it', async () => {
    let readings = 0;
    const served = await startServed({
      references: ['a'],
      times: quick,
      loadKeys: async (_, note) => {
        readings += 1;
        note('asking elsewhere');
        return [];
      },
    });
    await eventually(() => expect(readings).toBeGreaterThan(2));
    expect(served.log().filter(({ msg }) => msg === 'asking elsewhere')).toHaveLength(1);
  });

  test('answers for one namespace while a key call for another hangs', async () => {
    const { promise, open } = gate();
    const { key, requests } = keyAfter(promise);
    const served = await startServed({ references: ['a'], loadKeys: async () => [key] });
    const body = creation(sealedValues(16, pem));
    const waiting = Array.from({ length: 3 }, () => post(served, body));
    // Half of the key requests that may be under way.
    await eventually(() => expect(requests()).toBe(32));
    const place = { namespace: 'ops', name: 'mail' };
    const other = post(served, creation({ a: sealed('other', pem, 'a', place) }, place));
    await eventually(() => expect(requests()).toBe(33));
    open();
    expect(answered((await other).text).opened).toEqual({ a: 'other' });
    for (const { text } of await Promise.all(waiting)) expect(answered(text).allowed).toBe(true);
  });
});

describe('an unexpected error', () => {
  test('is logged without its message if it is outside of a review, and the server goes on', async () => {
    const served = await startServed({});
    served.stray(new TypeError('CANARY-message'));
    served.stray('CANARY-text');
    expect(await served.metric('kseal_uncaught_errors_total')).toBe(2);
    expect(served.text()).not.toContain('CANARY');
    expect(served.log().at(-2)?.msg).toMatch(/^a bug in kseal: TypeError at .*serve\.test\.ts/);
    expect((await served.page('/livez'))[0]).toBe(200);
  });

  test('refuses a review with 500, is logged without its message, and the server goes on', async () => {
    const decryptKey = async (): Promise<Uint8Array> => {
      throw new RangeError('CANARY-message');
    };
    const key: OpeningKey = {
      kid: keys.kid('small'),
      modulusBytes: 256,
      state: 'active',
      decryptKey,
    };
    const served = await startServed({ references: ['a'], loadKeys: async () => [key] });
    const { status, text } = await post(served, reviewFor());
    expect(status).toBe(200);
    expect(JSON.parse(text).response).toEqual({
      uid: 'u1',
      allowed: false,
      status: { code: 500, reason: 'InternalError', message: 'internal error: a bug in kseal' },
    });
    expect(`${text}${served.text()}`).not.toContain('CANARY');
    expect(served.text()).toMatch(/a bug in kseal: RangeError at .*serve\.test\.ts/);
    expect(await served.metric('kseal_reviews_total{result="failed"}')).toBe(1);
    const next = await post(served, plain);
    expect(answered(next.text)).toEqual({ uid: 'u1', allowed: true, opened: {} });
  });
});

test('a stored value that stays sealed is logged and counted, but not as a refusal', async () => {
  const served = await startServed({ references: ['a'], loadKeys: async () => [keyAfter().key] });
  const review = JSON.parse(creation(sealedValues(1, keys.publicPem('big'))));
  const { request } = review;
  const update = { ...request, operation: 'UPDATE', oldObject: request.object };
  const { text } = await post(served, JSON.stringify({ ...review, request: update }));
  const warnings = [`still sealed: sealed to unknown key ${keys.kid('big')}: data key "key-0"`];
  expect(JSON.parse(text).response).toEqual({ uid: 'u1', allowed: true, warnings });
  const errors = [expect.objectContaining({ code: 'KEY_UNKNOWN', key: 'key-0' })];
  expect(served.log().at(-1)).toMatchObject({ level: 'warn', result: 'unopened', errors });
  expect(await served.metric('kseal_reviews_total{result="unopened"}')).toBe(1);
  expect(await served.metric('kseal_refusals_total{code="KEY_UNKNOWN"}')).toBe(0);
});

describe('a signal', () => {
  test('ends the server after all answers, but not after connections without a request', async () => {
    const { promise, open } = gate();
    const { key, requests } = keyAfter(promise);
    const loadKeys = async () => [key];
    const served = await startServed({ references: ['a'], loadKeys, drain: 0 });
    const unused = readToEnd(await tlsConnection(served));
    const agent = keepingAgent();
    const answers = Array.from({ length: 20 }, () => post(served, reviewFor(), { agent }));
    await eventually(() => expect(requests()).toBe(20));
    served.signal('SIGTERM');
    await eventually(() => expect(served.text()).toContain('draining'));
    open();
    for (const { status, text } of await Promise.all(answers)) {
      expect([status, answered(text).opened]).toEqual([200, opened]);
    }
    expect(await unused).toBe('');
    expect(await served.ended).toBeUndefined();
  });

  test('makes the server unready; it goes on serving, and closes each connection', async () => {
    const served = await startServed({ drain: 600_000 });
    const agent = keepingAgent(4);
    const [before, after]: [unknown[], unknown[]] = [[], []];
    let isDraining = false;
    let isOver = false;
    const load = async () => {
      while (!isOver) {
        const answers = isDraining ? after : before;
        const { status, headers } = await post(served, plain, { agent });
        answers.push(`${status} ${headers.connection}`);
      }
    };
    const loads = Promise.all([load(), load(), load(), load()]);
    await eventually(() => expect(before.length).toBeGreaterThan(20));
    expect(new Set(before)).toEqual(new Set(['200 keep-alive']));
    served.signal('SIGTERM');
    expect(await served.page('/readyz')).toEqual([503, 'draining\n']);
    isDraining = true;
    await eventually(() => expect(after.length).toBeGreaterThan(20));
    isOver = true;
    await loads;
    expect(new Set(after)).toEqual(new Set(['200 close']));
    served.signal('SIGINT');
    expect(await served.ended).toMatchObject({ code: 'INTERRUPTED' });
  });
});

describe('draining', () => {
  const never = new Promise<string>(() => {});
  const idle = () => new Promise<void>(() => {});

  /** A server that never finishes closing. */
  function stuck() {
    const server = createHttpsServer();
    vi.spyOn(server, 'close').mockImplementation(() => server);
    return server;
  }

  test('has a limit for the last answers', async () => {
    const draining = { serving: 0, lastAnswers: 20 };
    await drain({ server: stuck(), idle }, { second: never }, draining);
  });

  test('is ended by a second signal while it serves', async () => {
    const server = stuck();
    const second = Promise.resolve('SIGINT');
    const draining = { serving: 600_000, lastAnswers: 600_000 };
    await expect(drain({ server, idle }, { second }, draining)).rejects.toMatchObject({
      code: 'INTERRUPTED',
    });
    expect(server.close).not.toHaveBeenCalled();
  });

  test('is ended by a second signal while it waits for answers', async () => {
    const { promise, open } = gate();
    const waiting = () => {
      open();
      return idle();
    };
    const second = promise.then(() => 'SIGINT');
    const draining = { serving: 0, lastAnswers: 600_000 };
    const drained = drain({ server: stuck(), idle: waiting }, { second }, draining);
    await expect(drained).rejects.toMatchObject({ code: 'INTERRUPTED' });
  });
});

describe('listening', () => {
  const onError = () => {};

  function server() {
    const made = createServer();
    onTestFinished(() => void made.close());
    return made;
  }

  test('uses all addresses if no host is given', async () => {
    const made = server();
    const port = await listen(made, { host: undefined, port: 0, onError }, '--port');
    expect(made.address()).toMatchObject({
      address: expect.stringMatching(/^(::|0\.0\.0\.0)$/),
      port,
    });
    const again = listen(server(), { host: undefined, port, onError }, '--port');
    await expect(again).rejects.toMatchObject({
      message: `cannot listen on port ${port}: address already in use`,
    });
  });

  test('fails on an address of another machine', async () => {
    const listening = listen(server(), { host: '192.0.2.1', port: 0, onError }, '--port');
    await expect(listening).rejects.toMatchObject({
      code: 'USAGE',
      message: 'cannot listen on 192.0.2.1 port 0: not an address of this machine',
      hint: 'choose another host with --host',
    });
  });

  test('goes on after an error, which is reported', async () => {
    const made = server();
    const codes: string[] = [];
    const host = '127.0.0.1';
    await listen(made, { host, port: 0, onError: (code) => codes.push(code) }, '--port');
    for (let i = 0; i < 2; i++)
      made.emit('error', Object.assign(new Error('x'), { code: 'EMFILE' }));
    expect(codes).toEqual(['EMFILE', 'EMFILE']);
  });
});
