import { createPublicKey, generateKeyPairSync, type KeyObject } from 'node:crypto';

/** How a test describes a key version; plain data, so that it can cross a process border. */
export interface VersionSpec {
  /** The number of the version; without it the one after the last. */
  readonly id?: number;
  /** `google.cloud.kms.v1.CryptoKeyVersion.CryptoKeyVersionState`; ENABLED without it. */
  readonly state?: string;
  /** `CryptoKeyVersionAlgorithm`; RSA_DECRYPT_OAEP_2048_SHA256 without it. */
  readonly algorithm?: string;
  readonly protectionLevel?: string;
  /** The public key that GetPublicKey tells, of a version without a private key. */
  readonly pem?: string;
}

export interface KeyVersion {
  readonly name: string;
  state: string;
  readonly algorithm: string;
  readonly protectionLevel: string;
  readonly pem: string;
  readonly privateKey: KeyObject | undefined;
}

/** Crypto keys by their full name, each with its versions. */
export type KeySpecs = Readonly<Record<string, readonly VersionSpec[]>>;

const curves: Readonly<Record<string, string>> = { P256: 'P-256', P384: 'P-384' };

/** Key pairs are slow to make, so each emulator of a process takes them from the first on. */
const pool = new Map<string, KeyObject[]>();

/** The hash of an algorithm to decrypt with, as node:crypto names it; undefined for others. */
export function oaepHash(algorithm: string): string | undefined {
  return /^RSA_DECRYPT_OAEP_\d+_(SHA\d+)$/.exec(algorithm)?.[1]?.toLowerCase();
}

export function purposeOf(algorithm: string): string {
  if (algorithm.startsWith('RSA_DECRYPT_')) return 'ASYMMETRIC_DECRYPT';
  return algorithm.includes('_SIGN_') ? 'ASYMMETRIC_SIGN' : 'ENCRYPT_DECRYPT';
}

export class KeyStore {
  readonly #versions = new Map<string, KeyVersion[]>();
  readonly #taken = new Map<string, number>();

  constructor(keys: KeySpecs) {
    for (const [name, specs] of Object.entries(keys)) {
      this.#versions.set(name, []);
      for (const spec of specs) this.add(name, spec);
    }
  }

  add(cryptoKey: string, spec: VersionSpec = {}): KeyVersion {
    const versions = this.#versions.get(cryptoKey) ?? [];
    this.#versions.set(cryptoKey, versions);
    const algorithm = spec.algorithm ?? 'RSA_DECRYPT_OAEP_2048_SHA256';
    const privateKey = spec.pem === undefined ? this.#take(algorithm) : undefined;
    const version = {
      name: `${cryptoKey}/cryptoKeyVersions/${spec.id ?? versions.length + 1}`,
      state: spec.state ?? 'ENABLED',
      algorithm,
      protectionLevel: spec.protectionLevel ?? 'SOFTWARE',
      pem: spec.pem ?? publicPem(privateKey),
      privateKey,
    };
    versions.push(version);
    return version;
  }

  /** The versions of a crypto key in the order they were made; undefined where there is none. */
  versions(cryptoKey: string): readonly KeyVersion[] | undefined {
    return this.#versions.get(cryptoKey);
  }

  version(name: string): KeyVersion | undefined {
    const cryptoKey = name.replace(/\/cryptoKeyVersions\/[^/]*$/, '');
    return this.#versions.get(cryptoKey)?.find((version) => version.name === name);
  }

  setState(name: string, state: string): void {
    const version = this.version(name);
    if (version === undefined) throw new Error(`the emulator has no ${name}`);
    version.state = state;
  }

  #take(algorithm: string): KeyObject | undefined {
    const kind = /^(?:RSA|EC)_.*?_(\d{4}|P\d{3})_/.exec(algorithm)?.[1];
    if (kind === undefined) return undefined;
    const index = this.#taken.get(kind) ?? 0;
    this.#taken.set(kind, index + 1);
    const keys = pool.get(kind) ?? [];
    pool.set(kind, keys);
    const key = keys[index] ?? newKey(kind);
    keys[index] = key;
    return key;
  }
}

function newKey(kind: string): KeyObject {
  const namedCurve = curves[kind];
  return namedCurve === undefined
    ? generateKeyPairSync('rsa', { modulusLength: Number(kind) }).privateKey
    : generateKeyPairSync('ec', { namedCurve }).privateKey;
}

function publicPem(privateKey: KeyObject | undefined): string {
  if (privateKey === undefined) return '';
  return createPublicKey(privateKey).export({ type: 'spki', format: 'pem' }).toString();
}
