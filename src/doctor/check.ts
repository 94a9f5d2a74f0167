/** The outcome of a check: `skipped` if it does not apply here, or if what it needs cannot be read. */
export type Outcome = 'ok' | 'warning' | 'failed' | 'skipped';

/** The result of one check of `kseal doctor`, in one line. */
export interface Finding {
  /** The id of the check, such as `key-pin`: stable, for programs. */
  readonly check: string;
  readonly outcome: Outcome;
  /** `<thing>: <fact or problem>`; never quotes a value. */
  readonly message: string;
  /** For a warning or a failure: the next command, ready to paste. */
  readonly hint?: string | undefined;
}
