import {
  createPrivateKey,
  createPublicKey,
  type KeyObject,
  webcrypto,
  X509Certificate,
} from 'node:crypto';
import { expected, KsealError } from '../errors.ts';
import { isFile, type ReadFile, readRegularFile } from '../fs/read.ts';
import { MAX_BITS, MIN_BITS } from '../jwe/compact.ts';
import type { OpeningKey } from '../jwe/decrypt.ts';
import { bufferOf, parseJsonObject } from '../jwe/encoding.ts';
import { kidOf } from '../jwe/thumbprint.ts';
import { commandFor, listOf, shellWord } from '../text.ts';
import type { KeyKind, KeySource } from './conversions.ts';

/** The largest key file, in bytes; an RSA-8192 private key has less than 7 KiB. */
export const MAX_KEY_FILE = 64 * 1024;

interface ParsedKey {
  readonly kind: KeyKind;
  readonly key: KeyObject;
  /** The format that it was written in: `SPKI PEM`, `X.509 certificate` … */
  readonly form: string;
  /** When a certificate is valid. The key in it works at any time. */
  readonly validity?: Validity | undefined;
}

export interface Validity {
  readonly from: Date;
  readonly to: Date;
}

/** Undefined for a certificate that is valid now. */
export function validityProblem({ from, to }: Validity): string | undefined {
  const now = new Date();
  if (to < now) return `expired on ${dayOf(to)}`;
  return from > now ? `is not valid before ${dayOf(from)}` : undefined;
}

/** The date in UTC, such as 2026-01-31. */
export function dayOf(date: Date): string {
  return date.toISOString().replace(/T.*/, '');
}

/** A key that meets the policy. */
export interface KeyFile extends ParsedKey {
  readonly kid: string;
  readonly bits: number;
}

/**
 * Yields passphrases to try on the private key file `shown`: none if there is nobody to ask.
 * Throws KEY_INVALID when it is continued after the last one.
 */
export type Passphrases = (shown: string) => AsyncIterable<string | Uint8Array>;

/** A key file while it is parsed. */
interface Source extends KeySource {
  /** Absent if nothing is opened with the key. */
  readonly passphrases?: Passphrases;
  /** The private key file beside a public one, if there is one. */
  readonly counterpart?: string | undefined;
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
  return keyIn({ ...sourceOf(bytes, shown), wanted: 'public' });
}

/** Reads a private key file, to open with. Throws IO or KEY_INVALID, and what `passphrases` throws. */
export async function openingKeyFromFile(
  path: string,
  shown: string,
  passphrases: Passphrases,
  read: ReadFile = readRegularFile,
): Promise<OpeningKey> {
  const other = (name: string) => name.replace(/\.(?:pub|crt|cer)$/, '.pem');
  const counterpart = other(path) !== path && isFile(other(path)) ? other(shown) : undefined;
  return openingKeyFrom(read(path, shown, MAX_KEY_FILE), shown, { passphrases, counterpart });
}

