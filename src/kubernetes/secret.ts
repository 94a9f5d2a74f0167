import type { Words } from '../diagnostic.ts';
import { KsealError } from '../errors.ts';
import { decodeUtf8 } from '../text.ts';

// Names as the Kubernetes API server checks them. No name that a binding can hold has a character
// that JSON would escape.

const dnsLabel = /^[a-z0-9](?:[-a-z0-9]*[a-z0-9])?$/;

/** A namespace: a DNS label (RFC 1123; k8s.io/apimachinery IsDNS1123Label). */
export function isNamespace(text: string): boolean {
  return text.length <= 63 && dnsLabel.test(text);
}

/** A Secret's name: a DNS subdomain (RFC 1123; k8s.io/apimachinery IsDNS1123Subdomain). */
export function isSecretName(text: string): boolean {
  return text.length <= 253 && text.split('.').every((label) => dnsLabel.test(label));
}

/** A Secret data key (k8s.io/apimachinery IsConfigMapKey); `__proto__` and `.hidden` are valid. */
export function isDataKey(text: string): boolean {
  return (
    text.length <= 253 && /^[-._a-zA-Z0-9]+$/.test(text) && text !== '.' && !text.startsWith('..')
  );
}

/** The key of a label or an annotation (k8s.io/apimachinery IsQualifiedName). */
export function isLabelKey(text: string): boolean {
  const [name = '', prefix, ...more] = text.split('/').reverse();
  return (
    more.length === 0 &&
    (prefix === undefined || isSecretName(prefix)) &&
    name.length <= 63 &&
    /^[A-Za-z0-9](?:[-A-Za-z0-9_.]*[A-Za-z0-9])?$/.test(name)
  );
}

/** The names in the metadata of a Secret. */
export interface Names {
  readonly name: string | undefined;
  readonly generateName: string | undefined;
  readonly namespace: string | undefined;
}

/** Returns the name of a Secret for messages: `hr/db`, `db`, `generateName db-*` or `(no name)`. */
export function secretLabel({ name, generateName, namespace }: Names): string {
  const inNamespace = namespace === undefined ? '' : `${namespace}/`;
  if (name !== undefined) return inNamespace + name;
  if (generateName !== undefined) return `generateName ${inNamespace}${generateName}*`;
  return '(no name)';
}

/** The content that a Secret of one type must have (kubernetes/pkg/apis/core/validation, ValidateSecret). */
interface SecretType {
  /** Each group needs at least one of its data keys. */
  readonly required: readonly (readonly string[])[];
  /** The data key whose value must be a JSON object. */
  readonly json?: string;
}

const types: ReadonlyMap<string | undefined, SecretType> = new Map([
  ['kubernetes.io/tls', { required: [['tls.crt'], ['tls.key']] }],
  [
    'kubernetes.io/dockerconfigjson',
    { required: [['.dockerconfigjson']], json: '.dockerconfigjson' },
  ],
  ['kubernetes.io/dockercfg', { required: [['.dockercfg']], json: '.dockercfg' }],
  ['kubernetes.io/basic-auth', { required: [['username', 'password']] }],
  ['kubernetes.io/ssh-auth', { required: [['ssh-privatekey']] }],
]);

/** The data keys that a type requires, with the alternatives to them. */
export function dataKeysOf(type: string | undefined): readonly string[] {
  return types.get(type)?.required.flat() ?? [];
}

/** Returns each data key that `type` requires and that `keys` lacks, with a message about it. */
export function missingKeys(
  type: string | undefined,
  keys: ReadonlySet<string>,
): readonly { readonly key: string; readonly message: string }[] {
  const required = types.get(type)?.required ?? [];
  return required
    .filter((group) => !group.some((key) => keys.has(key)))
    .map((group) => {
      const names = group.map((key) => `"${key}"`).join(' or ');
      const message = `missing data key ${names}, which type ${type} requires`;
      return { key: group.at(-1) ?? '', message };
    });
}

/** The types of Secrets with values that a person may have. */
export const secretTypes: readonly string[] = [
  'Opaque',
  ...[...types.keys()].flatMap((type) => type ?? []),
];

