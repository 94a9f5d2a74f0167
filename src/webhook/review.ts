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
import { denialOf, shortened } from './denial.ts';

/** The widest scope that is opened unless somebody says otherwise. */
export const DEFAULT_MAX_SCOPE: Scope = 'namespace-wide';

/** What reviews are made with; the same for all of them but for the deadline. */
export interface ReviewContext {
  readonly keyring: readonly OpeningKey[];
  /** Otherwise a kid that nobody knows may belong to a key that could not be read yet. */
  readonly isKeyringComplete: boolean;
  /** Whether values of other tools are opened in a namespace. */
  readonly acceptsUnbound: (namespace: string) => boolean;
  readonly maxScope: Scope;
  /** When no key is asked any more, as performance.now() tells it. */
  readonly deadline?: number;
  readonly cache?: Cache;
}

/** An answer, and what may be told of it in a log: names and codes, never a value. */
export interface Review {
  readonly response: AdmissionResponse;
  /** The data keys of the values that were opened. */
  readonly opened: readonly string[];
  /** By data key, why the Secret is refused. */
  readonly errors: ReadonlyMap<string, KsealError>;
}

/** The longest warning that is sure to reach the user whole (k8s.io/api admission/v1). */
const MOST_WARNING = 120;

/**
 * Answers an AdmissionRequest: a patch that replaces each sealed value by what it opens to, or a
 * refusal of the whole Secret. What holds nothing sealed, and what is no Secret, is allowed as it
 * is. The namespace and the name are those of the request, whatever the object says.
 */
export async function review(request: AdmissionRequest, context: ReviewContext): Promise<Review> {
  const { uid, secret } = request;
  // A Secret that is being deleted must be able to lose its finalizers, whatever it holds.
  if (secret === undefined || secret.isBeingDeleted) return allowed(uid);
  const { data, errors } = decodeData(secret.data);
  if (errors.size > 0) return denied(request, errors, context);
  const result = await unsealData({
    place: { namespace: request.namespace, name: request.name },
    data,
    before: decodeData(secret.before).data,
    keyring: context.keyring,
    policy: {
      acceptUnbound: context.acceptsUnbound(request.namespace),
      allowRevoked: false,
      maxScope: context.maxScope,
    },
    ...(context.deadline === undefined ? {} : { deadline: context.deadline }),
    ...(context.cache === undefined ? {} : { cache: context.cache }),
  });
  return result.errors.size > 0 ? denied(request, result.errors, context) : allowed(uid, result);
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

/** One warning a text, with the data keys behind it: those may be cut off, the kid in it may not. */
function warningsFrom(found: OpenResult['warnings']): string[] {
  const keys = new Map<string, string[]>();
  for (const [key, text] of found) keys.set(text, [...(keys.get(text) ?? []), `"${key}"`]);
  return [...keys].map(([text, names]) =>
    shortened(`${text}: data key ${names.join(', ')}`, MOST_WARNING),
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

/** Of one review. */
const MOST_ERRORS = 256;

/** The API server sends canonical base64. Anything else would be read one way here, another there. */
function decodeData(data: SecretWrite['data']) {
  const decoded = new Map<string, Uint8Array>();
  const errors = new Map<string, KsealError>();
  const error = new KsealError('MANIFEST_INVALID', 'is not canonical base64');
  for (const [key, text] of data) {
    const bytes = Buffer.from(text, 'base64');
    if (bytes.toString('base64') === text) decoded.set(key, bytes);
    else errors.set(key, error);
    // No API server sends one; half a million would keep everybody else waiting.
    if (errors.size === MOST_ERRORS) break;
  }
  return { data: decoded, errors };
}
