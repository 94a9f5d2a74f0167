/** The error codes, each with the exit code of the command that fails with it (listed in docs/ci.md). */
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

/** The exit code for a bug: anything thrown that is not a KsealError (EX_SOFTWARE in sysexits.h). */
export const EXIT_BUG = 70;

interface ErrorDetail {
  /** A file, a place in it, a Secret or a key that has the problem; printed before the problem. */
  thing?: string | undefined;
  /** The next command to run, or one short imperative sentence. */
  hint?: string | undefined;
  /** The error of a library or of the system. Printed with `--debug`, so it must not quote a value. */
  cause?: unknown;
  /** For KEY_UNKNOWN: the kid in the header. */
  kid?: string | undefined;
  /** Fingerprints to compare, each with its label. The message ends with them. */
  fingerprints?: readonly LabelledFingerprint[];
  /** An argument as it was typed and as it was meant: the hint is then the whole command with it. */
  meant?: readonly [typed: string, meant: string] | undefined;
}

type LabelledFingerprint = readonly [label: string, fingerprint: string];

/**
 * An error that the caller can act on. `message` is lower case, has no full stop, names file,
 * line, Secret, data key or kid, and never quotes a value.
 */
export class KsealError extends Error {
  readonly code: ErrorCode;
  readonly hint: string | undefined;
  /** The message without the thing and the fingerprints. */
  readonly problem: string;
  /** The message without the fingerprints. */
  readonly headline: string;
  readonly kid: string | undefined;
  readonly fingerprints: readonly LabelledFingerprint[];
  readonly meant: ErrorDetail['meant'];

  constructor(code: ErrorCode, problem: string, detail: ErrorDetail = {}) {
    const { thing, hint, cause, kid, fingerprints = [], meant } = detail;
    const headline = thing === undefined ? problem : `${thing}: ${problem}`;
    const list = fingerprints.map((labelled) => labelled.join(' ')).join(', ');
    super(list === '' ? headline : `${headline}: ${list}`, { cause });
    this.headline = headline;
    this.fingerprints = fingerprints;
    this.name = 'KsealError';
    this.code = code;
    this.hint = hint;
    this.problem = problem;
    this.kid = kid;
    this.meant = meant;
  }
}

/** Returns `thrown` if it is a KsealError. Throws anything else again: it is a bug. */
export function expected(thrown: unknown): KsealError {
  if (thrown instanceof KsealError) return thrown;
  throw thrown;
}

/** Returns the errors in `thrown` if all are KsealErrors. Throws any other: it is a bug. */
export function expectedErrors(thrown: unknown): readonly KsealError[] {
  return errorsOf(thrown).map((error) => expected(error));
}

/** The errors in a thrown value: the members of an AggregateError, or else the value itself. */
export function errorsOf(thrown: unknown): readonly unknown[] {
  return thrown instanceof AggregateError ? thrown.errors.flatMap(errorsOf) : [thrown];
}

/** Throws one error as itself and several as an AggregateError; returns without errors. */
export function throwAll(errors: readonly KsealError[]): void {
  if (errors.length === 0) return;
  const lines = errors.map(({ message }) => message).join('\n');
  throw errors.length === 1 ? errors[0] : new AggregateError(errors, lines);
}

/**
 * Calls `action` with one item after the other, because each may ask a question, and returns the
 * results. Throws the errors of all items at the end, but INTERRUPTED at once.
 */
export async function attemptAll<T, R>(
  items: Iterable<T> | AsyncIterable<T>,
  action: (item: T) => R | Promise<R>,
): Promise<R[]> {
  const results: R[] = [];
  const errors: KsealError[] = [];
  for await (const item of items) {
    try {
      results.push(await action(item));
    } catch (thrown) {
      errors.push(...expectedErrors(thrown));
      if (errors.at(-1)?.code === 'INTERRUPTED') throw thrown;
    }
  }
  throwAll(errors);
  return results;
}

/** The exit code for a thrown value: the highest one of its errors. */
export function exitCodeOf(thrown: unknown): number {
  return Math.max(
    ...errorsOf(thrown).map((e) => (e instanceof KsealError ? exitCodes[e.code] : EXIT_BUG)),
  );
}

/** The same error with `thing` in front of its message. */
export function located(
  thing: string,
  { code, headline, hint, cause, kid, fingerprints, meant }: KsealError,
): KsealError {
  return new KsealError(code, headline, { thing, hint, cause, kid, fingerprints, meant });
}
