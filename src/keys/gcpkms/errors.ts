import { type ErrorCode, KsealError } from '../../errors.ts';
import { gcloudGrant, gcloudKeys, gcloudVersions } from './name.ts';

/** The gRPC status codes that Cloud KMS answers with (google/rpc/code.proto). */
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

/** An error that carries a gRPC status, as the client throws it. */
interface StatusError extends Error {
  readonly code: number;
  /** From a `google.rpc.ErrorInfo`. */
  readonly reason?: string;
  readonly errorInfoMetadata?: Readonly<Record<string, string>>;
}

export function isStatus(error: unknown): error is StatusError {
  return error instanceof Error && 'code' in error && typeof error.code === 'number';
}

/** What arrived is not what was sent. */
export class Damaged extends Error {}

const transient: readonly number[] = [
  status.UNAVAILABLE,
  status.DEADLINE_EXCEEDED,
  status.RESOURCE_EXHAUSTED,
  status.INTERNAL,
];

/** Whether another try may help. */
export function isTransient(error: unknown): boolean {
  if (error instanceof Damaged) return true;
  return isStatus(error) && transient.includes(error.code);
}

/** The right that each call needs, and a role that holds it. */
const rights = {
  getPublicKey: ['cloudkms.cryptoKeyVersions.viewPublicKey', 'roles/cloudkms.publicKeyViewer'],
  asymmetricDecrypt: [
    'cloudkms.cryptoKeyVersions.useToDecrypt',
    'roles/cloudkms.cryptoKeyDecrypter',
  ],
  listCryptoKeyVersions: ['cloudkms.cryptoKeyVersions.list', 'roles/cloudkms.viewer'],
} as const;

/** A call, and the resource it is about. */
export interface Asked {
  readonly call: keyof typeof rights;
  readonly name: string;
}

type Words = readonly [code: ErrorCode, message: string, hint: string];
type Row = (asked: Asked, error: StatusError) => Words;

/** What each status means to the reader. Google's own words may name identities. */
const rows: Readonly<Record<number, Row>> = {
  [status.INVALID_ARGUMENT]: ({ name }) => wrongKind(name),
  [status.DEADLINE_EXCEEDED]: ({ name }) => late(name),
  [status.NOT_FOUND]: ({ name }) => [
    'KEY_NOT_FOUND',
    `${name}: not found in Cloud KMS`,
    gcloudKeys('list', name),
  ],
  [status.PERMISSION_DENIED]: ({ name, call }) => [
    'KEY_DENIED',
    `${name}: access denied: the right ${rights[call][0]} is missing, or there is no such key`,
    gcloudGrant(rights[call][1], name),
  ],
  [status.RESOURCE_EXHAUSTED]: ({ name }) => [
    'KEY_UNAVAILABLE',
    `${name}: the quota of Cloud KMS is used up (RESOURCE_EXHAUSTED)`,
    'wait a minute, and run it again',
  ],
  [status.FAILED_PRECONDITION]: ({ name }, error) => notEnabled(name, error) ?? wrongKind(name),
  [status.UNAVAILABLE]: ({ name }, { message }) =>
    message.includes('certificate')
      ? [
          'KEY_UNAVAILABLE',
          `${name}: Cloud KMS is not asked: the certificate of its endpoint is not trusted`,
          'with a certificate authority of your own: GRPC_DEFAULT_SSL_ROOTS_FILE_PATH=ca.pem',
        ]
      : [
          'KEY_UNAVAILABLE',
          `${name}: Cloud KMS cannot be reached (UNAVAILABLE)`,
          'check the network and the proxy (https_proxy), and run it again',
        ],
  [status.UNAUTHENTICATED]: () => [
    'KEY_CREDENTIALS',
    'the Google credentials are not accepted: they are expired or revoked',
    LOGIN,
  ],
};

function late(name: string): Words {
  const message = `${name}: Cloud KMS did not answer in time`;
  return ['KEY_DEADLINE', message, 'check the network, and run it again'];
}

/** The error for what was not answered before the deadline. */
export function tooLate(name: string): KsealError {
  const [code, message, hint] = late(name);
  return new KsealError(code, message, { hint });
}

/** What a reason in a `google.rpc.ErrorInfo` adds; it counts more than the status. */
const reasons: Readonly<Record<string, Row>> = {
  SERVICE_DISABLED: (_, { errorInfoMetadata }) => {
    const consumer = /^projects\/([\w.:-]+)$/.exec(errorInfoMetadata?.consumer ?? '');
    const project = consumer?.[1] ?? 'PROJECT';
    return [
      'KEY_UNAVAILABLE',
      'the Cloud KMS API is not enabled in the project that the call counts for',
      `gcloud services enable cloudkms.googleapis.com --project ${project}`,
    ];
  },
  ACCESS_TOKEN_SCOPE_INSUFFICIENT: () => [
    'KEY_CREDENTIALS',
    'the Google credentials are not good for Cloud KMS: their access scopes leave it out',
    `give the machine the scope cloud-platform, or: ${LOGIN}`,
  ],
  SECURITY_POLICY_VIOLATED: ({ name }) => [
    'KEY_DENIED',
    `${name}: access denied by the perimeter of a VPC Service Control`,
    'run it inside the perimeter, or ask its owner for an ingress rule',
  ],
};

