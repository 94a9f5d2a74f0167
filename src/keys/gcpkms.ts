import { KsealError } from '../errors.ts';
import type { OpeningKey } from '../jwe/decrypt.ts';
import { defaultLimits, type Limits, type Session, within } from './gcpkms-call.ts';
import { connect, forget } from './gcpkms-client.ts';
import { decryptWith } from './gcpkms-decrypt.ts';
import { kmsEndpoint } from './gcpkms-endpoint.ts';
import { gcloudVersions, type KmsName, parseKmsReference } from './gcpkms-name.ts';
import { enabledVersions, isSuitable, publicKeyOf, type Version } from './gcpkms-public-key.ts';
import type { FetchedKey, ProviderOptions } from './provider.ts';

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
    modulusOctets: Math.ceil(bits / 8),
    state: 'active',
    decryptKey: (encryptedKey, deadline) => decryptWith(session, name, encryptedKey, deadline),
  };
}
