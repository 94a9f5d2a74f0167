import { KsealError } from '../../errors.ts';
import type { OpeningKey } from '../../jwe/decrypt.ts';
import { checkedKey, readKeyText } from '../key-file.ts';
import type { FetchedKey, ProviderOptions } from '../provider.ts';
import {
  ask,
  checksumOf,
  crc32c,
  defaultLimits,
  type Limits,
  type Session,
  within,
} from './call.ts';
import { connect, forget, kmsEndpoint } from './client.ts';
import { Damaged, isStatus, status } from './errors.ts';
import {
  gcloudKeys,
  gcloudVersions,
  type KmsName,
  parseKmsReference,
  versionNumber,
} from './name.ts';

/**
 * Gets the public key of a key version. A crypto key stands for its enabled version with the
 * highest number; `origin` says which.
 */
export async function fetchPublicKey(
  reference: string,
  options: ProviderOptions,
  limits: Limits = defaultLimits,
): Promise<FetchedKey> {
  const kms = parseKmsReference(reference);
  const session = await openSession(kms, options, limits);
  if (kms.isVersion) return publicKeyOf(session, kms.name);
  const [highest] = await versionsOf(session, kms.name);
  return publicKeyOf(session, highest.name);
}

/**
 * Gets the keys that open: of a key version, or of all enabled versions of a crypto key. Each
 * asks Cloud KMS once for every encrypted key, and remembers nothing.
 */
export async function fetchOpeningKeys(
  reference: string,
  options: ProviderOptions,
  limits: Limits = defaultLimits,
): Promise<readonly OpeningKey[]> {
  const kms = parseKmsReference(reference);
  const session = await openSession(kms, options, limits);
  const versions = kms.isVersion ? [kms] : await suitableVersions(session, kms.name, options);
  return Promise.all(versions.map(({ name }) => openingKey(session, name)));
}

async function openSession(
  kms: KmsName,
  options: ProviderOptions,
  limits: Limits,
): Promise<Session> {
  const endpoint = kmsEndpoint(options);
  const deadline = performance.now() + limits.total;
  try {
    const client = await within(deadline, kms.name, connect(endpoint, kms.project));
    return { client, limits, deadline };
  } catch (error) {
    forget(endpoint);
    throw error;
  }
}

/** The enabled versions of a crypto key, the highest number first; at least one. */
async function versionsOf(session: Session, name: string): Promise<[Version, ...Version[]]> {
  const [highest, ...rest] = await enabledVersions(session, name);
  if (highest !== undefined) return [highest, ...rest];
  throw new KsealError('KEY_UNAVAILABLE', `${name}: no version of this key is ENABLED`, {
    hint: gcloudVersions('list', name),
  });
}

/** The enabled versions that can open. A key may have changed its algorithm on the way. */
async function suitableVersions(
  session: Session,
  name: string,
  { note }: ProviderOptions,
): Promise<readonly Version[]> {
  const versions = await versionsOf(session, name);
  const suitable = versions.filter(({ algorithm }) => isSuitable(algorithm));
  // If none is, the first says why.
  if (suitable.length === 0) return versions.slice(0, 1);
  for (const version of versions) {
    if (!suitable.includes(version))
      note(`${version.name} is left out: it has algorithm ${version.algorithm}`);
  }
  return suitable;
}

async function openingKey(session: Session, name: string): Promise<OpeningKey> {
  const { kid, bits } = await publicKeyOf(session, name);
  return {
    kid,
    modulusBytes: Math.ceil(bits / 8),
    state: 'active',
    decryptKey: (encryptedKey, deadline) => decryptWith(session, name, encryptedKey, deadline),
  };
}

/** A key version, as a list of them tells it. */
interface Version {
  readonly name: string;
  readonly algorithm: string;
}

/** A key that decrypts RSA-OAEP-256 (RFC 7518 §4.3); with SHA-1 it would be RSA-OAEP. */
function isSuitable(algorithm: string): boolean {
  return /^RSA_DECRYPT_OAEP_\d+_SHA256$/.test(algorithm);
}

/** The enabled versions of a crypto key, by falling number. */
async function enabledVersions(session: Session, name: string): Promise<Version[]> {
  const versions: (Version & { readonly number: number })[] = [];
  for (let pageToken = ''; ; ) {
    const page = await askForPage(session, name, pageToken);
    for (const { name: version = '', state, algorithm } of page.versions) {
      const number = versionNumber(version ?? '');
      if (state !== 'ENABLED' || number === undefined) continue;
      versions.push({
        name: `${name}/cryptoKeyVersions/${number}`,
        algorithm: String(algorithm),
        number,
      });
    }
    pageToken = page.nextPageToken;
    if (pageToken === '') return versions.sort((a, b) => b.number - a.number);
  }
}

