import {
  createPrivateKey,
  createPublicKey,
  type KeyObject,
  webcrypto,
  X509Certificate,
} from 'node:crypto';
import { KsealError } from '../errors.ts';
import { type ReadFile, readRegularFile } from '../fs/read.ts';
import { MAX_BITS, MIN_BITS } from '../jwe/compact.ts';
import type { OpeningKey } from '../jwe/decrypt.ts';
import { parseJsonObject } from '../jwe/encoding.ts';
import { kidOf } from '../jwe/thumbprint.ts';
import { shellWord } from '../text.ts';

/** The largest key file, in bytes; an RSA-8192 private key has less than 7 KiB. */
export const MAX_KEY_FILE = 64 * 1024;

type KeyKind = 'public' | 'private';

interface ParsedKey {
  readonly kind: KeyKind;
  readonly key: KeyObject;
  /** The format that it was written in: `SPKI PEM`, `X.509 certificate` … */
  readonly form: string;
}

/** A key that meets the policy. */
export interface KeyFile extends ParsedKey {
  readonly kid: string;
  readonly bits: number;
}

/**
 * Reads a key file of either kind. `shown` is its path in messages; `read` is `readFile` for a path
 * from the command line. Throws IO or KEY_INVALID.
 */
export async function readKeyFile(
  path: string,
  shown: string,
  read: ReadFile = readRegularFile,
): Promise<KeyFile> {
  return parseKey(read(path, shown, MAX_KEY_FILE), shown);
}

/** Reads a public key file, to seal with. Throws IO or KEY_INVALID. */
export async function publicKeyFromFile(
  path: string,
  shown: string,
  read: ReadFile = readRegularFile,
): Promise<KeyFile> {
  return publicKeyFrom(read(path, shown, MAX_KEY_FILE), shown);
}

/** Parses the content of a public key file. Throws KEY_INVALID. */
export async function publicKeyFrom(bytes: Uint8Array, shown: string): Promise<KeyFile> {
  const file = await parseKey(bytes, shown);
  if (file.kind === 'public') return file;
  throw invalid(
    shown,
    'is a private key, expected a public key',
    `openssl pkey -in ${shellWord(shown)} -pubout -out key.pub`,
  );
}

/** Reads a private key file, to open with. Throws IO or KEY_INVALID. */
export async function openingKeyFromFile(
  path: string,
  shown: string,
  read: ReadFile = readRegularFile,
): Promise<OpeningKey> {
  const { kind, key, kid, bits } = await readKeyFile(path, shown, read);
  if (kind === 'public') {
    throw invalid(
      shown,
      'is a public key, expected a private key',
      `-k ${shellWord(shown.replace(/(?:\.pub)?$/, '.pem'))}`,
    );
  }
  const copies: ReturnType<typeof importKey>[] = [];
  let turn = 0;
  return {
    kid,
    modulusBytes: Math.ceil(bits / 8),
    state: 'active',
    decryptKey: async (encryptedKey) => {
      const at = turn++ % COPIES;
      copies[at] ??= importKey(key);
      return webcrypto.subtle.decrypt(algorithm, await copies[at], encryptedKey).then(
        (cek) => new Uint8Array(cek),
        () => undefined,
      );
    },
  };
}

/** Node locks a key while it decrypts. Each of the 16 threads in the image gets a copy of its own. */
const COPIES = 16;

const algorithm = { name: 'RSA-OAEP', hash: 'SHA-256' };

function importKey(key: KeyObject) {
  const der = key.export({ type: 'pkcs8', format: 'der' });
  return webcrypto.subtle.importKey('pkcs8', der, algorithm, false, ['decrypt']);
}

export const keyFormats = ['pem', 'jwk'] as const;

export type KeyFormat = (typeof keyFormats)[number];

/** The text of a public key: SPKI PEM, or a JWK (RFC 7517) with `use`, `alg` and `kid`. */
export function publicKeyText(
  { key, kid }: Pick<KeyFile, 'key' | 'kid'>,
  format: KeyFormat,
): string {
  if (format === 'pem') return key.export({ type: 'spki', format: 'pem' }).toString();
  const jwk = { ...key.export({ format: 'jwk' }), use: 'enc', alg: 'RSA-OAEP-256', kid };
  return `${JSON.stringify(jwk, null, 2)}\n`;
}

