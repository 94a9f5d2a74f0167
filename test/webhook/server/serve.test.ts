import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { KsealError } from '../../../src/errors.ts';
import type { OpeningKey } from '../../../src/jwe/decrypt.ts';
import { fetchOpeningKeys } from '../../../src/keys/gcpkms/provider.ts';
import { kidOfPem } from '../../helpers/jwe.ts';
import { type KmsEmulator, startKmsEmulator } from '../../kms-emulator/emulator.ts';
import { emulatorForTests } from '../../kms-emulator/for-tests.ts';
import { HR, optionsFor, versionOf, quick as withoutPauses } from '../../kms-emulator/harness.ts';
import { answered, creation, sealed } from '../reviews.ts';
import { post } from './https.ts';
import { type Serving, startServed } from './served.ts';

const one = versionOf(HR, 1);
const two = versionOf(HR, 2);
const emulator = emulatorForTests();
const pemOf = (name: string) => emulator().version(name)?.pem ?? '';

/** Reads its keys again and again, with hardly a pause. */
const quick = { refresh: 20, refreshAfterFailure: 20 };

function serveWithKms(more: Serving = {}, kms: Pick<KmsEmulator, 'endpoint'> = emulator()) {
  return startServed({
    references: [`gcpkms://${HR}`],
    loadKeys: (reference) => fetchOpeningKeys(reference, optionsFor(kms), withoutPauses),
    times: quick,
    ...more,
  });
}

/** A port where nothing listens. */
async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

const reviewFor = (pem: string) => creation({ password: sealed('CANARY-1', pem, 'password') });

describe('W31: the KMS and the life of the server', () => {
  test('out of reach at start: alive and not ready; ready when it comes', async () => {
    const port = await freePort();
    const served = await serveWithKms({}, { endpoint: `127.0.0.1:${port}` });
    expect(await served.page('/livez')).toEqual([200, 'ok\n']);
    expect(await served.page('/readyz')).toEqual([503, 'not all keys have been read yet\n']);
    const early = await post(served, reviewFor(pemOf(one)));
    expect(answered(early.text)).toMatchObject({
      allowed: false,
      status: { code: 503, details: { retryAfterSeconds: 5 } },
    });
    expect(await served.metric('kseal_key_refresh_failures_total')).toBeGreaterThan(0);
    const late = await startKmsEmulator({ keys: { [HR]: [{ id: 1 }] }, port });
    onTestFinished(() => late.stop());
    await vi.waitFor(async () => expect((await served.page('/readyz'))[0]).toBe(200), 10_000);
    const { opened } = answered((await post(served, reviewFor(pemOf(one)))).text);
    expect(opened).toEqual({ password: 'CANARY-1' });
  });

  test('a KMS that hangs at start: it listens after its head start', async () => {
    emulator().fault('ListCryptoKeyVersions', 'hang', 1);
    const served = await serveWithKms({ times: { ...quick, headStart: 50 } });
    expect((await served.page('/readyz'))[0]).toBe(503);
    expect((await served.page('/livez'))[0]).toBe(200);
  });

  test('a KMS that says no at start is asked again: rights come late', async () => {
    emulator().fault('ListCryptoKeyVersions', { status: 'PERMISSION_DENIED' }, 2);
    const served = await serveWithKms();
    await vi.waitFor(async () => expect((await served.page('/readyz'))[0]).toBe(200), 10_000);
    expect(served.text()).toContain('cannot read a key');
  });

  test('fails later: stays ready and alive, and an unknown kid may be tried again', async () => {
    const served = await serveWithKms();
    emulator().fault('ListCryptoKeyVersions', { status: 'UNAVAILABLE' });
    await vi.waitFor(
      async () =>
        expect(await served.metric('kseal_key_refresh_failures_total')).toBeGreaterThan(0),
      10_000,
    );
    expect((await served.page('/readyz'))[0]).toBe(200);
    emulator().addVersion(`${HR}-new`);
    const unknown = await post(served, reviewFor(pemOf(versionOf(`${HR}-new`, 1))));
    expect(answered(unknown.text).status.code).toBe(503);
    const known = await post(served, reviewFor(pemOf(one)));
    expect(answered(known.text).opened).toEqual({ password: 'CANARY-1' });
  });

  test('a new key version is found without a restart, and a disabled one goes', async () => {
    const served = await serveWithKms();
    expect(await served.metric('kseal_keys')).toBe(1);
    emulator().addVersion(HR, { id: 2 });
    const body = reviewFor(pemOf(two));
    await vi.waitFor(async () => {
      expect(answered((await post(served, body)).text).opened).toEqual({ password: 'CANARY-1' });
    }, 10_000);
    emulator().setState(two, 'DISABLED');
    await vi.waitFor(async () => expect(await served.metric('kseal_keys')).toBe(1), 10_000);
    expect(answered((await post(served, body)).text)).toMatchObject({
      allowed: false,
      status: { code: 400, message: expect.stringContaining('sealed to key') },
    });
  });
});

