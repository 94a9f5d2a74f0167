import { expect, onTestFinished, test } from 'vitest';
import { fetchOpeningKeys } from '../../../src/keys/gcpkms/provider.ts';
import { startKmsEmulator } from '../../kms-emulator/emulator.ts';
import { emulatorForTests } from '../../kms-emulator/for-tests.ts';
import { HR, optionsFor, quick, versionOf } from '../../kms-emulator/harness.ts';
import { eventually } from '../common.ts';
import { answered, creation, sealed, sealedValues } from '../reviews.ts';
import { keepingAgent, post } from './https.ts';
import { type Served, type Serving, startServed } from './served.ts';

// The server with its keys in Cloud KMS, for each class of failure once.

const one = versionOf(HR, 1);
const two = versionOf(HR, 2);
const emulator = emulatorForTests();

async function serveWithKms(kms = emulator(), more: Partial<Serving> = {}): Promise<Served> {
  const served = await startServed({
    ...more,
    references: [`gcpkms://${HR}`],
    loadKeys: (reference) => fetchOpeningKeys(reference, optionsFor(kms), quick),
    times: { refresh: 50, refreshAfterFailure: 50 },
  });
  // The start waits only for a while.
  await eventually(async () => expect((await served.page('/readyz'))[0]).toBe(200));
  return served;
}

const reviewFor = (version: string, kms = emulator()) =>
  creation(sealedValues(1, kms.version(version)?.pem ?? ''));
const opened = { 'key-0': 'value-0' };

test('a KMS that does not answer: refused before the deadline, and the connection stays', async () => {
  const served = await serveWithKms();
  const agent = keepingAgent(1);
  emulator().fault('AsymmetricDecrypt', 'hang');
  const late = await post(served, reviewFor(one), { path: '/mutate?timeout=1s', agent });
  expect(late.status).toBe(200);
  expect(answered(late.text)).toMatchObject({
    uid: 'u1',
    allowed: false,
    status: { code: 504, reason: 'Timeout' },
  });
  emulator().clearFaults();
  const next = await post(served, reviewFor(one), { agent });
  expect(answered(next.text).opened).toEqual(opened);
  expect(Object.values(agent.freeSockets).flat()).toHaveLength(1);
});

test('with --kms-timeout, a KMS that does not answer costs a review no more than that', async () => {
  const served = await serveWithKms(emulator(), { kmsTimeout: 200 });
  emulator().fault('AsymmetricDecrypt', 'hang');
  // Without the option, the deadline of this review is 28.5 s, longer than a test may take.
  const { text } = await post(served, reviewFor(one), { path: '/mutate?timeout=30s' });
  expect(answered(text)).toMatchObject({ allowed: false, status: { code: 504 } });
  emulator().clearFaults();
});

test('a KMS that is down: the client can retry, and the next review finds it again', async () => {
  const keys = { [HR]: [{ id: 1 }] };
  const first = await startKmsEmulator({ keys });
  onTestFinished(() => first.stop());
  const served = await serveWithKms(first);
  const body = reviewFor(one, first);
  expect(answered((await post(served, body)).text).opened).toEqual(opened);
  first.stop();
  const dead = answered((await post(served, body)).text);
  expect(dead.status).toMatchObject({ code: 503, details: { retryAfterSeconds: 1 } });
  expect((await served.page('/readyz'))[0]).toBe(200);
  const second = await startKmsEmulator({ keys, port: Number(first.endpoint.split(':')[1]) });
  onTestFinished(() => second.stop());
  await eventually(async () =>
    expect(answered((await post(served, reviewFor(one, second))).text).opened).toEqual(opened),
  );
});

test('a KMS that denies access: the user is not shown a resource or an identity', async () => {
  const served = await serveWithKms();
  const message = `CANARY anna@example.com ${one}`;
  emulator().fault('AsymmetricDecrypt', { status: 'PERMISSION_DENIED', message });
  const { text } = await post(served, reviewFor(one));
  expect(answered(text)).toMatchObject({ allowed: false, status: { code: 500 } });
  expect(text).not.toMatch(/CANARY|anna|acme-prod|cryptoKey|gcloud/);
  expect(served.text()).toContain(`${one}: access denied`);
  expect(served.text()).not.toMatch(/CANARY|anna/);
});

test('a new key version is used without a restart, and a disabled one no longer', async () => {
  const served = await serveWithKms();
  expect(await served.metric('kseal_keys')).toBe(1);
  emulator().addVersion(HR, { id: 2 });
  const body = reviewFor(two);
  await eventually(async () =>
    expect(answered((await post(served, body)).text).opened).toEqual(opened),
  );
  emulator().setState(two, 'DISABLED');
  await eventually(async () => expect(await served.metric('kseal_keys')).toBe(1));
  expect(answered((await post(served, body)).text)).toMatchObject({
    allowed: false,
    status: { code: 400, message: expect.stringContaining('sealed to key') },
  });
});

test('concurrent reviews each get their own value', async () => {
  const served = await serveWithKms();
  const agent = keepingAgent(20);
  const pem = emulator().version(one)?.pem ?? '';
  const reviewOf = async (_: unknown, index: number) => {
    const place = { namespace: `ns-${index % 7}`, name: `secret-${index}` };
    const data = { password: sealed(`CANARY-${index}`, pem, 'password', place) };
    const body = creation(data, { ...place, uid: `uid-${index}` });
    const { uid, opened } = answered((await post(served, body, { agent })).text);
    return [uid, opened.password];
  };
  const answers = await Promise.all(Array.from({ length: 60 }, reviewOf));
  expect(answers).toEqual(answers.map((_, index) => [`uid-${index}`, `CANARY-${index}`]));
  expect(await served.metric('kseal_values_opened_total')).toBe(60);
  expect(await served.metric('kseal_reviews_in_flight')).toBe(0);
  expect(served.text()).not.toContain('CANARY');
});
