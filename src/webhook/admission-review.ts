import { KsealError } from '../errors.ts';
import { isSealedInSomeForm } from '../jwe/detect.ts';
import { decodeUtf8 } from '../text.ts';

/**
 * Reads the bytes of an AdmissionReview v1. Throws REVIEW_INVALID for anything else; the message
 * never quotes it, for it holds values.
 */
export function readReview(bytes: Uint8Array): AdmissionRequest {
  const review = objectIn(parse(bytes), 'the review');
  if (review.apiVersion !== API_VERSION || review.kind !== 'AdmissionReview') {
    throw invalid(`not an AdmissionReview of ${API_VERSION}`);
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

function parse(bytes: Uint8Array): unknown {
  const text = decodeUtf8(bytes);
  if (text === undefined) throw invalid('not UTF-8');
  try {
    return JSON.parse(text);
  } catch {
    throw invalid('not JSON');
  }
}

/** A subresource, another kind and another operation are not ours. */
function isSecretWrite(request: Members, operation: string): boolean {
  const kind = objectIn(request.kind, 'request.kind');
  const isSecret = kind.kind === 'Secret' && (kind.group ?? '') === '';
  return isSecret && !request.subResource && ['CREATE', 'UPDATE'].includes(operation);
}

function readSecret(request: Members): SecretWrite {
  const object = objectIn(request.object, 'request.object');
  const old = isAbsent(request.oldObject) ? {} : objectIn(request.oldObject, 'request.oldObject');
  const metadata = isAbsent(old.metadata) ? {} : objectIn(old.metadata, 'metadata');
  const data = readData(object, (_, value) => mayBeSealed(value));
  return {
    data,
    before: readData(old, (key) => data.has(key)),
    isBeingDeleted: !isAbsent(metadata.deletionTimestamp),
  };
}

/** `data` may be absent or null, and so may a value (Go's nil of []byte). */
function readData(
  { data }: Members,
  isKept: (key: string, value: string) => boolean,
): ReadonlyMap<string, string> {
  if (isAbsent(data)) return new Map();
  const values = new Map<string, string>();
  // An own `__proto__`, which JSON.parse makes, is an entry like any other.
  const members = objectIn(data, 'data');
  // Of very many members Object.entries would take three times as long.
  for (const key of Object.keys(members)) {
    const value = members[key];
    if (isAbsent(value)) continue;
    if (typeof value !== 'string') throw invalid('a value under data is no text');
    if (isKept(key, value)) values.set(key, value);
  }
  return values;
}

/** Also true of what is no canonical base64: that is refused, and not left alone. */
function mayBeSealed(base64: string): boolean {
  const bytes = Buffer.from(base64, 'base64');
  return isSealedInSomeForm(bytes) || bytes.toString('base64') !== base64;
}

type Members = Readonly<Record<string, unknown>>;

function isAbsent(value: unknown): value is null | undefined {
  return value === undefined || value === null;
}

function objectIn(value: unknown, what: string): Members {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Members;
  throw invalid(`${what} is no object`);
}

function textIn(members: Members, name: string): string {
  const text = optionalTextIn(members, name);
  if (text) return text;
  throw invalid(`request.${name} is missing`);
}

function optionalTextIn(members: Members, name: string): string | undefined {
  const text = members[name];
  if (isAbsent(text)) return undefined;
  if (typeof text === 'string') return text;
  throw invalid(`request.${name} is no text`);
}

function invalid(why: string): KsealError {
  return new KsealError('REVIEW_INVALID', `cannot read the AdmissionReview: ${why}`, {
    hint: `send an AdmissionReview of ${API_VERSION}, as the API server does`,
  });
}

/** The one version that is spoken (k8s.io/api admission/v1). */
const API_VERSION = 'admission.k8s.io/v1';

/**
 * The most bytes of a review: an API server takes objects of 3 MiB, a review holds two of them,
 * the old and the new one, and the rest is small.
 */
export const MAX_REVIEW_BYTES = 7 * 1024 * 1024;

/** An AdmissionRequest (k8s.io/api admission/v1), as far as kseal reads it. */
export interface AdmissionRequest {
  readonly uid: string;
  readonly operation: string;
  /** Of the request, not of the object: only this one the API server vouches for. */
  readonly namespace: string;
  /** Absent where the API server is to generate it. */
  readonly name: string | undefined;
  readonly dryRun: boolean;
  /** What there is to open: only where a Secret itself is created or updated. */
  readonly secret: SecretWrite | undefined;
}

/** The values of a Secret as admission sees them: base64 under `data`, never `stringData`. */
export interface SecretWrite {
  /** Those that may be sealed: while a KMS is waited for, the rest would fill the memory. */
  readonly data: ReadonlyMap<string, string>;
  /** What the Secret held before under the same data keys; empty when it is created. */
  readonly before: ReadonlyMap<string, string>;
  /** So says the object that is stored: what is sent may claim anything until it has been admitted. */
  readonly isBeingDeleted: boolean;
}

/** An answer: its `response` has the uid of the request. */
interface AdmissionReview {
  readonly apiVersion: string;
  readonly kind: 'AdmissionReview';
  readonly response: AdmissionResponse;
}

export interface AdmissionResponse {
  readonly uid: string;
  readonly allowed: boolean;
  readonly status?: Status;
  /** Both or neither, or the API server takes the answer for broken. */
  readonly patchType?: 'JSONPatch';
  /** The JSON of an array of operations (RFC 6902), base64-encoded. */
  readonly patch?: string;
  /** For the user's eyes, at most 120 characters each. */
  readonly warnings?: readonly string[];
}

/** A metav1.Status; `code` is an HTTP status of 400 or more. */
export interface Status {
  readonly code: number;
  readonly reason: string;
  readonly message: string;
  readonly details?: { readonly retryAfterSeconds: number };
}

/** The text of an answer, the same at both doors. */
export function answerText(response: AdmissionResponse): string {
  const answer: AdmissionReview = { apiVersion: API_VERSION, kind: 'AdmissionReview', response };
  return `${JSON.stringify(answer)}\n`;
}

/**
 * A JSON Patch (RFC 6902) that replaces exactly the values that were opened: whatever else is in
 * the object, and what other webhooks did to it, stays. `opened` goes by data key.
 */
export function patchOf(
  opened: ReadonlyMap<string, Uint8Array>,
): Required<Pick<AdmissionResponse, 'patchType' | 'patch'>> {
  const operations = [...opened].map(([key, bytes]) => ({
    op: 'replace',
    path: `/data/${escapeToken(key)}`,
    value: Buffer.from(bytes).toString('base64'),
  }));
  const patch = Buffer.from(JSON.stringify(operations)).toString('base64');
  return { patchType: 'JSONPatch', patch };
}

/** RFC 6901 §3: "'~' needs to be encoded as '~0' and '/' needs to be encoded as '~1'". */
function escapeToken(key: string): string {
  return key.replaceAll('~', '~0').replaceAll('/', '~1');
}
