import { createPublicKey, generateKeyPairSync } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { kidOf } from '../../../src/jwe/thumbprint.ts';
import { checksumOf, crc32c } from '../../../src/keys/gcpkms/call.ts';
import { fetchPublicKey } from '../../../src/keys/gcpkms/provider.ts';
import {
  type KmsEmulator,
  startKmsEmulator,
  type VersionSpec,
} from '../../kms-emulator/emulator.ts';
import { HR, optionsFor, quick, versionOf } from '../../kms-emulator/harness.ts';

let emulator: KmsEmulator;
let added = 0;

beforeAll(async () => {
  emulator = await startKmsEmulator({
    keys: {
      [HR]: [
        { id: 10, protectionLevel: 'HSM' },
        { id: 9 },
        { id: 2 },
        { id: 1 },
        { id: 11, state: 'DISABLED' },
        { id: 100, state: 'DESTROYED' },
      ],
    },
  });
  await fetchKey(versionOf(HR, 1));
}, 30_000);
beforeEach(() => {
  emulator.clearFaults();
  emulator.calls.length = 0;
});
afterAll(() => emulator.stop());

function fetchKey(name: string, limits = quick) {
  return fetchPublicKey(`gcpkms://${name}`, optionsFor(emulator), limits);
}

/** Adds a crypto key with these versions, and returns its name. */
function cryptoKey(...versions: readonly VersionSpec[]): string {
  added += 1;
  const name = `${HR}-${added}`;
  for (const version of versions) emulator.addVersion(name, version);
  return name;
}

const methods = () => emulator.calls.map(({ method }) => method);
const asked = () => methods().filter((method) => method === 'GetPublicKey');

describe('which version', () => {
  test('the version that the reference names, in one call', async () => {
    const name = versionOf(HR, 2);
    const pem = emulator.version(name)?.pem ?? '';
    const { key, ...rest } = await fetchKey(name);
    expect(rest).toEqual({
      kind: 'public',
      form: 'SPKI PEM',
      bits: 2048,
      kid: await kidOf(createPublicKey(pem)),
      origin: name,
      facts: new Map([
        ['key version', name],
        ['algorithm', 'RSA_DECRYPT_OAEP_2048_SHA256'],
        ['protection level', 'SOFTWARE'],
      ]),
    });
    expect(key.export({ type: 'spki', format: 'pem' })).toBe(pem);
    expect(emulator.calls).toMatchObject([{ method: 'GetPublicKey', name }]);
  });

  test('the enabled version with the highest number, from all pages of the list', async () => {
    const { origin, facts } = await fetchKey(HR);
    expect(origin).toBe(versionOf(HR, 10));
    expect(facts.get('protection level')).toBe('HSM');
    const list = 'ListCryptoKeyVersions';
    expect(methods()).toEqual([list, list, list, 'GetPublicKey']);
  });

  test.each([
    ['has no versions', () => cryptoKey()],
    [
      'has only disabled versions',
      () => cryptoKey({ state: 'DISABLED' }, { state: 'PENDING_IMPORT' }),
    ],
  ])('a crypto key that %s', async (_, key) => {
    const name = key();
    emulator.addVersion(name, { id: 7, state: 'DESTROYED' });
    await expect(fetchKey(name)).rejects.toMatchObject({
      code: 'KEY_UNAVAILABLE',
      message: `${name}: no key version is ENABLED`,
      hint: expect.stringMatching(/^gcloud kms keys versions list --key hr-\d+ --keyring kseal /),
    });
  });

  test('an endless list ends at the deadline', async () => {
    emulator.fault('ListCryptoKeyVersions', 'endless-list');
    await expect(fetchKey(HR, { ...quick, total: 200 })).rejects.toMatchObject({
      code: 'KEY_DEADLINE',
    });
  });
});

