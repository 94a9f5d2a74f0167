import { KsealError } from '../../errors.ts';
import type { OpeningKey } from '../../jwe/decrypt.ts';
import { publicKeyFrom } from '../key-file.ts';
import type { FetchedKey, ProviderOptions } from '../provider.ts';
import { ask, before, crc32c, defaultLimits, type Limits, type Session } from './call.ts';
import { connect, forget, kmsEndpoint } from './client.ts';
import { isStatus, status } from './errors.ts';
import { Damaged, decryptionIn, publicKeyIn, requests, versionsIn } from './messages.ts';
import {
  gcloudKeys,
  gcloudVersions,
  type KmsName,
  parseKmsReference,
  versionNumber,
} from './name.ts';

/** Throws KEY_REFERENCE_INVALID for a malformed reference. */
export const checkReference = parseKmsReference;

/**
 * Gets the public key of a key version. A crypto key without a version means its enabled version
 * with the highest number; `origin` names it.
 */
export async function fetchPublicKey(
  reference: string,
  options: ProviderOptions,
  limits: Limits = defaultLimits,
): Promise<FetchedKey> {
  const kms = parseKmsReference(reference);
  const session = await openSession(kms, options, limits);
  if (kms.isVersion) return publicKeyOf(session, kms.name);
  const [highest] = await enabledVersions(session, kms.name);
  return publicKeyOf(session, highest.name);
}

/**
 * Gets the keys that open: a key version, or all enabled versions of a crypto key. Each calls Cloud
 * KMS once for every encrypted key, and caches nothing.
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
  { name, project }: KmsName,
  options: ProviderOptions,
  limits: Limits,
): Promise<Session> {
  const endpoint = kmsEndpoint(options);
  const deadline = performance.now() + limits.total;
  try {
    return { client: await before(deadline, name, connect(endpoint, project)), limits, deadline };
  } catch (error) {
    forget(endpoint);
    throw error;
  }
}

/** A key version in a list of them. */
interface Version {
  readonly name: string;
  readonly number: number;
  readonly algorithm: string;
}

/** The enabled versions that can open; a key may have changed its algorithm between versions. */
async function suitableVersions(
  session: Session,
  name: string,
  { note }: ProviderOptions,
): Promise<readonly Version[]> {
  const versions = await enabledVersions(session, name);
  const suitable = versions.filter(({ algorithm }) => isSuitable(algorithm));
  // Reading an unsuitable version reports what is wrong with it.
  if (suitable.length === 0) return versions.slice(0, 1);
  for (const version of versions)
    if (!suitable.includes(version))
      note(`skipping ${version.name}: algorithm is ${version.algorithm}`);
  return suitable;
}

/** Whether a key decrypts RSA-OAEP-256 (RFC 7518 §4.3); with SHA-1 it would be RSA-OAEP. */
function isSuitable(algorithm: string): boolean {
  return /^RSA_DECRYPT_OAEP_\d+_SHA256$/.test(algorithm);
}

/** The enabled versions of a crypto key, the highest number first; at least one. */
async function enabledVersions(session: Session, name: string): Promise<[Version, ...Version[]]> {
  const versions: Version[] = [];
  let pageToken = '';
  do {
    const page = await askForPage(session, name, pageToken);
    for (const { name: version, isEnabled, algorithm } of page.versions) {
      const number = versionNumber(version);
      if (isEnabled && number !== undefined)
        versions.push({ name: `${name}/cryptoKeyVersions/${number}`, number, algorithm });
    }
    pageToken = page.nextPageToken;
  } while (pageToken !== '');
  const [highest, ...rest] = versions.sort((a, b) => b.number - a.number);
  if (highest !== undefined) return [highest, ...rest];
  throw new KsealError('KEY_UNAVAILABLE', 'no key version is ENABLED', {
    thing: name,
    hint: gcloudVersions('list', name),
  });
}

