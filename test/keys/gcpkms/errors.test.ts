import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { status } from '@grpc/grpc-js';
import {
  afterAll,
  beforeAll,
  beforeEach,
  describe,
  expect,
  onTestFinished,
  test,
  vi,
} from 'vitest';
import { exitCodeOf, KsealError } from '../../../src/errors.ts';
import { defaultLimits, type Limits, type Session } from '../../../src/keys/gcpkms/call.ts';
import { connect, kmsEndpoint } from '../../../src/keys/gcpkms/client.ts';
import { decryptWith, fetchPublicKey } from '../../../src/keys/gcpkms/provider.ts';
import { type KmsEmulator, startKmsEmulator } from '../../kms-emulator/emulator.ts';
import { HR, optionsFor, quick, versionOf, wrapCek } from '../../kms-emulator/harness.ts';

const one = versionOf(HR, 1);
const cek = randomBytes(32);
let emulator: KmsEmulator;
let client: Session['client'];

beforeAll(async () => {
  emulator = await startKmsEmulator({ keys: { [HR]: [{ id: 1 }] } });
  client = await connect(kmsEndpoint(optionsFor(emulator)), 'acme-prod');
}, 30_000);
beforeEach(() => {
  emulator.clearFaults();
  emulator.calls.length = 0;
});
afterAll(() => emulator.stop());

/** A use of each method. */
const uses = {
  GetPublicKey: (limits: Limits) => fetchPublicKey(`gcpkms://${one}`, optionsFor(emulator), limits),
  ListCryptoKeyVersions: (limits: Limits) =>
    fetchPublicKey(`gcpkms://${HR}`, optionsFor(emulator), limits),
  AsymmetricDecrypt: (limits: Limits) =>
    decryptWith({ client, limits, deadline: 0 }, one, wrapCek(emulator, one, cek)),
};
type Use = keyof typeof uses;
const methods = Object.keys(uses) as Use[];

async function failure(method: Use, limits = quick): Promise<KsealError> {
  const answer: unknown = await uses[method](limits).catch((thrown: unknown) => thrown);
  expect(answer).toBeInstanceOf(KsealError);
  return answer as KsealError;
}

/** Google's message may name people, so neither message nor hint quotes it. */
const theirs = 'CANARY anna@example.com';

const here = '--keyring kseal --location europe-west3 --project acme-prod';

/** Status, error code, attempts, and a part of the message and of the hint. */
const outcomes = [
  ['CANCELLED', 'KEY_UNAVAILABLE', 1, 'failed with gRPC status 1', '--debug shows'],
  ['UNKNOWN', 'KEY_UNAVAILABLE', 1, 'failed with gRPC status 2', '--debug shows'],
  ['DEADLINE_EXCEEDED', 'KEY_DEADLINE', 3, 'did not answer in time', 'try again'],
  ['NOT_FOUND', 'KEY_NOT_FOUND', 1, 'not found in Cloud KMS', `gcloud kms keys list ${here}`],
  ['ALREADY_EXISTS', 'KEY_UNAVAILABLE', 1, 'gRPC status 6', '--debug shows'],
  ['PERMISSION_DENIED', 'KEY_DENIED', 1, 'access denied', 'add-iam-policy-binding hr '],
  ['RESOURCE_EXHAUSTED', 'KEY_UNAVAILABLE', 3, 'quota', 'wait a minute'],
  ['FAILED_PRECONDITION', 'KEY_INVALID', 1, 'not a key for asymmetric decryption', 'list'],
  ['ABORTED', 'KEY_UNAVAILABLE', 1, 'gRPC status 10', '--debug shows'],
  ['OUT_OF_RANGE', 'KEY_UNAVAILABLE', 1, 'gRPC status 11', '--debug shows'],
  ['UNIMPLEMENTED', 'KEY_UNAVAILABLE', 1, 'gRPC status 12', '--debug shows'],
  ['INTERNAL', 'KEY_UNAVAILABLE', 3, 'gRPC status 13', '--debug shows'],
  ['UNAVAILABLE', 'KEY_UNAVAILABLE', 3, 'cannot reach Cloud KMS', 'https_proxy'],
  ['DATA_LOSS', 'KEY_UNAVAILABLE', 1, 'gRPC status 15', '--debug shows'],
  ['UNAUTHENTICATED', 'KEY_CREDENTIALS', 1, 'expired or revoked', 'application-default login'],
] as const;

