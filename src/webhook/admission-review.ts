import { KsealError } from '../errors.ts';
import { isSealedInSomeForm } from '../jwe/detect.ts';
import { decodeUtf8 } from '../text.ts';

/** The only supported version (k8s.io/api admission/v1). */
const API_VERSION = 'admission.k8s.io/v1';

/**
 * The largest review, in bytes. The API server accepts objects of up to 3 MiB, and a review holds
 * the old and the new object.
 */
export const MAX_REVIEW_BYTES = 7 * 1024 * 1024;

/** The parts of an AdmissionRequest (k8s.io/api admission/v1) that kseal reads. */
export interface AdmissionRequest {
  readonly uid: string;
  readonly operation: string;
  /** The namespace of the request: the API server does not vouch for that of the object. */
  readonly namespace: string;
  /** Undefined if the API server has not generated it yet. */
  readonly name: string | undefined;
  readonly dryRun: boolean;
  /** Undefined unless the request creates or updates a Secret itself. */
  readonly secret: SecretWrite | undefined;
}

/** The values of a Secret as admission sees them: base64 under `data`, never `stringData`. */
export interface SecretWrite {
  /** The values that may be sealed: the others would only use memory during KMS calls. */
  readonly data: ReadonlyMap<string, string>;
  /** The previous values of the same data keys; empty if the Secret is created. */
  readonly before: ReadonlyMap<string, string>;
  /** Taken from the stored object, because a new object can claim anything before its admission. */
  readonly isBeingDeleted: boolean;
}

export interface AdmissionResponse {
  readonly uid: string;
  readonly allowed: boolean;
  readonly status?: Status;
  /** The API server rejects an answer that has only one of `patchType` and `patch`. */
  readonly patchType?: 'JSONPatch';
  /** A JSON array of operations (RFC 6902), base64-encoded. */
  readonly patch?: string;
  /** Shown to the user; at most 120 characters each. */
  readonly warnings?: readonly string[];
}

/** A metav1.Status; `code` is an HTTP status of 400 or more. */
export interface Status {
  readonly code: number;
  readonly reason: string;
  readonly message: string;
  readonly details?: { readonly retryAfterSeconds: number };
}

/**
 * Parses an AdmissionReview v1. Throws REVIEW_INVALID; the message never quotes the review, because
 * that holds values.
 */
export function readReview(bytes: Uint8Array): AdmissionRequest {
  const review = objectIn(parse(bytes), 'the review');
  if (review.apiVersion !== API_VERSION || review.kind !== 'AdmissionReview') {
    throw invalid(`expected apiVersion ${API_VERSION} and kind AdmissionReview`);
  }
  const request = objectIn(review.request, 'request');
  const operation = textIn(request, 'operation');
  return {
    uid: textIn(request, 'uid'),
    operation,
    namespace: optionalTextIn(request, 'namespace') ?? '',
    name: optionalTextIn(request, 'name') || undefined,
    dryRun: request.dryRun === true,
    secret: isSecretWrite(request, operation) ? readSecret(request) : undefined,
  };
}

/** The text of an AdmissionReview with this response: one line of JSON. */
export function answerText(response: AdmissionResponse): string {
  const answer = { apiVersion: API_VERSION, kind: 'AdmissionReview', response };
  return `${JSON.stringify(answer)}\n`;
}

/**
 * A JSON Patch (RFC 6902) that replaces exactly the opened values, by data key. The rest of the
 * object keeps what the user and other webhooks wrote.
 */
export function patchOf(
  opened: ReadonlyMap<string, Uint8Array>,
): Required<Pick<AdmissionResponse, 'patchType' | 'patch'>> {
  const operations = [...opened].map(([key, bytes]) => ({
    op: 'replace',
    // RFC 6901 §3: "'~' needs to be encoded as '~0' and '/' needs to be encoded as '~1'".
    path: `/data/${key.replaceAll('~', '~0').replaceAll('/', '~1')}`,
    value: Buffer.from(bytes).toString('base64'),
  }));
  const patch = Buffer.from(JSON.stringify(operations)).toString('base64');
  return { patchType: 'JSONPatch', patch };
}

function parse(bytes: Uint8Array): unknown {
  const text = decodeUtf8(bytes);
  if (text === undefined) throw invalid('not UTF-8');
  try {
    return JSON.parse(text);
  } catch {
    throw invalid('not JSON');
  }
}

function isSecretWrite(request: Members, operation: string): boolean {
  const kind = objectIn(request.kind, 'request.kind');
  const isSecret = kind.kind === 'Secret' && (kind.group ?? '') === '';
  return isSecret && !request.subResource && ['CREATE', 'UPDATE'].includes(operation);
}

function readSecret(request: Members): SecretWrite {
  const object = objectIn(request.object, 'request.object');
  const old = objectIn(request.oldObject ?? {}, 'request.oldObject');
  const { deletionTimestamp } = objectIn(old.metadata ?? {}, 'metadata');
  const data = readData(object, (_, value) => mayBeSealed(value));
  return {
    data,
    before: readData(old, (key) => data.has(key)),
    isBeingDeleted: (deletionTimestamp ?? null) !== null,
  };
}

/** Both `data` and a value in it may be null, which is how Go encodes a nil map or slice. */
function readData(
  { data }: Members,
  isKept: (key: string, value: string) => boolean,
): ReadonlyMap<string, string> {
  const values = new Map<string, string>();
  const members = objectIn(data ?? {}, 'data');
  // Object.entries takes three times as long on very many members.
  for (const key of Object.keys(members)) {
    const value = members[key];
    if (value === null) continue;
    if (typeof value !== 'string') throw invalid('data has a value that is not a string');
    if (isKept(key, value)) values.set(key, value);
  }
  return values;
}

/** Keeps base64 that is not canonical too, so that it is refused and not ignored. */
function mayBeSealed(base64: string): boolean {
  const bytes = Buffer.from(base64, 'base64');
  return isSealedInSomeForm(bytes) || bytes.toString('base64') !== base64;
}

type Members = Readonly<Record<string, unknown>>;

function objectIn(value: unknown, what: string): Members {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Members;
  throw invalid(`${what} is not an object`);
}

function textIn(members: Members, name: string): string {
  const text = optionalTextIn(members, name);
  if (text) return text;
  throw invalid(`request.${name} is missing`);
}

function optionalTextIn(members: Members, name: string): string | undefined {
  const text = members[name] ?? undefined;
  if (text === undefined || typeof text === 'string') return text;
  throw invalid(`request.${name} is not a string`);
}

function invalid(why: string): KsealError {
  return new KsealError('REVIEW_INVALID', `invalid AdmissionReview: ${why}`, {
    hint: `send an ${API_VERSION} AdmissionReview, as the API server does`,
  });
}
