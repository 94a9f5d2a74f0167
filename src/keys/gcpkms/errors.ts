import { type ErrorCode, KsealError } from '../../errors.ts';
import { Damaged } from './messages.ts';
import { gcloudGrant, gcloudKeys, gcloudVersions } from './name.ts';

/** The gRPC status codes that Cloud KMS returns (google/rpc/code.proto). */
export const status = {
  INVALID_ARGUMENT: 3,
  DEADLINE_EXCEEDED: 4,
  NOT_FOUND: 5,
  PERMISSION_DENIED: 7,
  RESOURCE_EXHAUSTED: 8,
  FAILED_PRECONDITION: 9,
  INTERNAL: 13,
  UNAVAILABLE: 14,
  UNAUTHENTICATED: 16,
} as const;

/** An error of the client that has a gRPC status. */
interface StatusError extends Error {
  readonly code: number;
  /** From a `google.rpc.ErrorInfo`. */
  readonly reason?: string;
  readonly errorInfoMetadata?: Readonly<Record<string, string>>;
}

export function isStatus(error: unknown): error is StatusError {
  return error instanceof Error && 'code' in error && typeof error.code === 'number';
}

const transient: readonly number[] = [
  status.UNAVAILABLE,
  status.DEADLINE_EXCEEDED,
  status.RESOURCE_EXHAUSTED,
  status.INTERNAL,
];

/** Whether another attempt may succeed. */
export function isTransient(error: unknown): boolean {
  return error instanceof Damaged || (isStatus(error) && transient.includes(error.code));
}

/** The permission that each call needs, and a role with it. */
const permissions = {
  getPublicKey: ['cloudkms.cryptoKeyVersions.viewPublicKey', 'roles/cloudkms.publicKeyViewer'],
  asymmetricDecrypt: [
    'cloudkms.cryptoKeyVersions.useToDecrypt',
    'roles/cloudkms.cryptoKeyDecrypter',
  ],
  listCryptoKeyVersions: ['cloudkms.cryptoKeyVersions.list', 'roles/cloudkms.viewer'],
} as const;

/** A call, and the resource that it is for. */
export interface Asked {
  readonly call: keyof typeof permissions;
  readonly name: string;
}

/** Converts any failure of a call. A bug is thrown. */
export function kmsError(error: unknown, asked: Asked): KsealError {
  if (error instanceof KsealError) return error;
  if (error instanceof Damaged) {
    return new KsealError('KEY_UNAVAILABLE', `damaged in transit: ${error.message}`, {
      thing: asked.name,
      hint: 'try again; if it fails again, a proxy on the way changes the data',
    });
  }
  if (!isStatus(error)) throw error;
  if (error.message.includes(TOKEN_FAILED)) return tokenFailure(error);
  const { code: number, reason = '' } = error;
  const row = (Object.hasOwn(reasons, reason) && reasons[reason]) || rows[number] || unknownStatus;
  const [code, problem, hint, thing = asked.name] = row(asked, error);
  return new KsealError(code, problem, { thing, hint, cause: error });
}

/** `thing` defaults to the name of the resource. */
type Words = readonly [code: ErrorCode, problem: string, hint: string, thing?: string];
type Row = (asked: Asked, error: StatusError) => Words;

/** The meaning of each status. Google's own text is not printed: it may name people. */
const rows: Readonly<Record<number, Row>> = {
  [status.INVALID_ARGUMENT]: wrongKind,
  [status.DEADLINE_EXCEEDED]: () => late,
  [status.NOT_FOUND]: ({ name }) => [
    'KEY_NOT_FOUND',
    'not found in Cloud KMS',
    gcloudKeys('list', name),
  ],
  [status.PERMISSION_DENIED]: ({ name, call }) => [
    'KEY_DENIED',
    `access denied: no permission ${permissions[call][0]}, or no such key`,
    gcloudGrant(permissions[call][1], name),
  ],
  [status.RESOURCE_EXHAUSTED]: () => [
    'KEY_UNAVAILABLE',
    'Cloud KMS quota exceeded (RESOURCE_EXHAUSTED)',
    'wait a minute, then try again',
  ],
  [status.FAILED_PRECONDITION]: (asked, error) => notEnabled(asked, error) ?? wrongKind(asked),
  [status.UNAVAILABLE]: (_, { message }) =>
    message.includes('certificate')
      ? [
          'KEY_UNAVAILABLE',
          'the certificate of the Cloud KMS endpoint is not trusted',
          'for a private CA: export GRPC_DEFAULT_SSL_ROOTS_FILE_PATH=ca.pem',
        ]
      : ['KEY_UNAVAILABLE', 'cannot reach Cloud KMS (UNAVAILABLE)', CHECK_NETWORK],
  [status.UNAUTHENTICATED]: () => [
    'KEY_CREDENTIALS',
    'rejected: expired or revoked',
    LOGIN,
    CREDENTIALS,
  ],
};

