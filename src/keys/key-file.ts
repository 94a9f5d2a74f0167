import {
  createPrivateKey,
  createPublicKey,
  type KeyObject,
  webcrypto,
  X509Certificate,
} from 'node:crypto';
import { KsealError } from '../errors.ts';
import { type ReadFile, readRegularFile } from '../fs/read.ts';
import type { OpeningKey } from '../jwe/decrypt.ts';
import { parseJsonObject } from '../jwe/encoding.ts';
import { kidOf } from '../jwe/thumbprint.ts';
import { shellWord } from '../text.ts';

type KeyKind = 'public' | 'private';

/** A key text that was read, before the key policy. */
interface ReadKey {
  readonly kind: KeyKind;
  readonly key: KeyObject;
  /** How the key was written: `SPKI PEM`, `X.509 certificate` ... */
  readonly form: string;
}

interface PemForm {
  readonly kind: KeyKind;
  readonly form: string;
  readonly read: (pem: string) => KeyObject;
}

/** The PEM labels that hold a key we can use (RFC 7468 §§ 5, 10, 13; RFC 8017 A.1). */
const pemForms: Record<string, PemForm> = {
  'PUBLIC KEY': { kind: 'public', form: 'SPKI PEM', read: (pem) => exactKey(pem, 'spki') },
  'RSA PUBLIC KEY': { kind: 'public', form: 'PKCS#1 PEM', read: (pem) => exactKey(pem, 'pkcs1') },
  CERTIFICATE: {
    kind: 'public',
    form: 'X.509 certificate',
    read: (pem) => new X509Certificate(pem).publicKey,
  },
  'PRIVATE KEY': { kind: 'private', form: 'PKCS#8 PEM', read: createPrivateKey },
  'RSA PRIVATE KEY': { kind: 'private', form: 'PKCS#1 PEM', read: createPrivateKey },
};

/**
 * Reads a key from a file's text: one PEM block with nothing before or after it, or a public
 * RSA JWK (RFC 7517). Throws KEY_INVALID; the message names `what` and never quotes the text.
 */
export function readKeyText(bytes: Uint8Array, what: string): ReadKey {
  const text = textOf(bytes, what);
  if (text.startsWith('{')) return readJwk(Buffer.from(text), what);
  const blocks = text.match(/-----BEGIN /g)?.length ?? 0;
  if (blocks > 1) throw invalid(what, 'holds several PEM blocks, and a key file must hold one');
  const pem = /^-----BEGIN ([A-Z0-9 ]+)-----\r?\n([\s\S]*?)-----END \1-----$/.exec(text);
  if (pem === null)
    throw invalid(
      what,
      blocks === 0
        ? 'holds no key in PEM or JWK form'
        : 'is not one whole PEM block and nothing else',
    );
  const [block, label = '', body = ''] = pem;
  if (label === 'ENCRYPTED PRIVATE KEY' || body.includes('ENCRYPTED')) {
    throw invalid(
      what,
      'is a private key under a passphrase',
      `openssl pkey -in ${shellWord(what)} -out plain.pem`,
    );
  }
  const form = Object.hasOwn(pemForms, label) ? pemForms[label] : undefined;
  if (form === undefined) throw invalid(what, `holds a PEM block of type ${label}`);
  return { kind: form.kind, form: form.form, key: readBlock(() => form.read(block), what) };
}

/** OpenSSL passes over what follows the key within the block; here the block is the key. */
function exactKey(pem: string, type: 'spki' | 'pkcs1'): KeyObject {
  const key = createPublicKey(pem);
  if (key.asymmetricKeyType === 'rsa') {
    const body = pem.replace(/-----[^-]+-----|\s/g, '');
    if (key.export({ type, format: 'der' }).toString('base64') !== body)
      throw new Error('more than a key');
  }
  return key;
}

function textOf(bytes: Uint8Array, what: string): string {
  if (bytes.length === 0) throw invalid(what, 'is empty');
  if ((bytes[0] === 0xff && bytes[1] === 0xfe) || (bytes[0] === 0xfe && bytes[1] === 0xff)) {
    throw invalid(
      what,
      'is UTF-16 text',
      `in PowerShell: Get-Content ${shellWord(what)} | Set-Content -Encoding ascii key.pub`,
    );
  }
  return Buffer.from(bytes)
    .toString('utf8')
    .replace(/^\uFEFF/, '')
    .trim();
}

