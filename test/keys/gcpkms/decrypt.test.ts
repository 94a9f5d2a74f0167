import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { readCompact } from '../../../src/jwe/compact.ts';
import { decryptCompact, type OpeningKey } from '../../../src/jwe/decrypt.ts';
import { fetchOpeningKeys } from '../../../src/keys/gcpkms/provider.ts';
import { flipBit, makeJwe } from '../../helpers/jwe.ts';
import { type KmsEmulator, startKmsEmulator } from '../../kms-emulator/emulator.ts';
import { HR, optionsFor, quick, versionOf, wrapCek } from '../../kms-emulator/harness.ts';

const MIXED = `${HR}-mixed`;
const one = versionOf(HR, 1);
const cek = randomBytes(32);
let emulator: KmsEmulator;
/** The opening key of version 1. */
let key: OpeningKey;

beforeAll(async () => {
  emulator = await startKmsEmulator({
    keys: {
      [HR]: [{ id: 1 }, { id: 2 }, { id: 10 }, { id: 3, state: 'DISABLED' }],
      [MIXED]: [{ id: 1, algorithm: 'RSA_DECRYPT_OAEP_2048_SHA1' }, { id: 2 }],
    },
  });
  key = await open(one);
}, 30_000);
beforeEach(() => {
  emulator.clearFaults();
  emulator.calls.length = 0;
});
afterAll(() => emulator.stop());

async function open(name: string, limits = quick): Promise<OpeningKey> {
  const [first] = await fetchOpeningKeys(`gcpkms://${name}`, optionsFor(emulator), limits);
  if (first === undefined) throw new Error('no key');
  return first;
}

const wrapped = (name = one) => wrapCek(emulator, name, cek);

describe('which keys', () => {
  test('a version is used without a list', async () => {
    const { kid, modulusBytes, state } = await open(versionOf(HR, 2));
    expect({ kid: kid.length, modulusBytes, state }).toEqual({
      kid: 43,
      modulusBytes: 256,
      state: 'active',
    });
    expect(emulator.calls).toMatchObject([{ method: 'GetPublicKey', name: versionOf(HR, 2) }]);
  });

  test('a crypto key means its enabled versions, each with its own kid', async () => {
    const keys = await fetchOpeningKeys(`gcpkms://${HR}`, optionsFor(emulator), quick);
    expect(new Set(keys.map(({ kid }) => kid)).size).toBe(3);
    for (const [index, number] of [10, 2, 1].entries()) {
      const sealed = wrapped(versionOf(HR, number));
      expect(await keys[index]?.decryptKey(sealed)).toEqual(cek);
    }
  });

  test('versions with another algorithm are skipped with a note', async () => {
    const options = optionsFor(emulator);
    const keys = await fetchOpeningKeys(`gcpkms://${MIXED}`, options, quick);
    expect(keys).toHaveLength(1);
    expect(options.notes).toContain(
      `skipping ${versionOf(MIXED, 1)}: algorithm is RSA_DECRYPT_OAEP_2048_SHA1`,
    );
  });

  test('if none can open, the error is that of the first', async () => {
    const name = `${HR}-sha1`;
    emulator.addVersion(name, { algorithm: 'RSA_DECRYPT_OAEP_2048_SHA1' });
    await expect(open(name)).rejects.toMatchObject({
      code: 'KEY_INVALID',
      message: expect.stringContaining('algorithm is RSA_DECRYPT_OAEP_2048_SHA1'),
    });
  });
});

describe('decryptKey', () => {
  test('sends the encrypted key with its checksum, and nothing else', async () => {
    const ciphertext = wrapped();
    expect(await key.decryptKey(ciphertext)).toEqual(cek);
    expect(emulator.calls).toEqual([
      {
        method: 'AsymmetricDecrypt',
        name: one,
        ciphertext,
        checksumSent: true,
        authorization: undefined,
      },
    ]);
  });

  test('caches nothing: the same encrypted key is sent again', async () => {
    const ciphertext = wrapped();
    await key.decryptKey(ciphertext);
    await key.decryptKey(ciphertext);
    expect(emulator.calls).toHaveLength(2);
  });

  test.each([
    ['sealed to another key', () => wrapped(versionOf(HR, 2))],
    ['of random bytes', () => randomBytes(256)],
    ['too short', () => randomBytes(16)],
  ])('rejects an encrypted key %s, in one call', async (_, ciphertext) => {
    expect(await key.decryptKey(ciphertext())).toBeUndefined();
    expect(emulator.calls).toHaveLength(1);
  });

  test('100 at once: each gets its own', async () => {
    const ceks = Array.from({ length: 100 }, () => randomBytes(32));
    const opened = await Promise.all(
      ceks.map((own) => key.decryptKey(wrapCek(emulator, one, own))),
    );
    expect(opened.map((own) => Buffer.from(own ?? []))).toEqual(ceks);
    expect(emulator.calls).toHaveLength(100);
  });
});