function askForPage({ client, ...time }: Session, name: string, pageToken: string) {
  return ask({ call: 'listCryptoKeyVersions', name, ...time }, async (timeout) => {
    const request = requests.listCryptoKeyVersions(name, pageToken);
    const page = versionsIn(
      await client('ListCryptoKeyVersions', request, ['parent', name], timeout),
    );
    if (page.versions.some((version) => !version.name.startsWith(`${name}/cryptoKeyVersions/`)))
      throw new Damaged('the list contains versions of another key');
    return page;
  });
}

/** The public key of a version, with all checks of Google's guide to data integrity. */
async function publicKeyOf(session: Session, name: string): Promise<FetchedKey> {
  const { pem, algorithm, protectionLevel } = await askForPublicKey(session, name);
  if (!isSuitable(algorithm)) throw unsuitable(name, algorithm);
  const facts = new Map([
    ['key version', name],
    ['algorithm', algorithm],
    ['protection level', protectionLevel],
  ]);
  return { ...(await publicKeyFrom(Buffer.from(pem), name)), origin: name, facts };
}

function askForPublicKey({ client, ...time }: Session, name: string) {
  return ask({ call: 'getPublicKey', name, ...time }, async (timeout) => {
    const request = requests.getPublicKey(name);
    const answer = publicKeyIn(await client('GetPublicKey', request, ['name', name], timeout));
    if (answer.pemCrc32c !== crc32c(Buffer.from(answer.pem)))
      throw new Damaged('wrong or missing checksum of the public key');
    if (answer.name !== name) throw new Damaged('the answer is for another key');
    return answer;
  });
}

function unsuitable(name: string, algorithm: string): KsealError {
  const why = /^RSA_DECRYPT_/.test(algorithm)
    ? 'must be RSA_DECRYPT_OAEP_*_SHA256'
    : 'which does not decrypt';
  const create =
    'create NEW --purpose asymmetric-encryption --default-algorithm rsa-decrypt-oaep-4096-sha256';
  return new KsealError('KEY_INVALID', `algorithm is ${algorithm}, ${why}`, {
    thing: name,
    hint: gcloudKeys(create, name),
  });
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

/**
 * Decrypts an encrypted key with the key version `name`. Sends nothing else, and does not store the
 * CEK. Returns undefined if the key rejects the encrypted key. Ends by `latest`, on the clock of
 * performance.now(), or when the limits are reached.
 */
export function decryptWith(
  { client, limits }: Session,
  name: string,
  encryptedKey: Uint8Array,
  latest = Number.POSITIVE_INFINITY,
): Promise<Uint8Array | undefined> {
  const deadline = Math.min(latest, performance.now() + limits.total);
  const checksum = crc32c(encryptedKey);
  const request = requests.asymmetricDecrypt(name, encryptedKey, checksum);
  return ask({ call: 'asymmetricDecrypt', name, limits, deadline }, async (timeout) => {
    try {
      return checkedPlaintext(await client('AsymmetricDecrypt', request, ['name', name], timeout));
    } catch (error) {
      if (!isStatus(error) || error.code !== status.INVALID_ARGUMENT) throw error;
      // INVALID_ARGUMENT means that the key rejects the encrypted key, or that it was damaged in
      // transit; only the text distinguishes them if our own checksum still holds. A rejection is
      // not retried, because the time would reveal it (RFC 7516 §11.5).
      if (crc32c(encryptedKey) === checksum && !/checksum|crc32c/i.test(error.message)) return;
      throw new Damaged('Cloud KMS received a different encrypted key');
    }
  });
}

function checkedPlaintext(answer: Buffer): Uint8Array {
  const { plaintext, plaintextCrc32c, verifiedCiphertextCrc32c } = decryptionIn(answer);
  if (!verifiedCiphertextCrc32c)
    throw new Damaged('Cloud KMS received no checksum of the encrypted key');
  if (plaintextCrc32c !== crc32c(plaintext))
    throw new Damaged('wrong or missing checksum of the content key');
  return plaintext;
}