/** Whether a file begins like a key file: with a PEM block or a JWK. */
export function looksLikeKey(bytes: Uint8Array): boolean {
  const start = Buffer.from(bytes.subarray(0, 4096)).toString('latin1');
  return /^(?:\xef\xbb\xbf)?\s*(?:-----BEGIN |\{[^{}]*"kty"\s*:)/.test(start);
}

/**
 * Parses a key: one PEM block and nothing else, or an RSA JWK (RFC 7517). Throws KEY_INVALID; the
 * message names `what` and never quotes the key.
 */
export async function parseKey(bytes: Uint8Array, what: string): Promise<KeyFile> {
  const text = textOf(bytes, what);
  const parsed = text.startsWith('{') ? parseJwk(text, what) : parsePem(text, what);
  const bits = checkRsa(parsed.key, what);
  const publicKey = parsed.kind === 'public' ? parsed.key : createPublicKey(parsed.key);
  return { ...parsed, bits, kid: await kidOf(publicKey) };
}

function textOf(bytes: Uint8Array, what: string): string {
  if (bytes.length === 0) throw invalid(what, 'is empty');
  if ((bytes[0] === 0xff && bytes[1] === 0xfe) || (bytes[0] === 0xfe && bytes[1] === 0xff)) {
    throw invalid(
      what,
      'is encoded in UTF-16',
      `in PowerShell: Get-Content ${shellWord(what)} | Set-Content -Encoding ascii key.pub`,
    );
  }
  return Buffer.from(bytes)
    .toString('utf8')
    .replace(/^\uFEFF/, '')
    .trim();
}

/** Maps the PEM labels that RSA keys have to the key's kind, format and parser (RFC 7468 §§ 5, 10, 13; RFC 8017 A.1). */
const pemForms = new Map<string, readonly [KeyKind, form: string, (pem: string) => KeyObject]>([
  ['PUBLIC KEY', ['public', 'SPKI PEM', (pem) => exactKey(pem, 'spki')]],
  ['RSA PUBLIC KEY', ['public', 'PKCS#1 PEM', (pem) => exactKey(pem, 'pkcs1')]],
  ['CERTIFICATE', ['public', 'X.509 certificate', (pem) => new X509Certificate(pem).publicKey]],
  ['PRIVATE KEY', ['private', 'PKCS#8 PEM', createPrivateKey]],
  ['RSA PRIVATE KEY', ['private', 'PKCS#1 PEM', createPrivateKey]],
]);

function parsePem(text: string, what: string): ParsedKey {
  const blocks = text.match(/-----BEGIN /g)?.length ?? 0;
  if (blocks === 0) throw invalid(what, 'not a key in PEM or JWK format');
  if (blocks > 1) throw invalid(what, 'contains more than one PEM block');
  const [pem, label = '', body = ''] =
    /^-----BEGIN ([A-Z0-9 ]+)-----\r?\n([\s\S]*?)-----END \1-----$/.exec(text) ?? [];
  if (pem === undefined) throw invalid(what, 'not exactly one complete PEM block');
  if (label === 'ENCRYPTED PRIVATE KEY' || body.includes('ENCRYPTED')) {
    throw invalid(
      what,
      'private key is encrypted with a passphrase',
      `openssl pkey -in ${shellWord(what)} -out plain.pem`,
    );
  }
  const [kind, form, read] = pemForms.get(label) ?? [];
  if (kind === undefined || form === undefined || read === undefined)
    throw invalid(what, `unsupported PEM type ${label}`);
  return { kind, form, key: readBlock(() => read(pem), what) };
}

/** OpenSSL ignores bytes after the key within the block; here they make it invalid. */
function exactKey(pem: string, type: 'spki' | 'pkcs1'): KeyObject {
  const key = createPublicKey(pem);
  if (key.asymmetricKeyType === 'rsa') {
    const body = pem.replace(/-----[^-]+-----|\s/g, '');
    if (key.export({ type, format: 'der' }).toString('base64') !== body)
      throw new Error('more than a key');
  }
  return key;
}

function parseJwk(text: string, what: string): ParsedKey {
  const jwk = readBlock(() => parseJsonObject(Buffer.from(text), what), what);
  if (Object.hasOwn(jwk, 'd')) {
    const key = readBlock(() => createPrivateKey({ key: jwk, format: 'jwk' }), what);
    return { kind: 'private', form: 'JWK', key };
  }
  if (Object.hasOwn(jwk, 'use') && jwk.use !== 'enc')
    throw invalid(what, 'JWK member "use" is not "enc"');
  if (Object.hasOwn(jwk, 'alg') && jwk.alg !== 'RSA-OAEP-256')
    throw invalid(what, 'JWK member "alg" is not "RSA-OAEP-256"');
  const key = readBlock(() => createPublicKey({ key: jwk, format: 'jwk' }), what);
  // Node reads base64url leniently, which would give one key several texts.
  if (key.asymmetricKeyType === 'rsa' && key.export({ format: 'jwk' }).n !== jwk.n)
    throw invalid(what, 'JWK member "n" is not canonical base64url');
  return { kind: 'public', form: 'JWK', key };
}

/** Drops the error of OpenSSL, which may quote parts of the file. */
function readBlock<T>(read: () => T, what: string): T {
  try {
    return read();
  } catch {
    throw invalid(what, 'key is damaged');
  }
}

/**
 * Checks a key against the policy and returns its length in bits. The public exponent must be
 * 65537: with exponent 1 the encrypted key would be the CEK itself.
 */
function checkRsa(key: KeyObject, what: string): number {
  const refuse = (problem: string) => invalid(what, problem, 'use an RSA key of 3072 or 4096 bits');
  if (key.asymmetricKeyType !== 'rsa')
    throw refuse(`key type is ${key.asymmetricKeyType ?? 'unknown'}, must be rsa`);
  const { modulusLength: bits = 0, publicExponent } = key.asymmetricKeyDetails ?? {};
  if (bits < MIN_BITS || bits > MAX_BITS)
    throw refuse(`RSA modulus has ${bits} bits, must have ${MIN_BITS} to ${MAX_BITS}`);
  if (publicExponent !== 65537n)
    throw refuse(`RSA public exponent is ${publicExponent}, must be 65537`);
  return bits;
}

function invalid(
  thing: string,
  problem: string,
  hint = 'use the file that the KMS manager published, for example keys/prod.pub',
): KsealError {
  return new KsealError('KEY_INVALID', problem, { thing, hint });
}
