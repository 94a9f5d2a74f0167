import { createRequire } from 'node:module';
import type { MethodDefinition, ServiceDefinition } from '@grpc/grpc-js';
import { fromJSON } from '@grpc/proto-loader';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  Damaged,
  decryptionIn,
  errorInfoIn,
  publicKeyIn,
  requests,
  versionsIn,
} from '../../../src/keys/gcpkms/messages.ts';

// Google's own definitions of the messages, with another implementation of Protocol Buffers.
const protos = createRequire(import.meta.url)('@google-cloud/kms/build/protos/protos.json');
const definitions = fromJSON(protos, { longs: Number, enums: String, defaults: true });
const service = definitions['google.cloud.kms.v1.KeyManagementService'] as ServiceDefinition;
const method = (name: string) => service[name] as MethodDefinition<object, object>;
const read = (name: string, request: Buffer) => method(name).requestDeserialize(request);
const written = (name: string, answer: object) => method(name).responseSerialize(answer);

const enums = protos.nested.google.nested.cloud.nested.kms.nested.v1.nested;
const { CryptoKeyVersionAlgorithm, CryptoKeyVersionState } = enums.CryptoKeyVersion.nested;
const anyOf = ({ values }: { values: object }, form = /^/) =>
  fc.constantFrom(...Object.keys(values).filter((name) => form.test(name)));
/** The algorithms that kseal names. */
const algorithm = anyOf(CryptoKeyVersionAlgorithm, /^(RSA|EC)_/);
const text = fc.string({ unit: 'grapheme' });
const bytes = fc.uint8Array({ maxLength: 1000 }).map((value) => Buffer.from(value));
const checksum = fc.nat(2 ** 32 - 1);

test('Google reads every request as it was meant', () => {
  fc.assert(
    fc.property(text, text, bytes, checksum, (name, pageToken, ciphertext, value) => {
      expect(read('GetPublicKey', requests.getPublicKey(name))).toMatchObject({ name });
      const decrypt = requests.asymmetricDecrypt(name, ciphertext, value);
      const expected = { name, ciphertext, ciphertextCrc32c: { value } };
      expect(read('AsymmetricDecrypt', decrypt)).toMatchObject(expected);
      const list = requests.listCryptoKeyVersions(name, pageToken);
      expect(read('ListCryptoKeyVersions', list)).toMatchObject({ parent: name, pageToken });
    }),
  );
});

test('every public key is read as Google writes it', () => {
  const answers = fc.record({
    pem: text,
    algorithm,
    pemCrc32c: fc.option(checksum, { nil: undefined }),
    name: text,
    protectionLevel: anyOf(enums.ProtectionLevel),
  });
  fc.assert(
    fc.property(answers, bytes, (answer, publicKey) => {
      const pemCrc32c = answer.pemCrc32c === undefined ? null : { value: answer.pemCrc32c };
      // With fields that kseal does not read.
      const more = { publicKeyFormat: 'PEM', publicKey: { data: publicKey } };
      const message = written('GetPublicKey', { ...answer, pemCrc32c, ...more });
      expect(publicKeyIn(message)).toEqual(answer);
    }),
  );
});

test('every answer to a decryption is read as Google writes it', () => {
  fc.assert(
    fc.property(bytes, checksum, fc.boolean(), (plaintext, value, verified) => {
      const message = written('AsymmetricDecrypt', {
        plaintext,
        plaintextCrc32c: { value },
        verifiedCiphertextCrc32c: verified,
        protectionLevel: 'HSM',
      });
      const expected = { plaintext, plaintextCrc32c: value, verifiedCiphertextCrc32c: verified };
      expect(decryptionIn(message)).toEqual(expected);
    }),
  );
  expect(decryptionIn(Buffer.alloc(0))).toEqual({
    plaintext: Buffer.alloc(0),
    plaintextCrc32c: undefined,
    verifiedCiphertextCrc32c: false,
  });
});

test('every page of key versions is read as Google writes it', () => {
  const version = fc.record({
    name: text,
    state: anyOf(CryptoKeyVersionState),
    algorithm,
  });
  fc.assert(
    fc.property(fc.array(version), text, (versions, nextPageToken) => {
      const cryptoKeyVersions = versions.map((one) => ({ ...one, createTime: { seconds: 1e9 } }));
      const page = { cryptoKeyVersions, nextPageToken, totalSize: 2000 };
      const message = written('ListCryptoKeyVersions', page);
      const expected = versions.map(({ state, ...one }) => ({
        ...one,
        isEnabled: state === 'ENABLED',
      }));
      expect(versionsIn(message)).toEqual({ versions: expected, nextPageToken });
    }),
  );
});

test('an algorithm without a known name has its number as its name', () => {
  expect(publicKeyIn(Buffer.of(16, 200, 1)).algorithm).toBe('200');
});

test('the last value of a field counts, as in other implementations', () => {
  expect(publicKeyIn(Buffer.of(16, 9, 16, 8)).algorithm).toBe('RSA_DECRYPT_OAEP_2048_SHA256');
});

test('a negative checksum of ten bytes is not a checksum', () => {
  const minusOne = [...Array(9).fill(255), 1];
  const { plaintextCrc32c } = decryptionIn(Buffer.of(18, 11, 8, ...minusOne));
  expect(plaintextCrc32c).toBeGreaterThan(2 ** 32);
});

test('the details of an error set no property of another object', () => {
  const field = (number: number, ...parts: (string | Buffer)[]) => {
    const value = Buffer.concat(parts.map((part) => Buffer.from(part)));
    return Buffer.concat([Buffer.of(number * 8 + 2, value.length), value]);
  };
  const entry = field(3, field(1, '__proto__'), field(2, 'CANARY'));
  const info = field(2, field(1, 'toString'), entry);
  const any = field(3, field(1, 'type.googleapis.com/google.rpc.ErrorInfo'), info);
  const found = errorInfoIn(any);
  expect(found?.reason).toBe('toString');
  expect(Object.entries(found?.errorInfoMetadata ?? {})).toEqual([['__proto__', 'CANARY']]);
  expect(Object.getPrototypeOf(found?.errorInfoMetadata)).toBe(Object.prototype);
});

test('a message of any bytes is read, or refused as damaged', () => {
  fc.assert(
    fc.property(bytes, (message) => {
      for (const readMessage of [publicKeyIn, decryptionIn, versionsIn]) {
        try {
          readMessage(message);
        } catch (error) {
          expect(error).toBeInstanceOf(Damaged);
        }
      }
      errorInfoIn(message);
    }),
  );
});

test.each([
  ['ends in a field', Buffer.of(10, 5, 65)],
  ['ends in a number', Buffer.of(16, 128)],
  ['has an endless number', Buffer.alloc(20, 255)],
  ['has a number of eleven bytes', Buffer.of(16, ...Array(10).fill(128), 1)],
  ['has a field of 2^63 bytes', Buffer.of(10, ...Array(9).fill(128), 1)],
  ['repeats a field in 4 MiB', Buffer.alloc(4 * 1024 * 1024, Buffer.of(10, 0))],
  ['has a group', Buffer.of(11)],
])('a message that %s is damaged', (_, message) => {
  expect(() => publicKeyIn(message)).toThrow(Damaged);
});
