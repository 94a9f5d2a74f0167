/** The one version that is spoken (k8s.io/api admission/v1). */
export const API_VERSION = 'admission.k8s.io/v1';

/**
 * The most octets of a review: an API server takes objects of 3 MiB, a review holds two of them,
 * the old and the new one, and the rest is small.
 */
export const MAX_REVIEW_OCTETS = 7 * 1024 * 1024;

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
export interface AdmissionReview {
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
