import type { ErrorCode, KsealError } from '../errors.ts';
import { printable } from '../text.ts';
import type { Status } from './admission-review.ts';

/** What the API server and its client are told of an error. */
interface Row {
  /** An HTTP status of 400 or more: the API server makes 400 of anything less. */
  readonly status: number;
  /** A metav1.StatusReason. */
  readonly reason: string;
  /** Another try may help: the API server tells the client so, and most try again by themselves. */
  readonly passes?: true;
  /** In place of the error's own words, which name resources of the KMS or options of a command. */
  readonly message?: string;
  readonly hint?: string;
}

const refused: Row = { status: 400, reason: 'BadRequest' };
const forbidden: Row = { status: 403, reason: 'Forbidden' };
const misconfigured: Row = {
  status: 500,
  reason: 'InternalError',
  message: 'the webhook may not use the key that it is sealed to',
  hint: 'ask the cluster administrator: the log of the webhook says why',
};
const unavailable: Row = {
  status: 503,
  reason: 'ServiceUnavailable',
  passes: true,
  message: 'the KMS that holds its key does not answer',
  hint: 'try again in a moment',
};

/** What is not here is nothing that the user who is refused can mend, or should read of. */
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
    hint: 'seal it again with the current key, or ask the cluster administrator for the one it was sealed to',
  },
  KEY_UNAVAILABLE: unavailable,
  KEY_DEADLINE: { ...unavailable, message: 'the KMS that holds its key did not answer in time' },
};

const keysPending: Row = {
  ...unavailable,
  message:
    'the webhook does not know the key it is sealed to, and has not read all of its keys yet',
};

const RETRY_AFTER_SECONDS = 5;
const MOST_ERRORS = 5;
/** The most characters of all faults together, of one of them, and of a name. */
const MOST_SAID = 2000;
const MOST_FAULT = 500;
const MOST_NAME = 253;

/**
 * The status of a refusal. `errors` go by data key. Where one of them stays, a further try is not
 * advised: it is said first, and its hint is given. Unless all keys have been read, an unknown
 * kid is an error that may pass.
 */
export function denialOf(
  place: { readonly namespace: string; readonly name: string | undefined },
  errors: ReadonlyMap<string, KsealError>,
  isKeyringComplete: boolean,
): Status {
  const found = [...errors]
    .map(([key, error]) => ({ key, error, row: rowFor(error.code, isKeyringComplete) }))
    .sort((a, b) => Number(a.row.passes ?? false) - Number(b.row.passes ?? false));
  const row = found[0]?.row ?? refused;
  const faults = found.slice(0, MOST_ERRORS).map(faultIn);
  const more = found.length > MOST_ERRORS ? [`and ${found.length - MOST_ERRORS} more`] : [];
  const hint = found
    .filter((one) => one.row.passes === row.passes)
    .map(({ error, row }) => row.hint ?? error.hint)
    .find((text) => text !== undefined);
  const [namespace, name] = [place.namespace, place.name ?? '(no name)'].map(shortName);
  const said = shortened(
    `Secret ${namespace}/${name}, ${[...faults, ...more].join('; ')}`,
    MOST_SAID,
  );
  return statusOf(row, hint ? `${said}; hint: ${shortened(hint, MOST_FAULT)}` : said);
}

function faultIn({ key, error, row }: { key: string; error: KsealError; row: Row }): string {
  return `data key "${shortName(key)}": ${shortened(row.message ?? error.message, MOST_FAULT)}`;
}

/** Names in a request have not been checked yet, and may be of any length. */
function shortName(name: string): string {
  return shortened(name, MOST_NAME);
}

function rowFor(code: ErrorCode, isKeyringComplete: boolean): Row {
  if (code === 'KEY_UNKNOWN' && !isKeyringComplete) return keysPending;
  return rows[code] ?? misconfigured;
}

function statusOf({ status, reason, passes }: Row, message: string): Status {
  const details = { retryAfterSeconds: RETRY_AFTER_SECONDS };
  return { code: status, reason, message, ...(passes ? { details } : {}) };
}

/** The status where no answer was found before the API server would stop waiting. */
export function lateStatus(): Status {
  return statusOf(unavailable, 'kseal did not get an answer from its keys in time; try again');
}

/** The status where kseal itself failed: the object must not pass, whatever failurePolicy says. */
export function bugStatus(): Status {
  return statusOf({ status: 500, reason: 'InternalError' }, 'unexpected failure: a bug in kseal');
}

/** `text` as one line of at most so many characters that steers nothing. */
export function shortened(text: string, most: number): string {
  const line = printable(text.slice(0, most));
  return line.length <= most && text.length <= most ? line : `${line.slice(0, most - 1)}…`;
}
