import {
  createPrivateKey,
  createPublicKey,
  type KeyObject,
  webcrypto,
  X509Certificate,
} from 'node:crypto';
import { basename } from 'node:path';
import { KsealError } from '../errors.ts';
import { type ReadFile, readRegularFile } from '../fs/read.ts';
import { MAX_BITS, MIN_BITS } from '../jwe/compact.ts';
import type { OpeningKey } from '../jwe/decrypt.ts';
import { bufferOf, parseJsonObject } from '../jwe/encoding.ts';
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
  /** When a certificate is valid. The key in it works at any time. */
  readonly validity?: Validity | undefined;
}

export interface Validity {
  readonly from: Date;
  readonly to: Date;
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
interface Source {
  readonly bytes: Buffer;
  /** Without a byte order mark and white space around it. */
  readonly text: string;
  /** The path in messages. */
  readonly shown: string;
  /** Undefined if either kind will do. */
  readonly wanted?: KeyKind;
  readonly passphrases?: Passphrases;
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
  const source = { ...sourceOf(bytes, shown), wanted: 'public' } as const;
  if (holdsPrivateKey(bytes)) throw wrongKind('private', source);
  return keyIn(source);
}

/** Reads a private key file, to open with. Throws IO or KEY_INVALID, and what `passphrases` throws. */
export async function openingKeyFromFile(
  path: string,
  shown: string,
  passphrases: Passphrases,
  read: ReadFile = readRegularFile,
): Promise<OpeningKey> {
  const source = sourceOf(read(path, shown, MAX_KEY_FILE), shown);
  const { key, kid, bits } = await keyIn({ ...source, wanted: 'private', passphrases });
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
  const [first, second = 0] = bytes;
  const isDer = first === 0x30 && second >= 0x80;
  return (
    isDer || /^(?:\{[^{}]*"kty"\s*:|\{\s*"keys"\s*:\s*\[|ssh-\w+ AAAA|---- BEGIN SSH2 )/.test(text)
  );
}

/**
 * Parses a key: a PEM block, an RSA JWK (RFC 7517), or a JWK Set with one such key. Throws
 * KEY_INVALID, also for an encrypted private key; the message names `shown` and never quotes the
 * key.
 */
export async function parseKey(bytes: Uint8Array, shown: string): Promise<KeyFile> {
  return keyIn(sourceOf(bytes, shown));
}

/**
 * Whether a file contains a private key, even a damaged one: as PEM, as JWK, in DER, or as the text
 * that `openssl pkey -text` prints, even before a public key.
 */
export function holdsPrivateKey(bytes: Uint8Array): boolean {
  const source = sourceOf(bytes, '');
  return conversions.some(({ kind, matches }) => kind === 'private' && matches(source));
}

function sourceOf(content: Uint8Array, shown: string): Source {
  const bytes = bufferOf(content);
  return {
    bytes,
    shown,
    text: bytes
      .toString('utf8')
      .replace(/^\uFEFF/, '')
      .trim(),
  };
}

async function keyIn(source: Source): Promise<KeyFile> {
  if (source.bytes.length === 0) throw invalid(source, 'is empty');
  const parsed = source.text.startsWith('{') ? parseJwk(source) : await parsePem(source);
  const bits = checkRsa(parsed.key, source);
  const publicKey = parsed.kind === 'public' ? parsed.key : createPublicKey(parsed.key);
  return { ...parsed, bits, kid: await kidOf(publicKey) };
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
    throw unreadable(source, `unsupported PEM type ${label}`);
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
  if (blocks === undefined) throw unreadable(source, 'not exactly one complete PEM block');
  const keys = blocks.filter(({ label }) => label.endsWith(' KEY'));
  const isPrivate = keys.some(({ label }) => label.endsWith('PRIVATE KEY'));
  const [block, second] = isPrivate ? keys : blocks;
  if (block === undefined) throw unreadable(source, NO_KEY);
  if (second === undefined) return block;
  if (source.wanted === 'private' && !isPrivate) throw wrongKind('public', source);
  throw unreadable(source, 'contains more than one PEM block');
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
  const key = createPublicKey(pem);
  if (key.asymmetricKeyType === 'rsa' && key.export({ type, format: 'pem' }) !== pem)
    throw new Error('more than a key');
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
    const names = [jwk, ...others].map((one) => nameOf(one, all));
    throw invalid(
      source,
      `JWK Set has ${names.length} RSA keys to encrypt with: ${names.join(', ')}`,
      commandFor(`jq '.keys[${all.indexOf(jwk)}]' FILE > key.jwk`, shown),
    );
  }
  const only = jwk ?? rsa[0];
  if (only === undefined) throw invalid(source, 'JWK Set has no RSA key');
  return only;
}

/** The `kid` of a JWK, or else its place in its set: only a short name can be no part of a key. */
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
    throw unreadable(source, 'key is damaged');
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

/** A format that another command converts to one that is read here. */
interface Conversion {
  readonly kind?: KeyKind | undefined;
  /** Undefined if the file could be read but for its kind or the number of its blocks. */
  readonly problem?: string;
  readonly matches: (source: Source) => boolean;
  /** The commands that get a key of each kind. FILE and the names of output files are replaced. */
  readonly public?: string | undefined;
  readonly private?: string | undefined;
}

const inText = (pattern: RegExp) => (source: Source) => pattern.test(source.text);

/** The length of an element in DER or BER (X.690 §8.1.3). */
const LENGTH = '(?:[0-7].|80|81..|82.{4}|83.{6})';

const inHex = (pattern: RegExp) => (source: Source) =>
  pattern.test(source.bytes.subarray(0, 64).toString('hex'));

/** Whether a file is a SEQUENCE whose content begins with these hex digits; `L` is a length. */
const inDer = (content: string) => inHex(new RegExp(`^30L${content}`.replaceAll('L', LENGTH)));

/** In order: the first row that matches applies. */
const conversions: readonly Conversion[] = [
  {
    problem: 'is encoded in UTF-16',
    matches: inHex(/^(?:fffe|feff)/),
    public: 'in PowerShell: Get-Content FILE | Set-Content -Encoding ascii key.pub',
    private: 'in PowerShell: Get-Content FILE | Set-Content -Encoding ascii key.pem',
  },
  {
    problem: 'has \\n instead of line breaks',
    matches: inText(/-----BEGIN [A-Z0-9 ]+-----\\n/),
    public: `printf '%b\\n' "$(tr -d '"' < FILE)" > key.pub`,
    private: `printf '%b\\n' "$(tr -d '"' < FILE)" > key.pem`,
  },
  {
    kind: 'private',
    problem: 'is an OpenSSH private key',
    matches: ({ text }) => /-----BEGIN OPENSSH PRIVATE/.test(text) && isSshRsa(text),
    public: 'ssh-keygen -e -m PKCS8 -f FILE > key.pub',
    private: 'install -m 600 FILE key.pem && ssh-keygen -p -m PEM -f key.pem',
  },
  {
    kind: 'private',
    problem: 'is an OpenSSH private key that is not RSA',
    matches: inText(/-----BEGIN OPENSSH PRIVATE/),
    public: USE_RSA,
    private: USE_RSA,
  },
  {
    kind: 'private',
    problem: 'is an OpenPGP private key',
    matches: inText(/-----BEGIN PGP PRIVATE/),
  },
  {
    kind: 'private',
    matches: ({ text }) =>
      /-----BEGIN CERTIFICATE-----/.test(text) && /-----BEGIN [A-Z ]*PRIVATE KEY/.test(text),
    public: 'openssl x509 -in FILE -out key.crt',
  },
  {
    kind: 'private',
    matches: inText(/-----BEGIN [A-Z0-9 ]*PRIVATE KEY/),
    public: 'openssl pkey -in FILE -pubout -out key.pub',
  },
  {
    kind: 'private',
    matches: inText(/^[ \t]*privateExponent:/m),
    public: 'openssl pkey -pubin -in FILE -out key.pub',
  },
  {
    kind: 'private',
    matches: ({ text }) => /^\{\s*"keys"/.test(text) && jwksIn(text).some(isPrivateJwk),
    public: "jq '.keys[0] | {kty, n, e}' FILE > key.jwk",
  },
  {
    kind: 'private',
    matches: ({ text }) => text.startsWith('{') && jwksIn(text).some(isPrivateJwk),
    public: "jq '{kty, n, e}' FILE > key.jwk",
  },
  {
    matches: inText(
      /-----BEGIN CERTIFICATE-----[\s\S]*-----BEGIN |-----BEGIN (?:X509|TRUSTED) CERTIFICATE-----/,
    ),
    public: 'openssl x509 -in FILE -out key.crt',
  },
  {
    kind: 'public',
    problem: 'is a certificate request',
    matches: inText(/-----BEGIN (?:NEW )?CERTIFICATE REQUEST-----/),
    public: 'openssl req -in FILE -pubkey -noout -out key.pub',
  },
  {
    kind: 'public',
    problem: 'is a PKCS#7 file',
    matches: inText(/-----BEGIN PKCS7-----/),
    public: 'openssl pkcs7 -in FILE -print_certs -out key.crt',
  },
  {
    kind: 'public',
    problem: 'is an OpenSSH public key',
    matches: inText(/^ssh-rsa AAAA/m),
    public: 'ssh-keygen -e -m PKCS8 -f FILE > key.pub',
  },
  {
    kind: 'public',
    problem: 'is an SSH2 public key',
    matches: ({ text }) => /^---- BEGIN SSH2 PUBLIC/m.test(text) && isSshRsa(text),
    public:
      'ssh-keygen -i -m RFC4716 -f FILE > key.ssh && ssh-keygen -e -m PKCS8 -f key.ssh > key.pub',
  },
  {
    kind: 'public',
    problem: 'is an OpenSSH public key in a PEM block',
    matches: ({ text }) => /-----BEGIN (?:RSA )?PUBLIC KEY-----/.test(text) && isSshRsa(text),
    public:
      "(printf 'ssh-rsa '; grep -v -e ----- FILE | tr -d '[:space:]') > key.ssh && ssh-keygen -e -m PKCS8 -f key.ssh > key.pub",
  },
  {
    kind: 'public',
    problem: 'is an SSH public key that is not RSA',
    matches: inText(/^(?:(?:ssh|sk|ecdsa)-\S+ AAAA|---- BEGIN SSH2 PUBLIC)/m),
    public: USE_RSA,
  },
  {
    kind: 'public',
    problem: 'is an OpenPGP public key',
    matches: inText(/-----BEGIN PGP PUBLIC/),
  },
  {
    problem: 'is a Java keystore',
    matches: inHex(/^(?:feedfeed|cececece)/),
    public: 'keytool -list -rfc -keystore FILE > key.crt',
    private:
      'keytool -importkeystore -srckeystore FILE -destkeystore key.p12 -deststoretype PKCS12 && openssl pkcs12 -in key.p12 -nodes -nocerts -out key.pem',
  },
  {
    problem: 'is a PKCS#12 file',
    matches: inDer('02010330'),
    public: 'openssl pkcs12 -in FILE -nokeys -clcerts -out key.crt',
    private: 'openssl pkcs12 -in FILE -nodes -nocerts -out key.pem',
  },
  {
    kind: 'public',
    problem: 'is a PKCS#7 file in DER format',
    matches: inDer('06092a864886f70d010702'),
    public: 'openssl pkcs7 -inform DER -in FILE -print_certs -out key.crt',
  },
  {
    kind: 'public',
    problem: 'is a certificate request in DER format',
    matches: inDer('30L020100(?:3000|30L31)'),
    public: 'openssl req -inform DER -in FILE -pubkey -noout -out key.pub',
  },
  {
    kind: 'public',
    problem: 'is a certificate in DER format',
    matches: inDer('30L(?:a003020102)?02'),
    public: 'openssl x509 -inform DER -in FILE -out key.crt',
  },
  {
    kind: 'private',
    problem: 'is an encrypted private key in DER format',
    matches: inDer('30L06(?:092a864886f70d0105|0a2a864886f70d010c01)'),
    public: 'openssl pkcs8 -inform DER -in FILE | openssl pkey -pubout -out key.pub',
    private: 'openssl pkcs8 -inform DER -in FILE -out key.pem',
  },
  {
    kind: 'private',
    problem: 'is a private key in DER format',
    matches: inDer('0201(?:00|01)(?:02|04|30)'),
    public: 'openssl pkey -inform DER -in FILE -pubout -out key.pub',
    private: 'openssl pkey -inform DER -in FILE -out key.pem',
  },
  {
    kind: 'public',
    problem: 'is a public key in DER format',
    matches: inDer('30L06'),
    public: 'openssl pkey -pubin -inform DER -in FILE -out key.pub',
  },
  {
    kind: 'public',
    problem: 'is a public key in DER format',
    matches: inDer('028[12]'),
    public: 'openssl rsa -RSAPublicKey_in -inform DER -in FILE -out key.pub',
  },
];

/** Whether the base64 lines of a text are an SSH key for RSA. Its public part is never encrypted. */
function isSshRsa(text: string): boolean {
  const base64 = text.replace(/^.*(?:----|:).*$/gm, '');
  return Buffer.from(base64, 'base64').includes('ssh-rsa');
}

function conversionOf(source: Source): Omit<Conversion, 'matches'> | undefined {
  const found = conversions.find(({ matches }) => matches(source));
  if (found !== undefined || !/^[A-Za-z0-9+/\s]{64,}={0,2}$/.test(source.text)) return found;
  const decoded = sourceOf(Buffer.from(source.text, 'base64'), source.shown);
  const problem = 'is encoded in base64';
  const decode = 'base64 -d < FILE';
  if (decoded.text.includes('-----BEGIN '))
    return { problem, public: `${decode} > key.pub`, private: `${decode} > key.pem` };
  const inner = conversions.find(({ matches }) => matches(decoded));
  const piped = (command = '') =>
    command.startsWith('openssl') ? `${decode} | ${command.replace(' -in FILE', '')}` : undefined;
  return (
    inner && {
      kind: inner.kind,
      problem,
      public: piped(inner.public),
      private: piped(inner.private),
    }
  );
}

/** The error for a file that cannot be used as it is, with the command that converts it, if any. */
function unreadable(source: Source, fallback: string): KsealError {
  const { shown, wanted } = source;
  const { kind, problem, ...commands } = conversionOf(source) ?? {};
  const command = commands[kindFor(source)];
  const isOther = problem !== undefined && (wanted ?? kind) !== (kind ?? wanted);
  return invalid(
    source,
    isOther ? `${problem}, expected a ${wanted} key` : (problem ?? fallback),
    command && commandFor(command, shown),
  );
}

/** The error for a key of the other kind than wanted. */
function wrongKind(kind: KeyKind, source: Source): KsealError {
  if (kind === 'private') return unreadable(source, 'is a private key, expected a public key');
  const pem = source.shown.replace(/\.(?:pub|crt|cer)$/, '.pem');
  return invalid(
    source,
    'is a public key, expected a private key',
    pem === source.shown ? undefined : `-k ${shellWord(pem)}`,
  );
}

/** Completes a command of the table. It never writes to the file that it reads. */
function commandFor(template: string, shown: string): string {
  return template.replace(/\bFILE\b|\bkey\.[a-z0-9]+/g, (word) => {
    if (word === 'FILE') return shellWord(shown);
    return word === basename(shown) ? `new-${word}` : word;
  });
}

function kindFor({ bytes, wanted }: Source): KeyKind {
  return wanted ?? (holdsPrivateKey(bytes) ? 'private' : 'public');
}

const useKeyOf: Readonly<Record<KeyKind, string>> = {
  public: 'use the file that the KMS manager published, for example keys/prod.pub',
  private: 'use the private key file, for example -k prod.pem',
};

function invalid(
  source: Source,
  problem: string,
  hint: string = useKeyOf[kindFor(source)],
): KsealError {
  return new KsealError('KEY_INVALID', problem, { thing: source.shown, hint });
}
