import { types } from 'node:util';
import { errorFor } from './diagnostic.ts';
import * as errors from './errors.ts';
import { inspectManifest as inspectSecrets } from './inspect/inspect.ts';
import { bindingTo, DEFAULT_MAX_SCOPE, scopes } from './jwe/binding.ts';
import type { OpeningKey } from './jwe/decrypt.ts';
import { type KeyFile, openingKeyFrom, publicKeyFrom } from './keys/key-file.ts';
import { newManifest } from './manifest/new-manifest.ts';
import { refuseSops } from './manifest/other-tools.ts';
import { decodeManifest, readManifest, selectSecret } from './manifest/read.ts';
import type { Manifest } from './manifest/types.ts';
import { allowedCodes, bareJwe, sealInto, sealManifest as sealSecrets } from './seal/seal.ts';
import { unsealManifest } from './unseal/manifest.ts';
import { ruleNamed } from './verify/explain.ts';
import { verifyText } from './verify/verify.ts';

// The library. It has the checks of the commands, but reads no file and no environment variable,
// starts no process and prints nothing. All its types are declared here, without a type of Node.js,
// so that a program needs only this file to compile, and a change within kseal does not change them
// unnoticed: the compiler checks that the results fit.

/** The places where a value can be opened, from the narrowest scope to the widest. */
export type Scope = 'strict' | 'namespace-wide' | 'cluster-wide';

/** The places where a sealed value can be opened: the member `kseal` of its protected header. */
export type Binding =
  | {
      readonly scope: 'strict';
      readonly namespace: string;
      readonly name: string;
      readonly key: string;
    }
  | { readonly scope: 'namespace-wide'; readonly namespace: string }
  | { readonly scope: 'cluster-wide' };

/** A place in a text. Both count from 1; `column` counts UTF-16 code units, without a BOM. */
export interface Position {
  readonly line: number;
  readonly column: number;
}

/** A problem in a manifest. No member ever quotes a value. */
export interface Diagnostic {
  readonly code: string;
  readonly position: Position;
  /** The name of the Secret for people: `hr/db`. */
  readonly secret?: string | undefined;
  /** The data key. */
  readonly key?: string | undefined;
  readonly message: string;
  /** The remedy, often as a command line of kseal. */
  readonly hint?: string | undefined;
}

/** A violation of the rule `code`. */
export interface Finding extends Diagnostic {
  readonly severity: 'error' | 'warning';
  readonly path: string;
}

/** The codes of the errors of kseal. Some of them occur only in commands. */
export type ErrorCode =
  | 'USAGE'
  | 'IO'
  | 'OUTPUT_EXISTS'
  | 'MANIFEST_INVALID'
  | 'VALUE_REFUSED'
  | 'JWE_MALFORMED'
  | 'JWE_REFUSED'
  | 'BINDING_MISMATCH'
  | 'REVIEW_INVALID'
  | 'CERTIFICATE_INVALID'
  | 'KEY_REFERENCE_INVALID'
  | 'KEY_INVALID'
  | 'KEY_MISMATCH'
  | 'CONFIG_INVALID'
  | 'DECRYPTION_FAILED'
  | 'KEY_UNKNOWN'
  | 'KEY_REVOKED'
  | 'KEY_NOT_FOUND'
  | 'KEY_DENIED'
  | 'KEY_CREDENTIALS'
  | 'KEY_UNAVAILABLE'
  | 'KEY_DEADLINE'
  | 'INTERRUPTED';

/** An error that the caller can act on. The message names the place, and never quotes a value. */
export interface KsealError extends Error {
  readonly code: ErrorCode;
  /** The remedy, often as a command line of kseal. */
  readonly hint: string | undefined;
}

/** For `instanceof`: only kseal makes such errors. */
export const KsealError: abstract new (...args: never) => KsealError = errors.KsealError;

/** The content of a key file: PEM, a JWK or a JWK Set. */
export type KeyText = string | Uint8Array;

/** A private key that is elsewhere, such as in a KMS. */
export interface RemoteKey {
  readonly publicKey: KeyText;
  /**
   * Decrypts with RSA-OAEP and SHA-256; undefined if the key rejects the encrypted key. Errors that
   * it throws reach the caller unchanged.
   */
  readonly decryptKey: (encryptedKey: Uint8Array) => Promise<Uint8Array | undefined>;
}

/** The decisions about plaintexts that are rarely intended, such as one with a final newline. */
export interface ValuePolicy {
  /** The codes of warnings to omit, such as `trailing-newline`: those of `kseal seal --allow`. */
  readonly allow?: readonly string[] | undefined;
}