describe.each(methods)('%s answers', (method) => {
  test.each(outcomes)('%s', async (name, code, tries, message, hint) => {
    emulator.fault(method, { status: name, message: theirs });
    const error = await failure(method);
    expect(error).toMatchObject({ code });
    expect(exitCodeOf(error)).toBe(code === 'KEY_INVALID' ? 2 : 4);
    expect(error.message).toContain(message);
    expect(error.hint).toContain(hint);
    expect(`${error.message} ${error.hint}`).not.toContain('CANARY');
    expect(String(error.cause)).toContain(theirs);
    expect(emulator.calls).toHaveLength(tries);
  });

  test.each(['UNAVAILABLE', 'RESOURCE_EXHAUSTED', 'INTERNAL', 'DEADLINE_EXCEEDED'] as const)(
    '%s twice, then success',
    async (name) => {
      emulator.fault(method, { status: name }, 2);
      await uses[method](quick);
      expect(emulator.calls.filter((call) => call.method === method)).toHaveLength(3);
    },
  );

  test('nothing: each attempt ends at the limit for calls', async () => {
    emulator.fault(method, 'hang');
    expect(await failure(method, { ...quick, call: 60 })).toMatchObject({
      code: 'KEY_DEADLINE',
      message: `${method === 'ListCryptoKeyVersions' ? HR : one}: Cloud KMS did not answer in time`,
    });
  });

  test('nothing: all attempts together end at the deadline', async () => {
    emulator.fault(method, 'hang');
    const limits = { call: 60_000, total: 150, pause: 1 };
    expect(await failure(method, limits)).toMatchObject({ code: 'KEY_DEADLINE' });
  });

  test('late, but before the limit', async () => {
    emulator.fault(method, { delay: 50 }, 1);
    await uses[method](quick);
    expect(emulator.calls.filter((call) => call.method === method)).toHaveLength(1);
  });
});

test('the attempt after a call without an answer succeeds', async () => {
  emulator.fault('GetPublicKey', 'hang', 1);
  let attempts = 0;
  const limits: Limits = {
    ...quick,
    get call() {
      attempts += 1;
      return attempts === 1 ? 1_000 : quick.call;
    },
  };
  await uses.GetPublicKey(limits);
  expect(emulator.calls.length).toBeGreaterThan(1);
});

test.each([
  ['GetPublicKey', 'viewPublicKey', 'publicKeyViewer'],
  ['AsymmetricDecrypt', 'useToDecrypt', 'cryptoKeyDecrypter'],
  ['ListCryptoKeyVersions', 'list', 'viewer'],
] as const)(
  'PERMISSION_DENIED for %s names the permission and the role',
  async (method, permission, role) => {
    emulator.fault(method, { status: 'PERMISSION_DENIED' });
    const { message, hint } = await failure(method);
    expect(message).toContain(`no permission cloudkms.cryptoKeyVersions.${permission}`);
    expect(hint).toBe(
      `gcloud kms keys add-iam-policy-binding hr ${here} --member user:YOU --role roles/cloudkms.${role}`,
    );
  },
);

