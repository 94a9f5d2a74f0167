import { createPublicKey, type KeyObject, webcrypto } from 'node:crypto';
import { KsealError } from '../errors.ts';
import { type ReadFile, readRegularFile } from '../fs/read.ts';
import type { OpeningKey } from '../jwe/decrypt.ts';
import { kidOf } from '../jwe/thumbprint.ts';
import { shellWord } from '../text.ts';
import { type ReadKey, readKeyText } from './pem.ts';
import { checkRsa } from './policy.ts';

/** The most octets a key file may have; an RSA-8192 private key has less than 7 KiB. */
const MAX_KEY_FILE = 64 * 1024;

/** A key file of either kind, read and checked against the policy, with its kid. */
export interface KeyFile extends ReadKey {
  readonly kid: string;
  readonly bits: number;
}

/**
 * Reads a key file. `shown` is the path as the user wrote it; `read` may be `readFile` where it
 * stood on the command line. Throws IO or KEY_INVALID.
 */
export async function readKeyFile(
  path: string,
  shown: string,
  read: ReadFile = readRegularFile,
): Promise<KeyFile> {
  return checkedKey(readKeyText(read(path, shown, MAX_KEY_FILE), shown), shown);
}

export async function checkedKey(read: ReadKey, what: string): Promise<KeyFile> {
  const bits = checkRsa(read.key, what);
  const publicKey = read.kind === 'public' ? read.key : createPublicKey(read.key);
  return { ...read, bits, kid: await kidOf(publicKey) };
}

/** The public key in a file, to seal with. A private key in its place is refused. */
export async function publicKeyFromFile(
  path: string,
  shown: string,
  read: ReadFile = readRegularFile,
): Promise<KeyFile> {
  return publicKeyFrom(read(path, shown, MAX_KEY_FILE), shown);
}

/** The same for the octets of such a file. */
export async function publicKeyFrom(octets: Uint8Array, shown: string): Promise<KeyFile> {
  const file = await checkedKey(readKeyText(octets, shown), shown);
  if (file.kind === 'public') return file;
  throw new KsealError('KEY_INVALID', `${shown}: is a private key where a public one belongs`, {
    hint: `openssl pkey -in ${shellWord(shown)} -pubout -out key.pub`,
  });
}

const algorithm = { name: 'RSA-OAEP', hash: 'SHA-256' };

function importKey(key: KeyObject) {
  const der = key.export({ type: 'pkcs8', format: 'der' });
  return webcrypto.subtle.importKey('pkcs8', der, algorithm, false, ['decrypt']);
}

/**
 * Node decrypts with one key one value after the other, behind a lock. Of as many keys as it has
 * threads for this, and some more where it was told of more cores, none waits for another.
 */
const COPIES = 16;

/** The private key in a file, to open with. */
export async function openingKeyFromFile(
  path: string,
  shown: string,
  read: ReadFile = readRegularFile,
): Promise<OpeningKey> {
  const { kind, key, kid, bits } = await readKeyFile(path, shown, read);
  if (kind === 'public') {
    throw new KsealError(
      'KEY_INVALID',
      `${shown}: is a public key, and only the private one opens`,
      {
        hint: 'give the private key of the pair: -k key.pem',
      },
    );
  }
  const copies: ReturnType<typeof importKey>[] = [];
  let turn = 0;
  const nextCopy = () => {
    const at = turn++ % COPIES;
    copies[at] ??= importKey(key);
    return copies[at];
  };
  return {
    kid,
    modulusOctets: Math.ceil(bits / 8),
    state: 'active',
    decryptKey: async (encryptedKey) => {
      const copy = await nextCopy();
      return webcrypto.subtle.decrypt(algorithm, copy, encryptedKey).then(
        (cek) => new Uint8Array(cek),
        () => undefined,
      );
    },
  };
}
