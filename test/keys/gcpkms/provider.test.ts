import { createPublicKey, generateKeyPairSync, randomBytes } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { readCompact } from '../../../src/jwe/compact.ts';
import { decryptCompact, type OpeningKey } from '../../../src/jwe/decrypt.ts';
import { kidOf } from '../../../src/jwe/thumbprint.ts';
import { crc32c } from '../../../src/keys/gcpkms/call.ts';
import { fetchOpeningKeys, fetchPublicKey } from '../../../src/keys/gcpkms/provider.ts';
import { flipBit, makeJwe } from '../../helpers/jwe.ts';
import {
  type KmsEmulator,
  startKmsEmulator,
  type VersionSpec,
} from '../../kms-emulator/emulator.ts';
import { HR, optionsFor, quick, versionOf, wrapCek } from '../../kms-emulator/harness.ts';

describe('fetchPublicKey', () => {
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
        kid: kidOf(createPublicKey(pem)),
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
});

describe('fetchOpeningKeys', () => {
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
          quotaProject: undefined,
          routing: `name=${encodeURIComponent(one)}`,
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
});