export interface SealValueOptions extends ValuePolicy {
  /** Text is sealed as UTF-8. */
  readonly value: string | Uint8Array;
  readonly publicKey: KeyText;
  readonly namespace: string;
  /** The name of the Secret. */
  readonly name: string;
  /** The data key. */
  readonly key: string;
  /** Default: `strict`. */
  readonly scope?: Scope | undefined;
}

export interface ManifestOptions {
  /** The name of the manifest in messages. Default: `manifest`. */
  readonly path?: string | undefined;
  /** The namespace of Secrets that name none. It is never written. */
  readonly namespace?: string | undefined;
}

export interface SealManifestOptions extends ManifestOptions, ValuePolicy {
  readonly publicKey: KeyText;
  /** Further keys that existing sealed values may be sealed to. */
  readonly knownKeys?: readonly KeyText[] | undefined;
  /** Default: `strict`. */
  readonly scope?: Scope | undefined;
  /** Write sealed values under `stringData` instead of `data`. */
  readonly stringData?: boolean | undefined;
  /** Throw VALUE_REFUSED instead of returning warnings about values. */
  readonly strict?: boolean | undefined;
}

export interface SealedManifest {
  readonly text: string;
  readonly warnings: readonly Diagnostic[];
  /** The number of values that were sealed now. */
  readonly sealed: number;
  /** The number of values that were sealed before. */
  readonly kept: number;
}

/** A value of a Secret, as far as it is known without its key; never its content. */
export interface InspectedValue {
  readonly path: string;
  readonly line: number;
  /** The name of the Secret for people: `hr/db`. */
  readonly secret: string;
  readonly field?: 'data' | 'stringData';
  /** The data key. */
  readonly key?: string;
  /**
   * A `sealed` value is well-formed and in its place; only its key can tell whether it opens. Another
   * tool sealed an `unbound` one as a JWE, and encrypted a `foreign` one.
   */
  readonly state: 'sealed' | 'misplaced' | 'unbound' | 'damaged' | 'foreign' | 'plaintext';
  /** The places where it can be opened. */
  readonly binding?: Binding | undefined;
  /** The SHA-256 JWK thumbprint of its key (RFC 7638); another tool may have put any text there. */
  readonly kid?: string | undefined;
  /** The length of the modulus in bits. */
  readonly keyBits?: number;
  /** The least and the most bytes of the plaintext. */
  readonly plaintextOctets?: readonly [number, number];
  /** The problem of a damaged value, or the tool of a foreign one. */
  readonly reason?: string;
}

export interface VerifyManifestOptions extends ManifestOptions {
  /** The keys that values may be sealed to. Without it, keys are not checked. */
  readonly publicKeys?: readonly KeyText[] | undefined;
  /** The widest scope that is allowed. Default: `namespace-wide`. */
  readonly maxScope?: Scope | undefined;
  /** The severities of rules, by id, as in `verify.rules` of `.kseal.yaml`. */
  readonly rules?: Readonly<Record<string, 'off' | 'warning' | 'error'>> | undefined;
}

export interface OpenManifestOptions extends ManifestOptions {
  readonly privateKeys: readonly (KeyText | RemoteKey)[];
  /** The passphrase of encrypted private keys. */
  readonly passphrase?: string | Uint8Array | undefined;
  /** Also open values of other tools, which are not bound to a Secret. */
  readonly acceptUnbound?: boolean | undefined;
}

export interface OpenedManifest {
  readonly text: string;
  readonly warnings: readonly Diagnostic[];
  /** The number of values that were opened. */
  readonly opened: number;
}

/**
 * Seals one value. Returns a compact JWE, which is the value under `stringData`, and in base64 under
 * `data`. There is nobody to read a warning, so a value with one is refused unless `allow` has its
 * code.
 *
 * @throws TypeError for an option of the wrong type
 * @throws KsealError KEY_INVALID, VALUE_REFUSED for the place or the value, or USAGE for `allow`
 */
export async function sealValue(options: SealValueOptions): Promise<string> {
  checkOptions(options, ['value', 'publicKey', 'namespace', 'name', 'key']);
  const { value, namespace, name, key, scope = 'strict', allow = [] } = options;
  // A wider scope does not bind all of the place, but a Secret needs it.
  bindingTo('strict', { namespace, name, key });
  const blank = { type: undefined, labels: new Map(), annotations: new Map(), json: true };
  const manifest = newManifest({ ...blank, name, namespace });
  const secret = selectSecret(manifest, { name, namespace });
  const changes = { values: [{ key, bytes: bytesOf(value) }], remove: [] };
  const policy = { strict: true, allow: new Set(allow) };
  const settings = { scope, namespace, stringData: true, policy, knownKeys: undefined };
  const { text } = await sealInto(
    manifest,
    secret,
    changes,
    await publicKey(options.publicKey),
    settings,
  );
  return bareJwe(text);
}

