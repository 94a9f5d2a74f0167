import type { Words } from '../diagnostic.ts';
import { KsealError } from '../errors.ts';
import { decodeUtf8 } from '../text.ts';

/** What Kubernetes demands of a Secret of one type (kubernetes/pkg/apis/core/validation, ValidateSecret). */
interface SecretType {
  /** Each group needs at least one of its data keys. */
  readonly required: readonly (readonly string[])[];
  /** Data keys whose value must be a JSON object. */
  readonly json?: readonly string[];
}

const anyType: SecretType = { required: [] };

const types: ReadonlyMap<string, SecretType> = new Map([
  ['kubernetes.io/tls', { required: [['tls.crt'], ['tls.key']] }],
  [
    'kubernetes.io/dockerconfigjson',
    { required: [['.dockerconfigjson']], json: ['.dockerconfigjson'] },
  ],
  ['kubernetes.io/dockercfg', { required: [['.dockercfg']], json: ['.dockercfg'] }],
  ['kubernetes.io/basic-auth', { required: [['username', 'password']] }],
  ['kubernetes.io/ssh-auth', { required: [['ssh-privatekey']] }],
]);

/** The data keys that a type requires and that are missing, each in words. */
export function missingKeys(
  type: string | undefined,
  keys: ReadonlySet<string>,
): readonly string[] {
  const { required } = types.get(type ?? '') ?? anyType;
  return required
    .filter((group) => !group.some((key) => keys.has(key)))
    .map((group) => group.map((key) => `"${key}"`).join(' or '));
}

/** Why a type forbids this value, for instance "is not a JSON object"; undefined if it does not. */
export function forbiddenValue(
  type: string | undefined,
  key: string,
  bytes: Uint8Array,
): string | undefined {
  if (!types.get(type ?? '')?.json?.includes(key)) return undefined;
  try {
    const value: unknown = JSON.parse(decodeUtf8(bytes) ?? '');
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return undefined;
  } catch {
    // JSON.parse quotes the value in its message, which goes nowhere.
  }
  return `is not a JSON object, which type ${type} demands`;
}

/** The type names that kseal checks, for messages. */
export const knownTypes: readonly string[] = ['Opaque', ...types.keys()];

/** The most sealed values a Secret may hold: each costs one call to the key. */
export const MAX_SEALED_VALUES = 256;

/** What the values of a Secret may add up to (k8s.io/api core/v1 MaxSecretSize), in bytes. */
const MAX_SECRET = 1024 * 1024;
/** Above this the sealed text may not fit the annotation of a client-side apply (256 KiB). */
const SERVER_SIDE = 128 * 1024;

/** Throws VALUE_REFUSED where a Secret would hold more sealed values than are opened. */
export function checkCount(sealed: number): void {
  if (sealed <= MAX_SEALED_VALUES) return;
  throw new KsealError(
    'VALUE_REFUSED',
    `more than ${MAX_SEALED_VALUES} sealed values in one Secret`,
    {
      hint: 'split the Secret',
    },
  );
}

/** Checks what the values of a finished Secret add up to. Throws VALUE_REFUSED above 1 MiB. */
export function checkSize(bytes: number): readonly Words[] {
  if (bytes > MAX_SECRET) {
    throw new KsealError(
      'VALUE_REFUSED',
      `the values add up to ${bytes} bytes, and a Secret holds at most ${MAX_SECRET}`,
      {
        hint: 'split the Secret',
      },
    );
  }
  if (bytes <= SERVER_SIDE) return [];
  return [
    {
      message: `the values add up to ${bytes} bytes, which is much for kubectl apply`,
      hint: 'apply it with: kubectl apply --server-side -f FILE',
    },
  ];
}