/** The KsealError for whatever a call failed with. */
export function kmsError(error: unknown, asked: Asked): KsealError {
  if (error instanceof KsealError) return error;
  if (error instanceof Damaged) {
    return new KsealError(
      'KEY_UNAVAILABLE',
      `${asked.name}: damaged on the way: ${error.message}`,
      {
        hint: 'run it again; if it stays so, something between here and Cloud KMS changes what passes',
      },
    );
  }
  if (!isStatus(error)) throw error;
  if (isTokenFailure(error)) return tokenFailure(error);
  const { code: number, reason = '' } = error;
  const row = Object.hasOwn(reasons, reason) ? reasons[reason] : rows[number];
  const [code, message, hint] = row?.(asked, error) ?? unforeseen(asked, error);
  return new KsealError(code, message, { hint, cause: error });
}

function unforeseen({ name }: Asked, { code }: StatusError): Words {
  const message = `${name}: Cloud KMS failed with gRPC status ${code}`;
  return ['KEY_UNAVAILABLE', message, 'run it again; --debug shows what Cloud KMS said'];
}

function wrongKind(name: string): Words {
  const message = `${name}: not a key for asymmetric decryption`;
  return ['KEY_INVALID', message, gcloudKeys('list', name)];
}

/** The gcloud command that helps in a state; the other states pass, or nothing helps. */
const remedies: Readonly<Record<string, string>> = {
  DISABLED: 'enable',
  DESTROY_SCHEDULED: 'restore',
};

/** Cloud KMS says the state in words: "is not enabled, current state is: DISABLED." */
function notEnabled(name: string, { message }: Error): Words | undefined {
  const state = /\bstate is: ([A-Z]+(?:_[A-Z]+)*)/.exec(message)?.[1];
  if (state === undefined) return undefined;
  const hint = gcloudVersions(remedies[state] ?? 'describe', name);
  return ['KEY_UNAVAILABLE', `${name}: this key version is ${state}`, hint];
}

const LOGIN = 'gcloud auth application-default login';

/** gRPC's words before what failed while it got a token for a call. */
const TOKEN_FAILED = 'Getting metadata from plugin failed with error: ';

/** How node says that a host is out of reach, or not to be trusted. */
const OFFLINE =
  /\b(?:ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|ETIMEDOUT|ENETUNREACH|EHOSTUNREACH|socket hang up|network timeout|fetch failed|aborted|certificate)\b/;

/** An error code of OAuth 2.0 (RFC 6749 §5.2), as Google's token service answers it. */
const OAUTH_CODE = /\b(?:invalid|unauthorized|unsupported|access)_[a-z_]+\b/;

/** Whether a call failed before it was made, for want of a token. */
function isTokenFailure(error: Error): boolean {
  return error.message.includes(TOKEN_FAILED);
}

/**
 * No token was to be had. What the packages say may quote the credentials, so of it only a
 * code is shown, and it is kept as no cause.
 */
function tokenFailure({ message }: Error): KsealError {
  if (OFFLINE.test(message)) {
    return new KsealError('KEY_UNAVAILABLE', "Google's token service cannot be reached", {
      hint: 'check the network and the proxy (https_proxy), and run it again',
    });
  }
  const code = OAUTH_CODE.exec(message)?.[0];
  const why = code === undefined ? '' : ` (${code})`;
  return new KsealError(
    'KEY_CREDENTIALS',
    `Google gives no token for these credentials: they are expired, revoked or not complete${why}`,
    { hint: LOGIN },
  );
}

/** The search for credentials failed: there are none, or those there are cannot be read. */
export function noCredentials(error: unknown, credentialFile: string | undefined): KsealError {
  if (credentialFile) {
    return new KsealError(
      'KEY_CREDENTIALS',
      `GOOGLE_APPLICATION_CREDENTIALS names ${credentialFile}, which holds no Google credentials`,
      { hint: `unset GOOGLE_APPLICATION_CREDENTIALS; ${LOGIN}` },
    );
  }
  const none = error instanceof Error && error.message.includes('default credentials');
  return new KsealError(
    'KEY_CREDENTIALS',
    none ? 'no Google credentials found' : 'the Google credentials found cannot be used',
    { hint: LOGIN },
  );
}