describe('what ends a start', () => {
  const failing = (code: 'KEY_INVALID' | 'USAGE') => () =>
    Promise.reject(new KsealError(code, 'words'));

  test('a key that can never be read', async () => {
    const starting = startServed({ references: ['a'], loadKeys: failing('KEY_INVALID') });
    await expect(starting).rejects.toMatchObject({ code: 'KEY_INVALID', message: 'words' });
  });

  test('several of them: all are told', async () => {
    const starting = startServed({ references: ['a', 'b'], loadKeys: failing('USAGE') });
    await expect(starting).rejects.toMatchObject({
      errors: [{ code: 'USAGE' }, { code: 'USAGE' }],
    });
  });

  test.each([
    ['--port', 'port'],
    ['--metrics-port', 'metricsPort'],
  ])('a port in use: %s is named', async (flag, option) => {
    const other = createServer().listen(0, '127.0.0.1');
    await once(other, 'listening');
    onTestFinished(() => void other.close());
    const { port } = other.address() as AddressInfo;
    await expect(startServed({ [option]: port })).rejects.toMatchObject({
      code: 'USAGE',
      message: `cannot listen on 127.0.0.1, port ${port}: the port is in use`,
      hint: `choose another one with ${flag}`,
    });
  });

  test('a signal while keys are still read: at once, and nothing has listened', async () => {
    const reading = vi.fn(() => new Promise<never>(() => {}));
    const starting = startServed({
      references: ['a'],
      loadKeys: reading,
      signalAtStart: 'SIGTERM',
    });
    await expect(starting).rejects.toMatchObject({ message: 'it ended' });
  });
});

test('what nothing caught is logged without its message, and the server lives', async () => {
  const served = await startServed({});
  served.stray(new TypeError('CANARY-message'));
  served.stray('CANARY-text');
  expect(await served.metric('kseal_uncaught_errors_total')).toBe(2);
  expect(served.text()).not.toContain('CANARY');
  expect(served.log().at(-2)?.msg).toMatch(/^a bug in kseal: TypeError at .*serve\.test\.ts/);
  expect((await served.page('/livez'))[0]).toBe(200);
});

test('a bug inside a review: refused with 500, logged without its message, and the next is fine', async () => {
  const pem = pemOf(one);
  const decryptKey = vi.fn(async (): Promise<Uint8Array> => {
    throw new RangeError('CANARY-message');
  });
  const key: OpeningKey = { kid: kidOfPem(pem), modulusBytes: 256, state: 'active', decryptKey };
  const served = await startServed({ references: ['a'], loadKeys: async () => [key] });
  const { status, text } = await post(served, reviewFor(pem));
  expect(status).toBe(200);
  expect(answered(text)).toMatchObject({ uid: 'u1', allowed: false, status: { code: 500 } });
  expect(`${text}${served.text()}`).not.toContain('CANARY');
  expect(served.text()).toMatch(/a bug in kseal: RangeError at .*serve\.test\.ts/);
  expect(await served.metric('kseal_reviews_total{result="failed"}')).toBe(1);
  const next = await post(served, creation({ plain: 'eA==' }));
  expect(answered(next.text)).toEqual({ uid: 'u1', allowed: true, opened: {} });
});

test('what is said of a key each time it is read stands in the log once', async () => {
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
  await vi.waitFor(() => expect(readings).toBeGreaterThan(2));
  expect(served.log().filter(({ msg }) => msg === 'asking elsewhere')).toHaveLength(1);
});
