import { KsealError } from '../errors.ts';
import { crc32c } from './crc32c.ts';
import { checkedKey } from './file.ts';
import { ask, checksumOf, type Session } from './gcpkms-call.ts';
import { gcloudKeys, versionNumber } from './gcpkms-name.ts';
import { Damaged } from './gcpkms-status.ts';
import { readKeyText } from './pem.ts';
import type { FetchedKey } from './provider.ts';

/** A key version, as a list of them tells it. */
export interface Version {
  readonly name: string;
  readonly algorithm: string;
}

/** A key that decrypts RSA-OAEP-256 (RFC 7518 §4.3); with SHA-1 it would be RSA-OAEP. */
export function isSuitable(algorithm: string): boolean {
  return /^RSA_DECRYPT_OAEP_\d+_SHA256$/.test(algorithm);
}

/** The enabled versions of a crypto key, by falling number. */
export async function enabledVersions(session: Session, name: string): Promise<Version[]> {
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
export async function publicKeyOf(session: Session, name: string): Promise<FetchedKey> {
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
