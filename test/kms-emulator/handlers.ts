import { constants, privateDecrypt } from 'node:crypto';
import type { ServiceError } from '@grpc/grpc-js';
import { crc32c } from '../../src/keys/gcpkms/call.ts';
import { type Method, statusError } from './faults.ts';
import { type KeyStore, type KeyVersion, oaepHash, purposeOf } from './keys.ts';

/** The request fields of all methods. */
export interface Request {
  readonly name?: string;
  readonly parent?: string;
  readonly pageToken?: string;
  readonly pageSize?: number;
  readonly ciphertext?: Buffer;
  readonly ciphertextCrc32c?: { readonly value: string } | null;
}

export type Answer = Record<string, unknown>;

/** Answers a request, or throws a gRPC error. */
export type Handler = (request: Request) => Answer;

const CRYPTO_KEY = /^projects\/[^/]+\/locations\/[^/]+\/keyRings\/[^/]+\/cryptoKeys\/[^/]+$/;
const VERSION = new RegExp(`${CRYPTO_KEY.source.slice(0, -1)}/cryptoKeyVersions/\\d+$`);

/** The most versions on one page of a list: so small that tests need several pages. */
const PAGE_SIZE = 2;

/** The handler of each method. Errors have the codes and messages of Cloud KMS. */
export function handlersOf(store: KeyStore): Record<Method, Handler> {
  const enabled = (name = ''): KeyVersion => {
    checkName(VERSION, name);
    const version = found(store.version(name), name);
    if (version.state === 'ENABLED') return version;
    throw statusError({
      status: 'FAILED_PRECONDITION',
      message: `${name} is not enabled, current state is: ${version.state}.`,
    });
  };
  return {
    GetPublicKey: ({ name }) => publicKey(enabled(name)),
    AsymmetricDecrypt: (request) => decrypt(enabled(request.name), request),
    ListCryptoKeyVersions: ({ parent = '', pageToken, pageSize }) => {
      checkName(CRYPTO_KEY, parent);
      const versions = found(store.versions(parent), parent);
      const start = Number(pageToken || 0);
      const end = start + Math.min(pageSize || PAGE_SIZE, PAGE_SIZE);
      return {
        cryptoKeyVersions: versions.slice(start, end).map(described),
        nextPageToken: end < versions.length ? String(end) : '',
        totalSize: versions.length,
      };
    },
    GetCryptoKey: ({ name = '' }) => {
      checkName(CRYPTO_KEY, name);
      const [first] = found(store.versions(name), name);
      return { name, purpose: purposeOf(first?.algorithm ?? '') };
    },
    GetCryptoKeyVersion: ({ name = '' }) => {
      checkName(VERSION, name);
      return described(found(store.version(name), name));
    },
  };
}

function described({ name, state, algorithm, protectionLevel }: KeyVersion): Answer {
  return { name, state, algorithm, protectionLevel };
}

function publicKey({ name, algorithm, protectionLevel, pem }: KeyVersion): Answer {
  if (pem === '') throw unsuitable(name, algorithm);
  return { name, algorithm, protectionLevel, pem, pemCrc32c: checksum(Buffer.from(pem)) };
}

function decrypt({ name, algorithm, privateKey, protectionLevel }: KeyVersion, request: Request) {
  const { ciphertext = Buffer.alloc(0), ciphertextCrc32c } = request;
  const hash = oaepHash(algorithm);
  if (hash === undefined || privateKey === undefined) throw unsuitable(name, algorithm);
  if (ciphertextCrc32c && Number(ciphertextCrc32c.value) !== crc32c(ciphertext)) {
    throw statusError({
      status: 'INVALID_ARGUMENT',
      message:
        'The checksum in field ciphertext_crc32c did not match the data in field ciphertext.',
    });
  }
  const plaintext = unwrap(() =>
    privateDecrypt(
      { key: privateKey, padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash: hash },
      ciphertext,
    ),
  );
  return {
    plaintext,
    plaintextCrc32c: checksum(plaintext),
    verifiedCiphertextCrc32c: Boolean(ciphertextCrc32c),
    protectionLevel,
  };
}

function unwrap(decryptOaep: () => Buffer): Buffer {
  try {
    return decryptOaep();
  } catch {
    throw statusError({
      status: 'INVALID_ARGUMENT',
      message: 'Decryption failed: the ciphertext is invalid.',
    });
  }
}

function checksum(bytes: Uint8Array): Answer {
  return { value: String(crc32c(bytes)) };
}

function checkName(form: RegExp, name: string): void {
  if (form.test(name)) return;
  throw statusError({ status: 'INVALID_ARGUMENT', message: `Invalid resource name: ${name}` });
}

function found<T>(value: T | undefined, name: string): T {
  if (value !== undefined) return value;
  throw statusError({ status: 'NOT_FOUND', message: `${name} not found.` });
}

function unsuitable(name: string, algorithm: string): Partial<ServiceError> {
  return statusError({
    status: 'FAILED_PRECONDITION',
    message: `${name} has algorithm ${algorithm}, which does not support this operation.`,
  });
}
