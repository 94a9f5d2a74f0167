import { KsealError } from '../errors.ts';
import type { Scope } from '../jwe/binding.ts';
import type { OpeningKey } from '../jwe/decrypt.ts';
import type { Cache } from '../unseal/cache.ts';
import { type OpenResult, unsealData } from '../unseal/unseal.ts';
import {
  type AdmissionRequest,
  type AdmissionResponse,
  patchOf,
  type SecretWrite,
} from './admission-review.ts';
import { denialOf, problemOf, STILL_SEALED, shortened } from './denial.ts';

export interface ReviewContext {
  readonly keyring: readonly OpeningKey[];
  /** If false, an unknown kid may belong to a key that could not be read yet. */
  readonly isKeyringComplete: boolean;
  /** Whether values of other tools are opened in a namespace. */
  readonly acceptsUnbound: (namespace: string) => boolean;
  readonly maxScope: Scope;
  /** No key is asked after this; in the time of performance.now(). */
  readonly deadline?: number;
  readonly cache?: Cache;
}

/** An answer, and the names and codes that a log may contain. */
export interface Review {
  readonly response: AdmissionResponse;
  /** The data keys of the opened values. */
  readonly opened: readonly string[];
  /** By data key, why the Secret is refused, or why a stored value stays sealed. */
  readonly errors: ReadonlyMap<string, KsealError>;
}

/** Longer warnings may be cut off (k8s.io/api admission/v1). */
const MAX_WARNING = 120;

/** The most characters of a problem in a warning: enough for a kid or two places. */
const MAX_PROBLEM = 75;

/** The most errors that one review collects. */
const MAX_ERRORS = 256;

/**
 * Answers an AdmissionRequest: a patch that opens every sealed value, or a refusal of the whole
 * Secret. A Secret without sealed values, or another object, is allowed unchanged. The namespace
 * and the name are those of the request, whatever the object claims.
 */
export async function review(request: AdmissionRequest, context: ReviewContext): Promise<Review> {
  const { uid, secret } = request;
  // A Secret that is being deleted must be able to lose its finalizers, whatever it holds.
  if (secret === undefined || (secret.isBeingDeleted && secret.isUnchanged)) return allowed(uid);
  const result = await openValues(request, secret, context);
  if (result.errors.size === 0) return allowed(uid, result);
  // Its labels, finalizers and owners can change, because the values are stored already.
  return secret.isUnchanged
    ? leftSealed(uid, result.errors, context)
    : denied(request, result.errors, context);
}

async function openValues(
  { namespace, name }: AdmissionRequest,
  secret: SecretWrite,
  { acceptsUnbound, maxScope, keyring, deadline, cache }: ReviewContext,
): Promise<OpenResult> {
  const { data, errors } =
    secret.isImmutable && secret.isUnchanged ? immutableData(secret.data) : decodeData(secret.data);
  if (errors.size > 0) return { opened: new Map(), warnings: new Map(), errors };
  return unsealData({
    place: { namespace, name },
    data,
    before: decodeData(secret.before).data,
    keyring,
    policy: { acceptUnbound: acceptsUnbound(namespace), allowRevoked: false, maxScope },
    ...(deadline === undefined ? {} : { deadline }),
    ...(cache === undefined ? {} : { cache }),
  });
}

/** The API server refuses to change the values of an immutable Secret, and to open is a change. */
function immutableData(data: SecretWrite['data']): ReturnType<typeof decodeData> {
  const error = new KsealError('MANIFEST_INVALID', 'the Secret is immutable');
  return { data: new Map(), errors: new Map([...data.keys()].map((key) => [key, error])) };
}

/** Refuses base64 that is not canonical, because the API server and kseal would read it differently. */
function decodeData(data: SecretWrite['data']) {
  const decoded = new Map<string, Uint8Array>();
  const errors = new Map<string, KsealError>();
  for (const [key, text] of data) {
    const bytes = Buffer.from(text, 'base64');
    if (bytes.toString('base64') === text) decoded.set(key, bytes);
    else errors.set(key, new KsealError('MANIFEST_INVALID', 'is not canonical base64'));
    // Half a million of them would keep every other request waiting.
    if (errors.size === MAX_ERRORS) break;
  }
  return { data: decoded, errors };
}

/** Allows a Secret whose values stay sealed, with a warning. */
function leftSealed(
  uid: string,
  errors: Review['errors'],
  { isKeyringComplete }: ReviewContext,
): Review {
  const problems = [...errors].map(([key, error]) => {
    const problem = shortened(problemOf(error, isKeyringComplete), MAX_PROBLEM);
    return [key, `${STILL_SEALED}${problem}`] as const;
  });
  const warnings = warningsFrom(new Map(problems));
  return { response: { uid, allowed: true, warnings }, opened: [], errors };
}

function allowed(uid: string, result?: OpenResult): Review {
  const opened = result?.opened ?? new Map<string, Uint8Array>();
  const warnings = warningsFrom(result?.warnings ?? new Map());
  const response: AdmissionResponse = {
    uid,
    allowed: true,
    ...(opened.size > 0 ? patchOf(opened) : {}),
    ...(warnings.length > 0 ? { warnings } : {}),
  };
  return { response, opened: [...opened.keys()], errors: new Map() };
}

/** One warning per text, with the data keys last: they may be cut off, but not the kid in the text. */
function warningsFrom(found: OpenResult['warnings']): string[] {
  const keys = new Map<string, string[]>();
  for (const [key, text] of found) keys.set(text, [...(keys.get(text) ?? []), `"${key}"`]);
  return [...keys].map(([text, names]) =>
    shortened(`${text}: data key ${names.join(', ')}`, MAX_WARNING),
  );
}

function denied(
  request: AdmissionRequest,
  errors: ReadonlyMap<string, KsealError>,
  { isKeyringComplete }: ReviewContext,
): Review {
  const status = denialOf(request, errors, isKeyringComplete);
  return { response: { uid: request.uid, allowed: false, status }, opened: [], errors };
}