/** Parses the content of a private key file. Throws KEY_INVALID, and what `passphrases` throws. */
export async function openingKeyFrom(
  bytes: Uint8Array,
  shown: string,
  options: Pick<Source, 'passphrases' | 'counterpart'>,
): Promise<OpeningKey> {
  const { key, kid, bits } = await keyIn({
    ...sourceOf(bytes, shown),
    ...options,
    wanted: 'private',
  });
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

/** Whether a file is a key file and not a manifest. */
export function looksLikeKey(bytes: Uint8Array): boolean {
  if (bytes.length > MAX_KEY_FILE) return false;
  const { text } = sourceOf(bytes, '');
  // A PEM block in a manifest is indented.
  if (/^-----BEGIN [A-Z0-9 ]+-----/m.test(text)) return !/\bkind["']?\s*:/.test(text);
  // A long SEQUENCE in DER, or a Java keystore.
  if (/^(?:30[89a-f]|feedfeed|cececece)/.test(bufferOf(bytes.subarray(0, 4)).toString('hex')))
    return true;
  return KEY_TEXT.test(text);
}

/** The beginning of a JWK or a JWK Set, of an SSH public key, or of a PuTTY private key. */
const KEY_TEXT =
  /^(?:\{[^{}]*"(?:kty"\s*:|keys"\s*:\s*\[)|(?:ssh|sk|ecdsa)-\S+ AAAA|---- BEGIN SSH2 |PuTTY-User-Key-File-)/;

/**
 * Parses a key: a PEM block, an RSA JWK (RFC 7517), or a JWK Set with one such key. Throws
 * KEY_INVALID, also for an encrypted private key; the message names `shown` and never quotes the
 * key.
 */
export async function parseKey(bytes: Uint8Array, shown: string): Promise<KeyFile> {
  return keyIn(sourceOf(bytes, shown));
}

/** Whether a file contains a private key as text, even a damaged one. */
export function holdsPrivateKey(bytes: Uint8Array): boolean {
  return sourceOf(bytes, '').isPrivate;
}

/** A private key in PEM, or as `openssl rsa -text` prints it, even before a public key in PEM. */
const PRIVATE = /-----BEGIN [A-Z0-9 ]*PRIVATE KEY|^[ \t]*privateExponent:/m;

function sourceOf(content: Uint8Array, shown: string): KeySource {
  const bytes = bufferOf(content);
  const text = bytes
    .toString('utf8')
    .replace(/^\uFEFF/, '')
    .trim();
  const isJson = text.startsWith('{');
  const isPrivate = isJson ? jwksIn(text).some(isPrivateJwk) : PRIVATE.test(text);
  return { bytes, text, shown, isPrivate };
}

async function keyIn(source: Source): Promise<KeyFile> {
  try {
    return await checkedKey(source);
  } catch (thrown) {
    const error = expected(thrown);
    if (error.code !== 'KEY_INVALID' || error.hint !== undefined) throw error;
    // Loaded only for a file that cannot be used.
    const { unusable } = await import('./conversions.ts');
    throw unusable(source, error.problem);
  }
}

async function checkedKey(source: Source): Promise<KeyFile> {
  if (source.bytes.length === 0) throw invalid(source, 'is empty');
  if (source.isPrivate && source.wanted === 'public') throw wrongKind('private', source);
  const parsed = source.text.startsWith('{') ? parseJwk(source) : await parsePem(source);
  const bits = checkRsa(parsed.key, source);
  const publicKey = parsed.kind === 'public' ? parsed.key : createPublicKey(parsed.key);
  // A product of primes is odd, and OpenSSL cannot encrypt with another modulus.
  const modulus = Buffer.from(publicKey.export({ format: 'jwk' }).n ?? '', 'base64url');
  if ((modulus.at(-1) ?? 0) % 2 === 0) throw invalid(source, 'key is damaged', USE_RSA);
  return { ...parsed, bits, kid: kidOf(publicKey) };
}

const NO_KEY = 'not a key in PEM or JWK format';

/** One encapsulated text of RFC 7468, with the headers of RFC 1421 that encrypted keys have. */
interface PemBlock {
  readonly label: string;
  readonly isEncrypted: boolean;
  /** The block in the strict form, with lines of 64 characters. */
  readonly pem: string;
}

type Facts = Pick<ParsedKey, 'key' | 'validity'>;

const unencrypted = (pem: string): Facts => ({ key: createPrivateKey(pem) });

/** Maps the PEM labels of keys to the key's kind, format and parser (RFC 7468 §§ 5, 10, 13; RFC 8017 A.1; RFC 5915 §4). */
const pemForms = new Map<string, readonly [KeyKind, form: string, (pem: string) => Facts]>([
  ['PUBLIC KEY', ['public', 'SPKI PEM', (pem) => ({ key: exactKey(pem, 'spki') })]],
  ['RSA PUBLIC KEY', ['public', 'PKCS#1 PEM', (pem) => ({ key: exactKey(pem, 'pkcs1') })]],
  ['CERTIFICATE', ['public', 'X.509 certificate', certified]],
  ['PRIVATE KEY', ['private', 'PKCS#8 PEM', unencrypted]],
  ['ENCRYPTED PRIVATE KEY', ['private', 'PKCS#8 PEM', unencrypted]],
  ['RSA PRIVATE KEY', ['private', 'PKCS#1 PEM', unencrypted]],
  ['EC PRIVATE KEY', ['private', 'SEC 1 PEM', unencrypted]],
]);

async function parsePem(source: Source): Promise<ParsedKey> {
  const { label, isEncrypted, pem } = keyBlock(source);
  const [kind, form, read] = pemForms.get(label) ?? [];
  if (kind === undefined || form === undefined || read === undefined)
    throw invalid(source, `unsupported PEM type ${label}`);
  if (kind !== (source.wanted ?? kind)) throw wrongKind(kind, source);
  if (isEncrypted) return { kind, form, key: await decryptedKey(pem, source) };
  return { kind, form, ...readBlock(() => read(pem), source) };
}

/**
 * The block with the key. Text around it is ignored, and so is all that accompanies a private key
 * in practice, such as certificates; but a second key makes the choice ambiguous.
 */
function keyBlock(source: Source): PemBlock {
  const blocks = pemBlocks(source.text);
  if (blocks === undefined) throw invalid(source, 'not exactly one complete PEM block');
  const keys = blocks.filter(({ label }) => label.endsWith(' KEY'));
  const isPrivate = keys.some(({ label }) => label.endsWith('PRIVATE KEY'));
  const [block, second] = isPrivate ? keys : blocks;
  if (block === undefined) throw invalid(source, NO_KEY);
  if (second === undefined) return block;
  if (source.wanted === 'private' && !isPrivate) throw wrongKind('public', source);
  throw invalid(source, 'contains more than one PEM block');
}

/**
 * Splits a text into its PEM blocks. Within them white space is ignored (RFC 7468 §2). Undefined if
 * a boundary has no counterpart, or shares its line with other text.
 */
function pemBlocks(text: string): readonly PemBlock[] | undefined {
  const [before = '', ...parts] = text.split(/-----(BEGIN|END) ([A-Z0-9 ]+)-----/);
  const blocks: PemBlock[] = [];
  let around = before;
  for (let at = 0; at < parts.length; at += 6) {
    const [begin, label = '', body = '', end, same, after = ''] = parts.slice(at, at + 6);
    if (begin !== 'BEGIN' || end !== 'END' || same !== label) return undefined;
    if (!/(?:^|[\r\n])[ \t]*$/.test(around) || !/^[ \t]*(?:$|[\r\n])/.test(after)) return undefined;
    blocks.push(pemBlock(label, body));
    around = after;
  }
  return /-----(?:BEGIN|END)/.test([before, ...parts].join('\n')) ? undefined : blocks;
}

function pemBlock(label: string, body: string): PemBlock {
  const lines = body.split(/[\r\n]+/).map((line) => line.trim());
  const headers = lines.filter((line) => line.includes(':'));
  const base64 = lines.filter((line) => !line.includes(':')).join('');
  const content = [
    ...(headers.length > 0 ? [...headers, ''] : []),
    ...(base64.replace(/\s/g, '').match(/.{1,64}/g) ?? []),
  ];
  return {
    label,
    isEncrypted: label.startsWith('ENCRYPTED') || /^Proc-Type:.*ENCRYPTED/.test(headers[0] ?? ''),
    pem: [`-----BEGIN ${label}-----`, ...content, `-----END ${label}-----`, ''].join('\n'),
  };
}

/** OpenSSL ignores bytes after the key within the block; here they make it invalid. */
function exactKey(pem: string, type: 'spki' | 'pkcs1'): KeyObject {
  let key = createPublicKey(pem);
  if (key.asymmetricKeyType !== 'rsa') return key;
  // Node.js 24.21 exports as PKCS#1 only keys that it has imported as SPKI.
  if (type === 'pkcs1') key = createPublicKey(key.export({ type: 'spki', format: 'pem' }));
  if (key.export({ type, format: 'pem' }) !== pem) throw new Error('more than a key');
  return key;
}

function certified(pem: string): Facts {
  const { publicKey: key, validFrom, validTo } = new X509Certificate(pem);
  const [from, to] = [new Date(validFrom), new Date(validTo)];
  return Number.isNaN(Number(from) + Number(to)) ? { key } : { key, validity: { from, to } };
}

async function decryptedKey(pem: string, source: Source): Promise<KeyObject> {
  const { shown, passphrases } = source;
  for await (const passphrase of passphrases?.(shown) ?? []) {
    const key = keyUnder(passphrase, pem, source);
    if (key !== undefined) return key;
  }
  throw invalid(
    source,
    'private key is encrypted with a passphrase',
    passphrases === undefined
      ? commandFor('openssl pkey -in FILE -pubout -out key.pub', shown)
      : 'write the passphrase to a file, then: export KSEAL_KEY_PASSPHRASE_FILE=FILE',
  );
}

/** Decrypts a key; undefined if the passphrase is wrong. */
function keyUnder(
  passphrase: string | Uint8Array,
  key: string,
  source: Source,
): KeyObject | undefined {
  try {
    return createPrivateKey({ key, passphrase: Buffer.from(passphrase) });
  } catch (error) {
    // OpenSSL cannot tell a damaged key from a wrong passphrase.
    if ((error as NodeJS.ErrnoException).code !== 'ERR_OSSL_EVP_UNSUPPORTED') return undefined;
    throw invalid(
      source,
      'private key is encrypted with an outdated cipher',
      commandFor(
        'openssl pkey -provider legacy -provider default -in FILE -out key.pem',
        source.shown,
      ),
    );
  }
}

type Jwk = Readonly<Record<string, unknown>>;

function parseJwk(source: Source): ParsedKey {
  const content = readBlock(() => parseJsonObject(Buffer.from(source.text), source.shown), source);
  const isSet = Array.isArray(content.keys);
  const jwk = isSet ? rsaJwk(source) : content;
  if (!Object.hasOwn(jwk, 'kty')) throw invalid(source, NO_KEY);
  const form = isSet ? 'JWK Set' : 'JWK';
  const kind = isPrivateJwk(jwk) ? 'private' : 'public';
  if (kind !== (source.wanted ?? kind)) throw wrongKind(kind, source);
  if (kind === 'private') {
    const key = readBlock(() => createPrivateKey({ key: jwk, format: 'jwk' }), source);
    return { kind, form, key };
  }
  const problem = jwkProblem(jwk);
  if (problem !== undefined) throw invalid(source, problem);
  const key = readBlock(() => createPublicKey({ key: jwk, format: 'jwk' }), source);
  // Node reads base64url leniently, which would give one key several texts.
  if (key.asymmetricKeyType === 'rsa' && key.export({ format: 'jwk' }).n !== jwk.n)
    throw invalid(source, 'JWK member "n" is not canonical base64url');
  return { kind, form, key };
}

/** The only RSA key of a JWK Set that may encrypt (RFC 7517 §5). Other keys in it do not matter. */
function rsaJwk(source: Source): Jwk {
  const { text, shown, wanted } = source;
  const all = jwksIn(text);
  const rsa = all.filter(({ kty }) => kty === 'RSA');
  const fit = rsa.filter((jwk) => jwkProblem(jwk) === undefined);
  const secret = fit.filter(isPrivateJwk);
  const [jwk, ...others] = wanted === 'private' && secret.length > 0 ? secret : fit;
  if (jwk !== undefined && others.length > 0) {
    if (wanted === 'private' && secret.length === 0) throw wrongKind('public', source);
    const names = [jwk, ...others].map((one) => nameOf(one, all));
    throw invalid(
      source,
      `JWK Set has ${names.length} RSA keys to encrypt with: ${listOf(names)}`,
      commandFor(`jq '.keys[${all.indexOf(jwk)}]' FILE > key.jwk`, shown),
    );
  }
  const only = jwk ?? rsa[0];
  if (only === undefined) throw invalid(source, 'JWK Set has no RSA key');
  return only;
}

/** The `kid` of a JWK, or else its place in its set: a long `kid` could be a part of a key. */
function nameOf(jwk: Jwk, set: readonly Jwk[]): string {
  const { kid } = jwk;
  const isName = typeof kid === 'string' && /^[\w.:@+/=-]{1,64}$/.test(kid);
  return isName ? kid : `number ${set.indexOf(jwk) + 1}`;
}

/** The keys in the JSON text of a JWK or a JWK Set, in its order; empty if it is not JSON. */
function jwksIn(text: string): readonly Jwk[] {
  try {
    const content = JSON.parse(text);
    const keys: unknown[] = Array.isArray(content.keys) ? content.keys : [content];
    return keys.map((key) => (typeof key === 'object' && key !== null ? (key as Jwk) : {}));
  } catch {
    return [];
  }
}

function isPrivateJwk(jwk: Jwk): boolean {
  return Object.hasOwn(jwk, 'd');
}

function jwkProblem(jwk: Jwk): string | undefined {
  if (Object.hasOwn(jwk, 'use') && jwk.use !== 'enc') return 'JWK member "use" is not "enc"';
  if (Object.hasOwn(jwk, 'alg') && jwk.alg !== 'RSA-OAEP-256')
    return 'JWK member "alg" is not "RSA-OAEP-256"';
  return undefined;
}

/** Drops the error of OpenSSL, which may quote parts of the file. */
function readBlock<T>(read: () => T, source: Source): T {
  try {
    return read();
  } catch {
    throw invalid(source, 'key is damaged');
  }
}

/**
 * Checks a key against the policy and returns its length in bits. The public exponent must be
 * 65537: with exponent 1 the encrypted key would be the CEK itself.
 */
function checkRsa(key: KeyObject, source: Source): number {
  const refuse = (problem: string) => invalid(source, problem, USE_RSA);
  if (key.asymmetricKeyType !== 'rsa')
    throw refuse(`key type is ${key.asymmetricKeyType ?? 'unknown'}, must be rsa`);
  const { modulusLength: bits = 0, publicExponent } = key.asymmetricKeyDetails ?? {};
  if (bits < MIN_BITS || bits > MAX_BITS)
    throw refuse(`RSA modulus has ${bits} bits, must have ${MIN_BITS} to ${MAX_BITS}`);
  if (publicExponent !== 65537n)
    throw refuse(`RSA public exponent is ${publicExponent}, must be 65537`);
  return bits;
}

const USE_RSA = 'use an RSA key of 3072 or 4096 bits';

/** The error for a private key in place of a public one, or the reverse. */
function wrongKind(kind: KeyKind, source: Source): KsealError {
  if (kind === 'private') return invalid(source, 'is a private key, expected a public key');
  const { counterpart } = source;
  const hint = counterpart === undefined ? undefined : `-k ${shellWord(counterpart)}`;
  return invalid(source, 'is a public key, expected a private key', hint);
}

/** Without a hint, `keyIn` adds the command that converts the file. */
function invalid({ shown }: KeySource, problem: string, hint?: string): KsealError {
  return new KsealError('KEY_INVALID', problem, { thing: shown, hint });
}
