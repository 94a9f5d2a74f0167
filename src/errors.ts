/** Every way a command can fail, with the exit code its caller sees (the table in README). */
export const exitCodes = {
  USAGE: 2,
  IO: 2,
  OUTPUT_EXISTS: 2,
  MANIFEST_INVALID: 2,
  VALUE_REFUSED: 2,
  JWE_MALFORMED: 2,
  JWE_REFUSED: 2,
  BINDING_MISMATCH: 2,
  REVIEW_INVALID: 2,
  CERTIFICATE_INVALID: 2,
  KEY_REFERENCE_INVALID: 2,
  KEY_INVALID: 2,
  KEY_MISMATCH: 2,
  CONFIG_INVALID: 2,
  DECRYPTION_FAILED: 3,
  KEY_UNKNOWN: 3,
  KEY_REVOKED: 3,
  KEY_NOT_FOUND: 4,
  KEY_DENIED: 4,
  KEY_CREDENTIALS: 4,
  KEY_UNAVAILABLE: 4,
  KEY_DEADLINE: 4,
  INTERRUPTED: 130,
} as const;

export type ErrorCode = keyof typeof exitCodes;

/** A bug in kseal: anything thrown that is not a KsealError (BSD sysexits EX_SOFTWARE). */
export const EXIT_BUG = 70;

export interface ErrorDetail {
  /** The reader's next keystroke. */
  hint?: string | undefined;
  /** The foreign error behind this one; shown only with `--debug`, so it must never quote a value. */
  cause?: unknown;
  /** What the problem is with: a path, or a place in one. It comes first in the message. */
  thing?: string | undefined;
  /** The key that KEY_UNKNOWN is about: the kid that a header names. */
  kid?: string | undefined;
}

/**
 * The one error of kseal. `message` is lower case without a full stop and names what the
 * reader needs to find the fault (file, line, Secret, data key, kid), never a value.
 */
export class KsealError extends Error {
  readonly code: ErrorCode;
  readonly hint: string | undefined;
  /** The message without the thing before it. */
  readonly problem: string;
  readonly kid: string | undefined;

  constructor(code: ErrorCode, problem: string, { hint, cause, thing, kid }: ErrorDetail = {}) {
    super(thing === undefined ? problem : `${thing}: ${problem}`, { cause });
    this.name = 'KsealError';
    this.code = code;
    this.hint = hint;
    this.problem = problem;
    this.kid = kid;
  }
}

/** The errors behind a thrown value: the members of an AggregateError, else the value itself. */
export function errorsOf(thrown: unknown): readonly unknown[] {
  return thrown instanceof AggregateError ? thrown.errors.flatMap(errorsOf) : [thrown];
}

/** The expected errors behind a thrown value; one that is not expected is thrown on. */
export function expectedErrors(thrown: unknown): readonly KsealError[] {
  return errorsOf(thrown).map((error) => {
    if (error instanceof KsealError) return error;
    throw error;
  });
}

/** Throws all of `errors`: one as itself, several as an AggregateError; none: returns. */
export function throwAll(errors: readonly KsealError[]): void {
  const [first] = errors;
  if (first === undefined) return;
  throw errors.length === 1 ? first : new AggregateError(errors);
}

/** The exit code of a thrown value: of several errors the highest counts. */
export function exitCodeOf(thrown: unknown): number {
  return Math.max(
    ...errorsOf(thrown).map((e) => (e instanceof KsealError ? exitCodes[e.code] : EXIT_BUG)),
  );
}

/** The same error with the place of the fault in front of its message. */
export function located(where: string, error: KsealError): KsealError {
  const { code, message, hint, cause, kid } = error;
  return new KsealError(code, message, { hint, cause, kid, thing: where });
}