describe('the answer is verified', () => {
  const damages = [
    ['wrong-checksum', 'wrong or missing checksum of the public key'],
    ['missing-checksum', 'wrong or missing checksum of the public key'],
    ['wrong-name', 'the answer is for another key'],
  ] as const;

  test.each(damages)('%s once or twice: retried', async (fault) => {
    for (const times of [1, 2]) {
      emulator.calls.length = 0;
      emulator.fault('GetPublicKey', fault, times);
      expect((await fetchKey(versionOf(HR, 1))).origin).toBe(versionOf(HR, 1));
      expect(asked()).toHaveLength(times + 1);
    }
  });

  test.each(damages)('%s always: refused after three attempts', async (fault, why) => {
    emulator.fault('GetPublicKey', fault);
    await expect(fetchKey(versionOf(HR, 1))).rejects.toMatchObject({
      code: 'KEY_UNAVAILABLE',
      message: `${versionOf(HR, 1)}: damaged in transit: ${why}`,
    });
    expect(asked()).toHaveLength(3);
  });

  test('a list with versions of another key', async () => {
    emulator.fault('ListCryptoKeyVersions', 'wrong-name', 1);
    expect((await fetchKey(HR)).origin).toBe(versionOf(HR, 10));
    emulator.fault('ListCryptoKeyVersions', 'wrong-name');
    await expect(fetchKey(HR)).rejects.toMatchObject({
      message: `${HR}: damaged in transit: the list contains versions of another key`,
    });
  });

  test('a checksum above 2^31 is positive', async () => {
    const pem = emulator.version(versionOf(HR, 1))?.pem ?? '';
    const texts = Array.from({ length: 200 }, (_, lines) => pem + '\n'.repeat(lines));
    const large = texts.find((text) => crc32c(Buffer.from(text)) > 3 * 10 ** 9) ?? '';
    const name = cryptoKey({ pem: large });
    expect((await fetchKey(name)).origin).toBe(versionOf(name, 1));
  });
});

test.each([
  ['text', '3808858755', 3808858755],
  ['a number', 3808858755, 3808858755],
  ['a Long', { low: -486108541, high: 0, toString: () => '3808858755' }, 3808858755],
  ['nothing', undefined, undefined],
  ['null', null, undefined],
])('a checksum as %s', (_, value, number) => {
  expect(checksumOf({ value })).toBe(number);
  expect(checksumOf(null)).toBeUndefined();
});

describe('which keys', () => {
  test.each(['RSA_DECRYPT_OAEP_2048_SHA1', 'RSA_DECRYPT_OAEP_4096_SHA512'])(
    'algorithm %s',
    async (algorithm) => {
      const pem = emulator.version(versionOf(HR, 1))?.pem ?? '';
      const name = cryptoKey({ algorithm, pem });
      await expect(fetchKey(name)).rejects.toMatchObject({
        code: 'KEY_INVALID',
        message: `${versionOf(name, 1)}: algorithm is ${algorithm}, must be RSA_DECRYPT_OAEP_*_SHA256`,
        hint: expect.stringContaining('rsa-decrypt-oaep-4096-sha256'),
      });
    },
  );

  test.each(['RSA_SIGN_PSS_2048_SHA256', 'RSA_SIGN_PKCS1_2048_SHA256', 'EC_SIGN_P256_SHA256'])(
    'algorithm %s',
    async (algorithm) => {
      const name = versionOf(cryptoKey({ algorithm }), 1);
      await expect(fetchKey(name)).rejects.toMatchObject({
        code: 'KEY_INVALID',
        message: `${name}: algorithm is ${algorithm}, which does not decrypt`,
      });
    },
  );

  test('a symmetric key', async () => {
    const name = versionOf(cryptoKey({ algorithm: 'GOOGLE_SYMMETRIC_ENCRYPTION' }), 1);
    await expect(fetchKey(name)).rejects.toMatchObject({
      code: 'KEY_INVALID',
      message: `${name}: not a key for asymmetric decryption`,
    });
  });

  const pemOf = (modulusLength: number, publicExponent = 65537) =>
    generateKeyPairSync('rsa', {
      modulusLength,
      publicExponent,
      publicKeyEncoding: { type: 'spki', format: 'pem' },
      privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
    });
  const ec = generateKeyPairSync('ec', { namedCurve: 'P-256' }).publicKey;

  test.each([
    ['RSA modulus has 1024 bits', pemOf(1024).publicKey],
    ['RSA public exponent is 3', pemOf(2048, 3).publicKey],
    ['key type is ec', ec.export({ type: 'spki', format: 'pem' }).toString()],
    ['is a private key', pemOf(2048).privateKey],
    ['contains more than one PEM block', pemOf(2048).publicKey.repeat(2)],
    ['not a key in PEM or JWK format', 'CANARY-not-a-key'],
  ])('a bad key with a good checksum: %s', async (why, pem) => {
    const name = versionOf(cryptoKey({ pem }), 1);
    const error = await fetchKey(name).catch((thrown) => thrown);
    expect(error).toMatchObject({ code: 'KEY_INVALID' });
    expect(error.message).toContain(`${name}: ${why}`);
    expect(`${error.message}${error.hint}`).not.toMatch(/CANARY|MII/);
  });
});