describe('the answer is verified', () => {
  const damages = [
    ['unverified', 'Cloud KMS received no checksum of the encrypted key'],
    ['wrong-checksum', 'wrong or missing checksum of the content key'],
    ['missing-checksum', 'wrong or missing checksum of the content key'],
    ['damaged-request', 'Cloud KMS received a different encrypted key'],
  ] as const;

  test.each(damages)('%s once or twice: retried', async (fault) => {
    for (const times of [1, 2]) {
      emulator.calls.length = 0;
      emulator.fault('AsymmetricDecrypt', fault, times);
      expect(await key.decryptKey(wrapped())).toEqual(cek);
      expect(emulator.calls).toHaveLength(times + 1);
    }
  });

  test.each(damages)('%s always: refused after three attempts', async (fault, why) => {
    emulator.fault('AsymmetricDecrypt', fault);
    await expect(key.decryptKey(wrapped())).rejects.toMatchObject({
      code: 'KEY_UNAVAILABLE',
      message: `${one}: damaged in transit: ${why}`,
      hint: expect.stringMatching(/^try again; /),
    });
    expect(emulator.calls).toHaveLength(3);
  });
});

test('an encrypted key that changes in memory does not count as rejected', async () => {
  const ciphertext = randomBytes(256);
  emulator.fault('AsymmetricDecrypt', { delay: 100 }, 1);
  const opening = key.decryptKey(ciphertext);
  await vi.waitFor(() => expect(emulator.calls).toHaveLength(1), { interval: 1 });
  ciphertext.writeUInt8(ciphertext.readUInt8(0) ^ 1);
  await expect(opening).rejects.toMatchObject({ code: 'KEY_UNAVAILABLE' });
});

test('a bad encrypted key, tag and padding fail with the same error', async () => {
  const binding = '"kseal":{"scope":"strict","namespace":"hr","name":"db","key":"password"}';
  const header = `{"alg":"RSA-OAEP-256","enc":"A128CBC-HS256",${binding},"kid":"${key.kid}"}`;
  const sound = makeJwe(Buffer.from('secret'), emulator.version(one)?.pem ?? '', header);
  const decrypt = (jwe: string) => decryptCompact(readCompact(Buffer.from(jwe)), [key]);
  expect(Buffer.from((await decrypt(sound)).plaintext).toString()).toBe('secret');
  const failures = await Promise.all(
    [1, 3, 4].map((segment) => decrypt(flipBit(sound, segment, 5)).catch((thrown) => thrown)),
  );
  for (const { code, message, cause } of failures) {
    expect({ code, message, cause }).toEqual({
      code: 'DECRYPTION_FAILED',
      message: 'decryption failed',
      cause: undefined,
    });
  }
});

describe('versions that are not enabled', () => {
  test('one that is disabled while in use is an error, until it is enabled again', async () => {
    emulator.setState(one, 'DISABLED');
    await expect(key.decryptKey(wrapped())).rejects.toMatchObject({
      code: 'KEY_UNAVAILABLE',
      message: `${one}: key version is DISABLED`,
      hint: 'gcloud kms keys versions enable 1 --key hr --keyring kseal --location europe-west3 --project acme-prod',
    });
    emulator.setState(one, 'ENABLED');
    expect(await key.decryptKey(wrapped())).toEqual(cek);
  });

  test.each([
    ['DISABLED', 'enable'],
    ['DESTROY_SCHEDULED', 'restore'],
    ['DESTROYED', 'describe'],
    ['PENDING_GENERATION', 'describe'],
    ['IMPORT_FAILED', 'describe'],
  ])('%s', async (state, command) => {
    emulator.setState(versionOf(HR, 3), state);
    await expect(open(versionOf(HR, 3))).rejects.toMatchObject({
      code: 'KEY_UNAVAILABLE',
      message: `${versionOf(HR, 3)}: key version is ${state}`,
      hint: expect.stringContaining(`gcloud kms keys versions ${command} 3 --key hr `),
    });
    expect(emulator.calls).toHaveLength(1);
  });
});
