import type { KsealError } from '../errors.ts';

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

/** The checks of a repository and, from `source` on, of `--online`, in the order of the report. */
export const checks = {
  configuration: '`.kseal.yaml` is there and valid',
  'key-file': 'the public key file of each key can be read, meets the policy and is not weak',
  'key-pin': 'each key has a pin, and its file has the pinned key',
  'key-source': 'each key has a source or a private key file to compare it with',
  'key-state': 'a key is active, and one with several names has the same state under each',
  'known-key': 'you have confirmed this key, and no other, under this name',
  rules: 'each rule names an active key, and applies to a file',
  values: 'the sealed values are on active keys',
  verify: '`kseal verify` has no findings',
  git: 'git is installed, and trusts the folder',
  'git-hook': 'a commit runs `kseal verify`',
  'git-diff': '`git diff` describes sealed values',
  'private-keys': 'Git neither tracks nor would add a private key',
  'private-key-mode': 'only you can read the private key files',
  source: 'the source of each key has the same key, and its version is enabled',
  'private-file': 'each private key file on this machine fits its public key',
  decrypt: 'the KMS opens a random value that was just sealed to the key, if you may decrypt',
} as const;

export type CheckId = keyof typeof checks;

export function ok(check: CheckId, message: string): Finding {
  return { check, outcome: 'ok', message };
}

export function skipped(check: CheckId, message: string): Finding {
  return { check, outcome: 'skipped', message };
}

export function warning(check: CheckId, message: string, hint: string): Finding {
  return { check, outcome: 'warning', message, hint };
}

export function failed(
  check: CheckId,
  message: string,
  hint = 'fix this, then: kseal doctor',
): Finding {
  return { check, outcome: 'failed', message, hint };
}

/** The failure of a check with an error. */
export function failure(check: CheckId, { message, hint }: KsealError): Finding {
  return failed(check, message, hint);
}
