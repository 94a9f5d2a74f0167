import { KsealError } from '../errors.ts';
import { isSealedInSomeForm } from '../jwe/detect.ts';
import { decodeUtf8 } from '../text.ts';
import { type AdmissionRequest, API_VERSION, type SecretWrite } from './admission.ts';

/**
 * Reads the octets of an AdmissionReview v1. Throws REVIEW_INVALID for anything else; the message
 * never quotes it, for it holds values.
 */
export function readReview(octets: Uint8Array): AdmissionRequest {
  const review = objectIn(parse(octets), 'the review');
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

function parse(octets: Uint8Array): unknown {
  const text = decodeUtf8(octets);
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
  const octets = Buffer.from(base64, 'base64');
  return isSealedInSomeForm(octets) || octets.toString('base64') !== base64;
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
