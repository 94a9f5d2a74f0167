import type { ErrorCode, KsealError } from '../errors.ts';
import { printable } from '../text.ts';
import type { Status } from './admission-review.ts';

/** How an error code is reported to the API server and its client. */
interface Row {
  /** 400 or more: the API server turns anything less into 400. */
  readonly status: number;
  /** A metav1.StatusReason. */
  readonly reason: string;
  /** Another try may succeed. */
  readonly isTransient?: true;
  /** The API server passes it on as Retry-After, and most clients then retry in silence. */
  readonly retryAfterSeconds?: number;
  /** Replaces the message of the error, which names KMS resources or command-line options. */
  readonly message?: string;
  readonly hint?: string;
}

const refused: Row = { status: 400, reason: 'BadRequest' };
const forbidden: Row = { status: 403, reason: 'Forbidden' };
const unavailable: Row = {
  status: 503,
  reason: 'ServiceUnavailable',
  isTransient: true,
  // client-go retries ten times.
  retryAfterSeconds: 1,
  message: 'the KMS that holds the key is unavailable',
  hint: 'try again in a moment',
};

/** Not retried: ten more tries of this length would leave the user without an answer for minutes. */
const late: Row = {
  status: 504,
  reason: 'Timeout',
  isTransient: true,
  message: 'the KMS that holds the key did not answer in time',
  hint: 'try again in a moment',
};

const rows: Partial<Record<ErrorCode, Row>> = {
  MANIFEST_INVALID: refused,
  VALUE_REFUSED: refused,
  JWE_MALFORMED: refused,
  JWE_REFUSED: refused,
  DECRYPTION_FAILED: refused,
  BINDING_MISMATCH: forbidden,
  KEY_REVOKED: forbidden,
  KEY_UNKNOWN: {
    ...refused,
    hint: 'seal it again with the current key, or ask the cluster administrator to add the old one',
  },
  KEY_UNAVAILABLE: unavailable,
  KEY_DEADLINE: late,
};

/** For all other codes: the user can neither fix the problem nor should know its details. */
const misconfigured: Row = {
  status: 500,
  reason: 'InternalError',
  message: 'the webhook cannot use the key that the value is sealed to',
  hint: "ask the cluster administrator to read the webhook's log",
};

const keysPending: Row = {
  ...unavailable,
  message: 'unknown key, but the webhook has not read all of its keys yet',
};

/** How a warning about a stored value that stays sealed begins. */
export const STILL_SEALED = 'still sealed: ';

const MAX_ERRORS = 5;
/** The most characters of all problems together, of one problem or hint, and of a name. */
const MAX_MESSAGE = 2000;
const MAX_PROBLEM = 500;
const MAX_NAME = 253;

/**
 * The status of a refusal for `errors`, by data key. Errors that a retry cannot fix come first and
 * decide the code and the hint, and then those that must not be retried in silence. Until all keys
 * have been read, an unknown kid is transient.
 */
export function denialOf(
  place: { readonly namespace: string; readonly name: string | undefined },
  errors: ReadonlyMap<string, KsealError>,
  isKeyringComplete: boolean,
): Status {
  const found = [...errors]
    .map(([key, error]) => ({ key, error, row: rowFor(error.code, isKeyringComplete) }))
    .sort((a, b) => patience(a.row) - patience(b.row));
  const row = found[0]?.row ?? refused;
  const problems = found
    .slice(0, MAX_ERRORS)
    .map(
      ({ key, error, row }) =>
        `data key "${shortened(key, MAX_NAME)}": ${shortened(row.message ?? error.message, MAX_PROBLEM)}`,
    );
  const more = found.length > MAX_ERRORS ? [`and ${found.length - MAX_ERRORS} more`] : [];
  const hint = found
    .filter((one) => one.row.isTransient === row.isTransient)
    .map(({ error, row }) => row.hint ?? error.hint)
    .find((text) => text !== undefined);
  // Names in a request may be of any length.
  const [namespace, name] = [place.namespace, place.name ?? '(no name)'].map((text) =>
    shortened(text, MAX_NAME),
  );
  const message = shortened(
    `Secret ${namespace}/${name}, ${[...problems, ...more].join('; ')}`,
    MAX_MESSAGE,
  );
  return statusOf(row, hint ? `${message}; hint: ${shortened(hint, MAX_PROBLEM)}` : message);
}

function patience({ isTransient, retryAfterSeconds }: Row): number {
  return Number(isTransient !== undefined) + Number(retryAfterSeconds !== undefined);
}

/** The problem as a user may know it, in few words: without the list of the webhook's keys. */
export function problemOf({ code, message, kid }: KsealError, isKeyringComplete: boolean): string {
  const brief = kid === undefined ? message : `sealed to unknown key ${kid}`;
  return rowFor(code, isKeyringComplete).message ?? brief;
}

function rowFor(code: ErrorCode, isKeyringComplete: boolean): Row {
  if (code === 'KEY_UNKNOWN' && !isKeyringComplete) return keysPending;
  return rows[code] ?? misconfigured;
}

function statusOf({ status, reason, retryAfterSeconds }: Row, message: string): Status {
  const details = retryAfterSeconds === undefined ? {} : { details: { retryAfterSeconds } };
  return { code: status, reason, message, ...details };
}

/** The status of a review that could not be answered before its deadline. */
export function lateStatus(): Status {
  return statusOf(late, 'opening the Secret took too long; try again in a moment');
}

/** The status after a bug: the Secret is refused, whatever the failurePolicy. */
export function bugStatus(): Status {
  return statusOf({ status: 500, reason: 'InternalError' }, 'internal error: a bug in kseal');
}

/** `text` on one line of at most `max` characters, with control characters escaped. */
export function shortened(text: string, max: number): string {
  const line = printable(text.slice(0, max));
  return line.length <= max && text.length <= max ? line : `${line.slice(0, max - 1)}…`;
}