/**
 * Seals the plaintext values of all Secrets in a manifest, which is YAML or JSON with any number of
 * documents. All other bytes stay, except that a Secret with `stringData` alone gets `data` instead.
 * Sealed values stay if they are sound, in their place, and sealed to one of the keys.
 *
 * @throws TypeError for an argument of the wrong type
 * @throws KsealError, or AggregateError with a KsealError for each problem of the manifest
 */
export async function sealManifest(
  text: string,
  options: SealManifestOptions,
): Promise<SealedManifest> {
  checkText(text);
  checkOptions(options, ['publicKey']);
  const { namespace, scope = 'strict', stringData = false, strict = false, allow = [] } = options;
  const key = await publicKey(options.publicKey);
  const known = await publicKeys(options.knownKeys ?? [], 'knownKeys');
  const { warnings, sealed, kept, ...result } = await sealSecrets(
    readToChange(text, options),
    key,
    {
      scope,
      namespace,
      stringData,
      policy: { strict, allow: new Set(allow) },
      knownKeys: new Map([key, ...known].map(({ kid, bits }) => [kid, bits])),
    },
  );
  return { text: result.text, warnings, sealed, kept };
}

/**
 * Returns every value of the Secrets in a manifest, in source order, with the facts that need no key.
 *
 * @throws TypeError for an argument of the wrong type
 * @throws KsealError, or AggregateError with a KsealError for each problem of the manifest
 */
export function inspectManifest(
  text: string,
  options: ManifestOptions = {},
): readonly InspectedValue[] {
  checkText(text);
  checkOptions(options);
  const manifest = read(text, options);
  errors.throwAll(manifest.problems.map((problem) => errorFor(manifest.path, problem)));
  return inspectSecrets(manifest, options.namespace);
}

/**
 * Returns what `kseal verify` finds in a manifest, by position; empty if it is sound. Comments
 * `# kseal-ignore RULE: reason` suppress findings. Never throws for the content of the text.
 *
 * @throws TypeError for an argument of the wrong type
 * @throws KsealError KEY_INVALID, or USAGE for an unknown rule
 */
export async function verifyManifest(
  text: string,
  options: VerifyManifestOptions = {},
): Promise<readonly Finding[]> {
  checkText(text);
  checkOptions(options);
  const { path = PATH, namespace, maxScope = DEFAULT_MAX_SCOPE, rules = {} } = options;
  const severities = new Map(Object.entries(rules));
  // Throws for an unknown rule, which would otherwise change nothing.
  for (const id of severities.keys()) ruleNamed(id);
  const keys = options.publicKeys && (await publicKeys(options.publicKeys, 'publicKeys'));
  const allowed = keys?.map(({ kid, bits }) => {
    return [kid, { name: undefined, state: 'active', bits }] as const;
  });
  const policy = {
    keys: allowed && new Map(allowed),
    wantedKid: undefined,
    namespace,
    field: undefined,
    maxScope,
    refusedKids: new Set<string>(),
    sealKey: 'KEY',
  };
  return verifyText({ path, content: bytesOf(text) }, policy, { severities }).findings;
}

/**
 * Opens every sealed value of a manifest, all or none, and leaves all other bytes. A value under
 * `stringData` that is not UTF-8 moves to `data`.
 *
 * @throws TypeError for an argument of the wrong type
 * @throws KsealError, or AggregateError with a KsealError for each problem of the manifest
 */
export async function openManifest(
  text: string,
  options: OpenManifestOptions,
): Promise<OpenedManifest> {
  checkText(text);
  checkOptions(options, ['privateKeys']);
  const { namespace, acceptUnbound = false, privateKeys, passphrase } = options;
  const keyring = await Promise.all(
    privateKeys.map((key, at) => openingKey(key, `privateKeys[${at}]`, passphrase)),
  );
  const policy = { acceptUnbound, allowRevoked: false, maxScope: 'cluster-wide' } as const;
  const manifest = readToChange(text, options);
  const result = await unsealManifest(manifest, { keyring, policy, namespace });
  const opened = result.opened.reduce((sum, { values }) => sum + values.length, 0);
  return { text: result.text, warnings: result.warnings, opened };
}

const PATH = 'manifest';