/** The problem of a value that `type` forbids, such as "is not a JSON object, …"; else undefined. */
export function forbiddenValue(
  type: string | undefined,
  key: string,
  bytes: Uint8Array,
): string | undefined {
  if (types.get(type)?.json !== key || jsonObject(bytes) !== undefined) return undefined;
  return `is not a JSON object, as type ${type} requires`;
}

type JsonObject = Readonly<Record<string, unknown>>;

function asObject(value: unknown): JsonObject | undefined {
  const isObject = typeof value === 'object' && value !== null && !Array.isArray(value);
  return isObject ? (value as JsonObject) : undefined;
}

function jsonObject(bytes: Uint8Array): JsonObject | undefined {
  try {
    return asObject(JSON.parse(decodeUtf8(bytes) ?? ''));
  } catch {
    // The error of JSON.parse quotes the value, so it is dropped.
    return undefined;
  }
}

/**
 * Whether a docker configuration has a registry without credentials, or none at all: the kubelet
 * has neither the credential store nor the helper that the configuration may name.
 */
export function lacksCredentials(key: string, bytes: Uint8Array): boolean {
  if (key !== '.dockerconfigjson' && key !== '.dockercfg') return false;
  const config = jsonObject(bytes);
  if (config === undefined) return false;
  const registries = key === '.dockercfg' ? config : (asObject(config.auths) ?? {});
  const entries = Object.values(registries).map((entry) => asObject(entry) ?? {});
  return entries.length === 0 || !entries.every(hasCredentials);
}

/** Reads an entry as k8s.io/kubernetes/pkg/credentialprovider does; other clients take tokens. */
function hasCredentials({ auth, username, password, ...tokens }: JsonObject): boolean {
  const isText = (value: unknown) => typeof value === 'string' && value !== '';
  return (
    (isText(username) && isText(password)) ||
    (typeof auth === 'string' && isUserAndPassword(auth)) ||
    isText(tokens.identitytoken) ||
    isText(tokens.registrytoken)
  );
}

/** Whether `auth` is the base64 of `user:password`, padded or not. */
function isUserAndPassword(auth: string): boolean {
  const bytes = Buffer.from(auth, 'base64');
  const unpadded = (text: string) => text.replace(/={1,2}$/, '');
  return bytes.includes(':', 1) && unpadded(bytes.toString('base64')) === unpadded(auth);
}

/** The most sealed values that are opened in one Secret: each costs a call to the key. */
export const MAX_SEALED_VALUES = 256;

/** Throws VALUE_REFUSED for a Secret with more sealed values than are opened. */
export function checkCount(sealed: number): void {
  if (sealed <= MAX_SEALED_VALUES) return;
  const problem = `more than ${MAX_SEALED_VALUES} sealed values in one Secret`;
  throw new KsealError('VALUE_REFUSED', problem, { hint: 'split the Secret' });
}

/** The most bytes that the values of a Secret may total (k8s.io/api core/v1 MaxSecretSize). */
const MAX_SECRET = 1024 * 1024;

/** Throws VALUE_REFUSED if the opened values of a Secret, `bytes` bytes in all, do not fit into it. */
export function checkSize(bytes: number): void {
  if (bytes <= MAX_SECRET) return;
  const problem = `the values total ${bytes} bytes, more than the ${MAX_SECRET} that fit into a Secret`;
  throw new KsealError('VALUE_REFUSED', problem, { hint: 'split the Secret' });
}

/** The annotation in which a client-side `kubectl apply` keeps the manifest as JSON, still sealed. */
export const LAST_APPLIED = 'kubectl.kubernetes.io/last-applied-configuration';

/**
 * The most bytes that the names and texts of all annotations of an object may total
 * (k8s.io/apimachinery validation, TotalAnnotationSizeLimitB).
 */
export const MAX_ANNOTATIONS = 256 * 1024;

/** Returns a warning if the annotations would total `bytes` bytes after a client-side apply. */
export function checkApplied(bytes: number): readonly Words[] {
  if (bytes <= MAX_ANNOTATIONS) return [];
  const message = `too large for a client-side kubectl apply: the annotations would total ${bytes} bytes, more than the ${MAX_ANNOTATIONS} that fit`;
  return [{ message, hint: 'kubectl apply --server-side -f FILE' }];
}