test.each([
  [
    'SERVICE_DISABLED',
    'KEY_UNAVAILABLE',
    'Cloud KMS API: not enabled in the project that the calls are billed to',
    'gcloud services enable cloudkms.googleapis.com --project 4711',
  ],
  [
    'ACCESS_TOKEN_SCOPE_INSUFFICIENT',
    'KEY_CREDENTIALS',
    'access scopes do not include Cloud KMS',
    'the scope cloud-platform',
  ],
  ['SECURITY_POLICY_VIOLATED', 'KEY_DENIED', 'a VPC Service Controls perimeter', 'ingress'],
  ['SOMETHING_NEW', 'KEY_DENIED', 'access denied', 'add-iam-policy-binding'],
  ['constructor', 'KEY_DENIED', 'access denied', 'add-iam-policy-binding'],
])('PERMISSION_DENIED with reason %s', async (reason, code, message, hint) => {
  emulator.fault('GetPublicKey', {
    status: 'PERMISSION_DENIED',
    reason,
    consumer: 'projects/4711',
  });
  const error = await failure('GetPublicKey');
  expect(error).toMatchObject({ code, message: expect.stringContaining(message) });
  expect(error.hint).toContain(hint);
});

test('a malformed project is not quoted in a command', async () => {
  const consumer = 'projects/x; rm -rf /';
  const fault = { status: 'PERMISSION_DENIED', reason: 'SERVICE_DISABLED', consumer } as const;
  emulator.fault('GetPublicKey', fault);
  expect((await failure('GetPublicKey')).hint).toMatch(/ --project PROJECT$/);
});

test('a key that does not exist', async () => {
  const name = versionOf(`${HR}-not-there`, 1);
  await expect(
    fetchPublicKey(`gcpkms://${name}`, optionsFor(emulator), quick),
  ).rejects.toMatchObject({ code: 'KEY_NOT_FOUND', message: `${name}: not found in Cloud KMS` });
});

test('INVALID_ARGUMENT for a name', async () => {
  emulator.fault('GetPublicKey', { status: 'INVALID_ARGUMENT', message: theirs });
  expect(await failure('GetPublicKey')).toMatchObject({ code: 'KEY_INVALID' });
  expect(emulator.calls).toHaveLength(1);
});

test('a closed port', async () => {
  const options = optionsFor({ endpoint: '127.0.0.1:1' });
  await expect(fetchPublicKey(`gcpkms://${one}`, options, quick)).rejects.toMatchObject({
    code: 'KEY_UNAVAILABLE',
    message: `${one}: cannot reach Cloud KMS (UNAVAILABLE)`,
  });
  expect(options.notes).toEqual([
    'using Cloud KMS at 127.0.0.1:1, in plain text and without credentials',
  ]);
});

test.each([
  ['is missing', undefined],
  ['is not JSON', 'CANARY-secret'],
  ['has an unknown type', '{"type":"CANARY-secret"}'],
])('a credentials file that %s: the error has its name, but not its content', async (_, text) => {
  const folder = mkdtempSync(join(tmpdir(), 'kseal-kms-'));
  const file = join(folder, 'credentials.json');
  if (text !== undefined) writeFileSync(file, text);
  vi.stubEnv('GOOGLE_APPLICATION_CREDENTIALS', file);
  onTestFinished(() => {
    vi.unstubAllEnvs();
    rmSync(folder, { recursive: true });
  });
  const options = { ...optionsFor(emulator), kmsEndpoint: 'kms.example.com' };
  const error = await fetchPublicKey(`gcpkms://${one}`, options, quick).catch((thrown) => thrown);
  expect(error).toMatchObject({
    code: 'KEY_CREDENTIALS',
    message: `GOOGLE_APPLICATION_CREDENTIALS: ${file} contains no Google credentials`,
  });
  expect(`${error.stack} ${error.hint} ${error.cause}`).not.toContain('CANARY');
});

test('the limits leave time for three attempts', () => {
  const { call, total, pause } = defaultLimits;
  expect(3 * call + 3 * pause).toBeLessThan(total);
});

test('every gRPC status is tested here', () => {
  const known = Object.keys(status).filter((name) => Number.isNaN(Number(name)));
  const tested = outcomes.map(([name]) => name as string);
  expect(tested.concat('OK', 'INVALID_ARGUMENT').sort()).toEqual(known.sort());
});
