import { createPublicKey, generateKeyPairSync, type KeyObject } from 'node:crypto';

/** A key version to create, as plain data: start.mjs receives it as JSON. */
export interface VersionSpec {
  /** The number of the version; by default one more than there are versions. */
  readonly id?: number;
  /** `google.cloud.kms.v1.CryptoKeyVersion.CryptoKeyVersionState`; ENABLED by default. */
  readonly state?: string;
  /** `CryptoKeyVersionAlgorithm`; RSA_DECRYPT_OAEP_2048_SHA256 by default. */
  readonly algorithm?: string;
  readonly protectionLevel?: string;
  /** The answer of GetPublicKey, in place of a generated key. */
  readonly pem?: string;
}

export class KeyVersion {
  readonly name: string;
  readonly algorithm: string;
  readonly protectionLevel: string;
  state: string;
  readonly #spec: VersionSpec;
  readonly #index: number;

  constructor(name: string, spec: VersionSpec, index: number) {
    this.name = name;
    this.algorithm = spec.algorithm ?? 'RSA_DECRYPT_OAEP_2048_SHA256';
    this.protectionLevel = spec.protectionLevel ?? 'SOFTWARE';
    this.state = spec.state ?? 'ENABLED';
    this.#spec = spec;
    this.#index = index;
  }

  /** Generated on first use; undefined for a symmetric key, or if the spec has a `pem`. */
  get privateKey(): KeyObject | undefined {
    const kind = kindOf(this.algorithm);
    return this.#spec.pem === undefined && kind !== undefined
      ? pooledKey(kind, this.#index)
      : undefined;
  }

  /** The public key; empty for a symmetric key. */
  get pem(): string {
    const { privateKey } = this;
    if (this.#spec.pem !== undefined || privateKey === undefined) return this.#spec.pem ?? '';
    return createPublicKey(privateKey).export({ type: 'spki', format: 'pem' }).toString();
  }
}

/** The versions of each crypto key, by the full name of the key. */
export type KeySpecs = Readonly<Record<string, readonly VersionSpec[]>>;

const curves: Readonly<Record<string, string>> = { P256: 'P-256', P384: 'P-384' };

/** All emulators of a process share their keys, because generating them is slow. */
const pool = new Map<string, KeyObject>();

function pooledKey(kind: string, index: number): KeyObject {
  const key = pool.get(`${kind} ${index}`) ?? newKey(kind);
  pool.set(`${kind} ${index}`, key);
  return key;
}

function newKey(kind: string): KeyObject {
  const namedCurve = curves[kind];
  return namedCurve === undefined
    ? generateKeyPairSync('rsa', { modulusLength: Number(kind) }).privateKey
    : generateKeyPairSync('ec', { namedCurve }).privateKey;
}

/** The modulus length or the curve of an algorithm; undefined for a symmetric algorithm. */
function kindOf(algorithm: string): string | undefined {
  return /^(?:RSA|EC)_.*?_(\d{4}|P\d{3})_/.exec(algorithm)?.[1];
}

/** The OAEP hash of an algorithm, as node:crypto names it; undefined if it does not decrypt. */
export function oaepHash(algorithm: string): string | undefined {
  return /^RSA_DECRYPT_OAEP_\d+_(SHA\d+)$/.exec(algorithm)?.[1]?.toLowerCase();
}

export function purposeOf(algorithm: string): string {
  if (algorithm.startsWith('RSA_DECRYPT_')) return 'ASYMMETRIC_DECRYPT';
  return algorithm.includes('_SIGN_') ? 'ASYMMETRIC_SIGN' : 'ENCRYPT_DECRYPT';
}

export class KeyStore {
  readonly #versions = new Map<string, KeyVersion[]>();
  #count = 0;

  constructor(keys: KeySpecs) {
    for (const [name, specs] of Object.entries(keys)) {
      this.#versions.set(name, []);
      for (const spec of specs) this.add(name, spec);
    }
  }

  add(cryptoKey: string, spec: VersionSpec = {}): KeyVersion {
    const versions = this.#versions.get(cryptoKey) ?? [];
    const name = `${cryptoKey}/cryptoKeyVersions/${spec.id ?? versions.length + 1}`;
    const version = new KeyVersion(name, spec, this.#count++);
    this.#versions.set(cryptoKey, [...versions, version]);
    return version;
  }

  /** Generates all keys that would otherwise be generated on first use. */
  makeKeys(): void {
    for (const version of [...this.#versions.values()].flat()) void version.privateKey;
  }

  /** The versions of a crypto key in order of creation; undefined if the key does not exist. */
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
}