const CHECK_NETWORK = 'check the network and the proxy (https_proxy), then try again';
const CREDENTIALS = 'Google credentials';
const LOGIN = 'gcloud auth application-default login';

const late: Words = [
  'KEY_DEADLINE',
  'Cloud KMS did not answer in time',
  'check the network, then try again',
];

/** The error for a call without an answer before the deadline. */
export function tooLate(thing: string): KsealError {
  const [code, problem, hint] = late;
  return new KsealError(code, problem, { thing, hint });
}

/** The meaning of a reason in a `google.rpc.ErrorInfo`, which is more precise than the status. */
const reasons: Readonly<Record<string, Row>> = {
  SERVICE_DISABLED: (_, { errorInfoMetadata }) => {
    const consumer = /^projects\/([\w.:-]+)$/.exec(errorInfoMetadata?.consumer ?? '');
    return [
      'KEY_UNAVAILABLE',
      'not enabled in the project that the calls are billed to',
      `gcloud services enable cloudkms.googleapis.com --project ${consumer?.[1] ?? 'PROJECT'}`,
      'Cloud KMS API',
    ];
  },
  ACCESS_TOKEN_SCOPE_INSUFFICIENT: () => [
    'KEY_CREDENTIALS',
    'access scopes do not include Cloud KMS',
    `give the machine the scope cloud-platform, or: ${LOGIN}`,
    CREDENTIALS,
  ],
  SECURITY_POLICY_VIOLATED: () => [
    'KEY_DENIED',
    'access denied by a VPC Service Controls perimeter',
    'run it inside the perimeter, or ask its owner for an ingress rule',
  ],
};

function unknownStatus(_: Asked, { code }: StatusError): Words {
  const hint = 'try again; --debug shows the message of Cloud KMS';
  return ['KEY_UNAVAILABLE', `Cloud KMS failed with gRPC status ${code}`, hint];
}

function wrongKind({ name }: Asked): Words {
  return ['KEY_INVALID', 'not a key for asymmetric decryption', gcloudKeys('list', name)];
}

/** The gcloud command that ends a state; other states end by themselves or not at all. */
const remedies: Readonly<Record<string, string>> = {
  DISABLED: 'enable',
  DESTROY_SCHEDULED: 'restore',
};

/** Cloud KMS has the state only in its text: "is not enabled, current state is: DISABLED." */
function notEnabled({ name }: Asked, { message }: StatusError): Words | undefined {
  const state = /\bstate is: ([A-Z]+(?:_[A-Z]+)*)/.exec(message)?.[1];
  if (state === undefined) return undefined;
  const hint = gcloudVersions(remedies[state] ?? 'describe', name);
  return ['KEY_UNAVAILABLE', `key version is ${state}`, hint];
}

/** The text of gRPC before the error of a token request. */
const TOKEN_FAILED = 'Getting metadata from plugin failed with error: ';

/** How Node says that a host is unreachable or not trusted. */
const OFFLINE =
  /\b(?:ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|ETIMEDOUT|ENETUNREACH|EHOSTUNREACH|socket hang up|network timeout|fetch failed|aborted|certificate)\b/;

/** An OAuth 2.0 error code (RFC 6749 §5.2), as Google's token service returns it. */
const OAUTH_CODE = /\b(?:invalid|unauthorized|unsupported|access)_[a-z_]+\b/;

/** The packages may quote the credentials, so only a code is shown, without a cause. */
function tokenFailure({ message }: Error): KsealError {
  if (OFFLINE.test(message)) {
    return new KsealError('KEY_UNAVAILABLE', "cannot reach Google's token service", {
      hint: CHECK_NETWORK,
    });
  }
  const code = OAUTH_CODE.exec(message)?.[0];
  const why = code === undefined ? '' : ` (${code})`;
  return credentialsError(`rejected by the token service: expired, revoked or incomplete${why}`);
}

/** The error for credentials that are missing or unreadable. */
export function noCredentials(error: unknown, credentialFile: string | undefined): KsealError {
  if (credentialFile) {
    return new KsealError('KEY_CREDENTIALS', `${credentialFile} contains no Google credentials`, {
      thing: 'GOOGLE_APPLICATION_CREDENTIALS',
      hint: `unset GOOGLE_APPLICATION_CREDENTIALS; ${LOGIN}`,
    });
  }
  const none = error instanceof Error && error.message.includes('default credentials');
  return credentialsError(none ? 'not found' : 'unreadable');
}

/** The error for credentials of another cloud, which Google must not receive. */
export function otherUniverse(domain: string): KsealError {
  return credentialsError(
    `are for ${domain}, not for googleapis.com`,
    `--kms-endpoint cloudkms.${domain}`,
  );
}

function credentialsError(problem: string, hint = LOGIN): KsealError {
  return new KsealError('KEY_CREDENTIALS', problem, { thing: CREDENTIALS, hint });
}
