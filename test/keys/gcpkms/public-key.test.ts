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

/** The name of a new crypto key with these versions. */
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

  test('without a version the enabled one with the highest number, over all pages', async () => {
    const { origin, facts } = await fetchKey(HR);
    expect(origin).toBe(versionOf(HR, 10));
    expect(facts.get('protection level')).toBe('HSM');
    const list = 'ListCryptoKeyVersions';
    expect(methods()).toEqual([list, list, list, 'GetPublicKey']);
  });

  test.each([
    ['has none', () => cryptoKey()],
    ['has disabled ones', () => cryptoKey({ state: 'DISABLED' }, { state: 'PENDING_IMPORT' })],
  ])('a crypto key that %s', async (_, key) => {
    const name = key();
    emulator.addVersion(name, { id: 7, state: 'DESTROYED' });
    await expect(fetchKey(name)).rejects.toMatchObject({
      code: 'KEY_UNAVAILABLE',
      message: `${name}: no version of this key is ENABLED`,
      hint: expect.stringMatching(/^gcloud kms keys versions list --key hr-\d+ --keyring kseal /),
    });
  });

  test('a list that never ends ends at the deadline', async () => {
    emulator.fault('ListCryptoKeyVersions', 'endless-list');
    await expect(fetchKey(HR, { ...quick, total: 200 })).rejects.toMatchObject({
      code: 'KEY_DEADLINE',
    });
  });
});

describe('what arrives is checked (K3)', () => {
  const damages = [
    ['wrong-checksum', 'the checksum of the public key is wrong or missing'],
    ['missing-checksum', 'the checksum of the public key is wrong or missing'],
    ['wrong-name', 'the answer is about another key'],
  ] as const;

  test.each(damages)('%s once or twice: asked again', async (fault) => {
    for (const times of [1, 2]) {
      emulator.calls.length = 0;
      emulator.fault('GetPublicKey', fault, times);
      expect((await fetchKey(versionOf(HR, 1))).origin).toBe(versionOf(HR, 1));
      expect(asked()).toHaveLength(times + 1);
    }
  });

  test.each(damages)('%s always: refused after three tries', async (fault, why) => {
    emulator.fault('GetPublicKey', fault);
    await expect(fetchKey(versionOf(HR, 1))).rejects.toMatchObject({
      code: 'KEY_UNAVAILABLE',
      message: `${versionOf(HR, 1)}: damaged on the way: ${why}`,
    });
    expect(asked()).toHaveLength(3);
  });

  test('a list that has versions of another key', async () => {
    emulator.fault('ListCryptoKeyVersions', 'wrong-name', 1);
    expect((await fetchKey(HR)).origin).toBe(versionOf(HR, 10));
    emulator.fault('ListCryptoKeyVersions', 'wrong-name');
    await expect(fetchKey(HR)).rejects.toMatchObject({
      message: `${HR}: damaged on the way: the list has versions of another key`,
    });
  });

  test('a checksum above 2^31 is no negative number', async () => {
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
])('a checksum that comes as %s', (_, value, number) => {
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
        message: `${versionOf(name, 1)}: its algorithm is ${algorithm}, and kseal needs RSA_DECRYPT_OAEP_*_SHA256`,
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
        message: `${name}: its algorithm is ${algorithm}, and such a key does not decrypt`,
      });
    },
  );

  test('a symmetric key, which has no public key', async () => {
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
    ['an RSA modulus of 1024 bits', pemOf(1024).publicKey],
    ['RSA public exponent 3', pemOf(2048, 3).publicKey],
    ['not an RSA encryption key but ec', ec.export({ type: 'spki', format: 'pem' }).toString()],
    ['not a public key', pemOf(2048).privateKey],
    ['holds several PEM blocks', pemOf(2048).publicKey.repeat(2)],
    ['holds no key in PEM or JWK form', 'CANARY-not-a-key'],
  ])('a key that is %s, with a sound checksum', async (why, pem) => {
    const name = versionOf(cryptoKey({ pem }), 1);
    const error = await fetchKey(name).catch((thrown) => thrown);
    expect(error).toMatchObject({ code: 'KEY_INVALID' });
    expect(error.message).toContain(`${name}: `);
    expect(error.message).toContain(why.replace(/^an? /, ''));
    expect(`${error.message}${error.hint}`).not.toMatch(/CANARY|MII/);
  });
});