function askForPage({ client, ...within }: Session, name: string, pageToken: string) {
  return ask({ call: 'listCryptoKeyVersions', name, ...within }, async (options) => {
    const request = { parent: name, pageToken };
    const pages = { ...options, autoPaginate: false };
    const [versions, next] = await client.listCryptoKeyVersions(request, pages);
    if (versions.some((version) => !version.name?.startsWith(`${name}/cryptoKeyVersions/`))) {
      throw new Damaged('the list has versions of another key');
    }
    return { versions, nextPageToken: next?.pageToken ?? '' };
  });
}

/** The public key of a version, with every check that Google's guide to integrity asks for. */
async function publicKeyOf(session: Session, name: string): Promise<FetchedKey> {
  const { pem, algorithm, protectionLevel } = await askForPublicKey(session, name);
  if (!isSuitable(algorithm)) throw unsuitable(name, algorithm);
  const key = await checkedKey(readKeyText(Buffer.from(pem), name), name);
  if (key.kind !== 'public') throw new KsealError('KEY_INVALID', `${name}: not a public key`);
  const facts = new Map([
    ['key version', name],
    ['algorithm', algorithm],
    ['protection level', protectionLevel],
  ]);
  return { ...key, origin: name, facts };
}

function askForPublicKey({ client, ...within }: Session, name: string) {
  return ask({ call: 'getPublicKey', name, ...within }, async (options) => {
    const [answer] = await client.getPublicKey({ name }, options);
    const { pem = '', pemCrc32c, algorithm, protectionLevel } = answer;
    if (checksumOf(pemCrc32c) !== crc32c(Buffer.from(pem ?? ''))) {
      throw new Damaged('the checksum of the public key is wrong or missing');
    }
    if (answer.name !== name) throw new Damaged('the answer is about another key');
    return {
      pem: pem ?? '',
      algorithm: String(algorithm),
      protectionLevel: String(protectionLevel),
    };
  });
}

function unsuitable(name: string, algorithm: string): KsealError {
  const why = /^RSA_DECRYPT_/.test(algorithm)
    ? 'kseal needs RSA_DECRYPT_OAEP_*_SHA256'
    : 'such a key does not decrypt';
  const create =
    'create NEW --purpose asymmetric-encryption --default-algorithm rsa-decrypt-oaep-4096-sha256';
  return new KsealError('KEY_INVALID', `${name}: its algorithm is ${algorithm}, and ${why}`, {
    hint: gcloudKeys(create, name),
  });
}

/**
 * Has the key version `name` decrypt an encrypted key: nothing else leaves this machine, and
 * the CEK that comes back is kept nowhere. Undefined when the key rejects the encrypted key.
 * No try outlives `before`, as performance.now() tells it, nor the limits.
 */
export function decryptWith(
  { client, limits }: Session,
  name: string,
  encryptedKey: Uint8Array,
  before = Number.POSITIVE_INFINITY,
): Promise<Uint8Array | undefined> {
  const deadline = Math.min(before, performance.now() + limits.total);
  const checksum = crc32c(encryptedKey);
  const request = { name, ciphertext: encryptedKey, ciphertextCrc32c: { value: checksum } };
  return ask({ call: 'asymmetricDecrypt', name, limits, deadline }, async (options) => {
    try {
      const [answer] = await client.asymmetricDecrypt(request, options);
      return checkedPlaintext(answer);
    } catch (error) {
      if (!isStatus(error) || error.code !== status.INVALID_ARGUMENT) throw error;
      // Both what the key rejects and what was damaged on the way there is an INVALID_ARGUMENT.
      // If our own checksum still holds, only its words tell them apart; a key's rejection must
      // not be asked about twice, for the time it takes would tell (RFC 7516 §11.5).
      if (crc32c(encryptedKey) === checksum && !/checksum|crc32c/i.test(error.message)) return;
      throw new Damaged('the encrypted key did not arrive as it was sent');
    }
  });
}

interface DecryptAnswer {
  readonly plaintext?: Uint8Array | string | null;
  readonly plaintextCrc32c?: Parameters<typeof checksumOf>[0];
  readonly verifiedCiphertextCrc32c?: boolean | null;
}

function checkedPlaintext(answer: DecryptAnswer): Uint8Array {
  const { plaintext, plaintextCrc32c, verifiedCiphertextCrc32c } = answer;
  if (verifiedCiphertextCrc32c !== true) {
    throw new Damaged('the checksum of the encrypted key did not arrive');
  }
  if (!(plaintext instanceof Uint8Array) || checksumOf(plaintextCrc32c) !== crc32c(plaintext)) {
    throw new Damaged('the checksum of the content key is wrong or missing');
  }
  return plaintext;
}