type Option =
  | keyof SealValueOptions
  | keyof SealManifestOptions
  | keyof VerifyManifestOptions
  | keyof OpenManifestOptions;

type Check = (value: unknown) => boolean;

const isText: Check = (value) => typeof value === 'string';
const isFlag: Check = (value) => typeof value === 'boolean';
const isContent: Check = (value) => isText(value) || types.isUint8Array(value);
const isScope: Check = (value) => scopes.some((scope) => scope === value);
const isSeverity: Check = (value) => value === 'off' || value === 'warning' || value === 'error';
const isRemoteKey: Check = (value) =>
  isObject(value) && isContent(value.publicKey) && typeof value.decryptKey === 'function';
const isList = (isFit: Check): Check => {
  return (value) => Array.isArray(value) && value.every(isFit);
};

const kinds = {
  text: ['a string', isText],
  content: ['a string or a Uint8Array', isContent],
  flag: ['true or false', isFlag],
  scope: [scopes.join(', '), isScope],
  texts: ['an array of strings', isList(isText)],
  keys: ['an array of keys, each a string or a Uint8Array', isList(isContent)],
  privateKeys: [
    'an array of keys, each a string, a Uint8Array or { publicKey, decryptKey }',
    isList((key) => isContent(key) || isRemoteKey(key)),
  ],
  severities: [
    'an object with off, warning or error for each rule',
    (value) => isObject(value) && Object.values(value).every(isSeverity),
  ],
} as const satisfies Record<string, readonly [expected: string, Check]>;

const kindOf: Readonly<Record<Option, keyof typeof kinds>> = {
  ...{ value: 'content', publicKey: 'content', passphrase: 'content' },
  ...{ namespace: 'text', name: 'text', key: 'text', path: 'text' },
  ...{ stringData: 'flag', strict: 'flag', acceptUnbound: 'flag' },
  ...{ scope: 'scope', maxScope: 'scope' },
  ...{ knownKeys: 'keys', publicKeys: 'keys', privateKeys: 'privateKeys' },
  ...{ allow: 'texts', rules: 'severities' },
};

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function checkText(value: unknown): void {
  if (!isText(value)) throw new TypeError('text: expected a string');
}

/**
 * Throws TypeError for an option of the wrong type. In a program without types, a scope in an array
 * would get into the binding, and a misspelt severity would hide a finding.
 */
function checkOptions(options: unknown, required: readonly Option[] = []): void {
  if (!isObject(options)) throw new TypeError('options: expected an object');
  for (const [name, kind] of Object.entries(kindOf)) {
    const [expected, isFit] = kinds[kind];
    const isWrong =
      options[name] === undefined ? required.some((one) => one === name) : !isFit(options[name]);
    if (isWrong) throw new TypeError(`${name}: expected ${expected}`);
  }
  const { allow = [] } = options as ValuePolicy;
  const unknown = allow.find((code) => !allowedCodes.includes(code));
  if (unknown === undefined) return;
  const hint = `use one of ${allowedCodes.join(', ')}`;
  throw new errors.KsealError('USAGE', `allow: no such warning: ${unknown}`, { hint });
}

function read(text: string, { path = PATH }: ManifestOptions): Manifest {
  return readManifest(decodeManifest(bytesOf(text), path), path);
}

function readToChange(text: string, options: ManifestOptions): Manifest {
  const manifest = read(text, options);
  refuseSops(manifest, manifest.path);
  return manifest;
}

function bytesOf(content: string | Uint8Array): Uint8Array {
  return typeof content === 'string' ? Buffer.from(content) : content;
}

function publicKey(text: KeyText, name = 'publicKey'): Promise<KeyFile> {
  return publicKeyFrom(bytesOf(text), name);
}

function publicKeys(texts: readonly KeyText[], name: string): Promise<readonly KeyFile[]> {
  return Promise.all(texts.map((text, at) => publicKey(text, `${name}[${at}]`)));
}

async function openingKey(
  key: KeyText | RemoteKey,
  name: string,
  passphrase: string | Uint8Array | undefined,
): Promise<OpeningKey> {
  if (typeof key === 'string' || types.isUint8Array(key)) {
    const passphrases = async function* () {
      if (passphrase !== undefined) yield passphrase;
    };
    return openingKeyFrom(bytesOf(key), name, { passphrases });
  }
  const { kid, bits } = await publicKey(key.publicKey, `${name}.publicKey`);
  const decryptKey: OpeningKey['decryptKey'] = (encrypted) => key.decryptKey(encrypted);
  return { kid, modulusBytes: Math.ceil(bits / 8), state: 'active', decryptKey };
}