function readJwk(bytes: Uint8Array, what: string): ReadKey {
  const jwk = readBlock(() => parseJsonObject(bytes, what), what);
  if (Object.hasOwn(jwk, 'd'))
    return {
      kind: 'private',
      form: 'JWK',
      key: readBlock(() => createPrivateKey({ key: jwk, format: 'jwk' }), what),
    };
  if (Object.hasOwn(jwk, 'use') && jwk.use !== 'enc')
    throw invalid(what, 'is a JWK whose use is not enc');
  if (Object.hasOwn(jwk, 'alg') && jwk.alg !== 'RSA-OAEP-256')
    throw invalid(what, 'is a JWK whose alg is not RSA-OAEP-256');
  const key = readBlock(() => createPublicKey({ key: jwk, format: 'jwk' }), what);
  // Node reads base64url leniently, which would give one key several texts.
  if (key.asymmetricKeyType === 'rsa' && key.export({ format: 'jwk' }).n !== jwk.n) {
    throw invalid(what, 'is a JWK whose modulus is not canonical base64url');
  }
  return { kind: 'public', form: 'JWK', key };
}

/** OpenSSL's own words may hold parts of the file, so its error is dropped. */
function readBlock<T>(read: () => T, what: string): T {
  try {
    return read();
  } catch {
    throw invalid(what, 'the key in it is damaged');
  }
}

function invalid(
  what: string,
  reason: string,
  hint = 'use the file that the KMS manager published, for example keys/prod.pub',
): KsealError {
  return new KsealError('KEY_INVALID', `${what}: ${reason}`, { hint });
}

/** Whether a file begins as a key file does: PEM, or a JWK. */
export function looksLikeKey(bytes: Uint8Array): boolean {
  const start = Buffer.from(bytes.subarray(0, 4096)).toString('latin1');
  return /^(?:\xef\xbb\xbf)?\s*(?:-----BEGIN |\{[^{}]*"kty"\s*:)/.test(start);
}

/** The most bytes a key file may have; an RSA-8192 private key has less than 7 KiB. */
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

/** The same for the bytes of such a file. */
export async function publicKeyFrom(bytes: Uint8Array, shown: string): Promise<KeyFile> {
  const file = await checkedKey(readKeyText(bytes, shown), shown);
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
    modulusBytes: Math.ceil(bits / 8),
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

/** Moduli below this many bits are accepted with a warning. */
export const WEAK_BITS = 3072;
export const MIN_BITS = 2048;
export const MAX_BITS = 8192;

/**
 * Checks a key against the policy and returns its modulus length in bits: RSA, 2048 to 8192
 * bits, public exponent 65537 (with exponent 1 the encrypted key would be the CEK itself).
 * Throws KEY_INVALID; `what` names the key.
 */
export function checkRsa(key: KeyObject, what: string): number {
  const refuse = (reason: string) =>
    new KsealError('KEY_INVALID', `${what}: ${reason}`, {
      hint: 'use an RSA key of 3072 or 4096 bits',
    });
  if (key.asymmetricKeyType !== 'rsa') {
    throw refuse(
      `is not an RSA encryption key but ${key.asymmetricKeyType ?? 'of an unknown type'}`,
    );
  }
  const { modulusLength: bits = 0, publicExponent } = key.asymmetricKeyDetails ?? {};
  if (bits < MIN_BITS || bits > MAX_BITS) {
    throw refuse(`RSA modulus of ${bits} bits, outside ${MIN_BITS} to ${MAX_BITS}`);
  }
  if (publicExponent !== 65537n) throw refuse(`RSA public exponent ${publicExponent}, not 65537`);
  return bits;
}

export const keyFormats = ['pem', 'jwk'] as const;

export type KeyFormat = (typeof keyFormats)[number];

/** The text of a public key: SPKI PEM, or a JWK (RFC 7517) that says what it is for. */
export function publicKeyText(
  { key, kid }: Pick<KeyFile, 'key' | 'kid'>,
  format: KeyFormat,
): string {
  if (format === 'pem') return key.export({ type: 'spki', format: 'pem' }).toString();
  const jwk = { ...key.export({ format: 'jwk' }), use: 'enc', alg: 'RSA-OAEP-256', kid };
  return `${JSON.stringify(jwk, null, 2)}\n`;
}
