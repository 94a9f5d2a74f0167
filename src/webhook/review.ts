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
  /** By data key, why the Secret is refused. */
  readonly errors: ReadonlyMap<string, KsealError>;
}

/** Longer warnings may be cut off (k8s.io/api admission/v1). */
const MAX_WARNING = 120;

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
