import { KsealError } from '../errors.ts';
import { isSealedInSomeForm } from '../jwe/detect.ts';
import { bufferOf } from '../jwe/encoding.ts';
import {
  type Found,
  type JsonSource,
  jsonSource,
  locate,
  type Span,
  stringAt,
  stringsIn,
  typeAt,
} from './json.ts';

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
  /** The user that the API server authenticated, for the log. */
  readonly user?: string | undefined;
  /** Undefined unless the request creates or updates a Secret itself. */
  readonly secret: SecretWrite | undefined;
}

/** The values of a Secret as admission sees them: base64 under `data`, never `stringData`. */
export interface SecretWrite {
  /** The values that may be sealed: the others would only use memory during KMS calls. */
  readonly data: ReadonlyMap<string, string>;
  /** The previous values of the same data keys; empty if the Secret is created. */
  readonly before: ReadonlyMap<string, string>;
  /** Whether the update leaves all values as they are stored; false if the Secret is created. */
  readonly isUnchanged: boolean;
  /** Both taken from the stored object, because a new object can claim anything before its admission. */
  readonly isBeingDeleted: boolean;
  readonly isImmutable: boolean;
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

const wanted = {
  apiVersion: {},
  kind: {},
  request: {
    uid: {},
    kind: { group: {}, kind: {} },
    subResource: {},
    name: {},
    namespace: {},
    operation: {},
    userInfo: { username: {} },
    object: { data: {} },
    oldObject: { data: {}, immutable: {}, metadata: { deletionTimestamp: {} } },
    dryRun: {},
  },
};

/**
 * Parses an AdmissionReview v1, in turns with other reviews. Throws REVIEW_INVALID; the message
 * never quotes the review, because that contains values.
 */
export async function readReview(bytes: Uint8Array): Promise<AdmissionRequest> {
  const text = jsonSource(bufferOf(bytes));
  const root = await locate(text, wanted);
  if (typeof root === 'string') throw invalid(root);
  const review = objectIn(text, root, 'the review');
  if (
    stringIn(text, review.get('apiVersion')) !== API_VERSION ||
    stringIn(text, review.get('kind')) !== 'AdmissionReview'
  ) {
    throw invalid(`expected apiVersion ${API_VERSION} and kind AdmissionReview`);
  }
  const request = objectIn(text, review.get('request'), 'request');
  const dryRun = request.get('dryRun');
  return {
    uid: requiredIn(text, request, 'uid'),
    operation: requiredIn(text, request, 'operation'),
    namespace: optionalIn(text, request, 'namespace') ?? '',
    name: optionalIn(text, request, 'name') || undefined,
    dryRun: dryRun !== undefined && typeAt(text, dryRun) === 'true',
    // Nothing depends on it, so a malformed one refuses nothing.
    user: stringIn(text, request.get('userInfo')?.members.get('username')),
    secret: isSecretWrite(text, request) ? await readSecret(text, request) : undefined,
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

type Members = Found['members'];

function isSecretWrite(text: JsonSource, request: Members): boolean {
  const kind = objectIn(text, request.get('kind'), 'request.kind');
  const group = kind.get('group');
  const isSecret =
    stringIn(text, kind.get('kind')) === 'Secret' &&
    (isAbsent(text, group) || stringIn(text, group) === '');
  return (
    isSecret &&
    !optionalIn(text, request, 'subResource') &&
    ['CREATE', 'UPDATE'].includes(requiredIn(text, request, 'operation'))
  );
}

async function readSecret(text: JsonSource, request: Members): Promise<SecretWrite> {
  const object = objectIn(text, request.get('object'), 'request.object');
  const old = optionalObjectIn(text, request.get('oldObject'), 'request.oldObject');
  const metadata = optionalObjectIn(text, old.get('metadata'), 'metadata');
  const immutable = old.get('immutable');
  const data = await readData(text, object, (_, value) => mayBeSealed(stringAt(text, value)));
  return {
    data,
    before: await readData(text, old, (name) => data.size > 0 && data.has(stringAt(text, name))),
    isUnchanged: isSameText(text, object.get('data'), old.get('data')),
    isBeingDeleted: !isAbsent(text, metadata.get('deletionTimestamp')),
    isImmutable: immutable !== undefined && typeAt(text, immutable) === 'true',
  };
}

/**
 * The most values of one Secret that are kept. The shortest sealed value takes 600 bytes in a
 * review, so of more than this some are damaged, and the Secret is refused for one of the first.
 */
const MAX_VALUES = Math.ceil(MAX_REVIEW_BYTES / 600);

/** Both `data` and a value in it may be null, which is how Go encodes a nil map or slice. */
async function readData(
  text: JsonSource,
  object: Members,
  isKept: (name: Span, value: Span) => boolean,
): Promise<ReadonlyMap<string, string>> {
  const values = new Map<string, string>();
  const data = object.get('data');
  if (data === undefined || isAbsent(text, data)) return values;
  objectIn(text, data, 'data');
  const areStrings = await stringsIn(text, data, (name, value) => {
    if (values.size < MAX_VALUES && isKept(name, value))
      values.set(stringAt(text, name), stringAt(text, value));
  });
  if (!areStrings) throw invalid('data has a value that is not a string');
  return values;
}

/** Shorter base64 cannot begin like a sealed value. */
const SHORTEST = 16;

const canonicalBase64 =
  /^(?:[A-Za-z\d+/]{4})*(?:[A-Za-z\d+/][AQgw]==|[A-Za-z\d+/]{2}[AEIMQUYcgkosw048]=)?$/;

/** Keeps base64 that is not canonical too, so that it is refused and not ignored. */
function mayBeSealed(base64: string): boolean {
  // A review may have half a million short values, and this is several times faster for them.
  if (base64.length < SHORTEST) return !canonicalBase64.test(base64);
  const bytes = Buffer.from(base64, 'base64');
  return isSealedInSomeForm(bytes) || bytes.toString('base64') !== base64;
}

/** Absence and null are the same to the API server. */
function isAbsent(text: JsonSource, found: Found | undefined): boolean {
  return found === undefined || typeAt(text, found) === 'null';
}

/** The API server writes equal data as equal texts. False if either is absent. */
function isSameText({ bytes }: JsonSource, one: Found | undefined, other: Found | undefined) {
  if (one === undefined || other === undefined) return false;
  return bytes.compare(bytes, one.start, one.end, other.start, other.end) === 0;
}

function objectIn(text: JsonSource, found: Found | undefined, what: string): Members {
  if (found !== undefined && typeAt(text, found) === 'object') return found.members;
  throw invalid(`${what} is not an object`);
}

function optionalObjectIn(text: JsonSource, found: Found | undefined, what: string): Members {
  return isAbsent(text, found) ? new Map() : objectIn(text, found, what);
}

/** Undefined for any other value than a string. */
function stringIn(text: JsonSource, found: Found | undefined): string | undefined {
  return found && typeAt(text, found) === 'string' ? stringAt(text, found) : undefined;
}

function requiredIn(text: JsonSource, request: Members, name: string): string {
  const value = optionalIn(text, request, name);
  if (value) return value;
  throw invalid(`request.${name} is missing`);
}

function optionalIn(text: JsonSource, request: Members, name: string): string | undefined {
  const found = request.get(name);
  if (isAbsent(text, found)) return undefined;
  const value = stringIn(text, found);
  if (value === undefined) throw invalid(`request.${name} is not a string`);
  return value;
}

function invalid(why: string): KsealError {
  return new KsealError('REVIEW_INVALID', `invalid AdmissionReview: ${why}`, {
    hint: `send an ${API_VERSION} AdmissionReview, as the API server does`,
  });
}
