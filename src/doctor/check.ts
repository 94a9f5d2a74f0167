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

/**
 * The checks in the order of the report: of a repository, from `source` on of `--online`, and from
 * `cluster-version` on of a cluster.
 */
export const checks = {
  configuration: '`.kseal.yaml` is there and valid',
  'key-file': 'the public key file of each key can be read, meets the policy and is not weak',
  'key-pin': 'each key has a pin, and its file has the pinned key',
  'key-source':
    'each key has a source or a private key file to compare it with, and the source is well-formed',
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
  'cluster-version': 'the API server answers, and is Kubernetes 1.30 or newer',
  'cluster-webhook':
    'the MutatingWebhookConfiguration is that of this version of kseal, and calls a Service that exists',
  'cluster-ready': 'pods and endpoints of the webhook are ready',
  'cluster-image': 'the image of the webhook has the version of this kseal',
  'cluster-ca': 'the CA that the API server trusts for the webhook is valid for 30 days',
  'cluster-tls':
    'the serving certificate is valid for 30 days and the name of the Service, and signed by that CA',
  'cluster-policy': 'the policy is bound, denies, and is that of this version of kseal',
  'cluster-audit': 'the audit policy keeps plaintext of Secrets out of the audit log',
  'cluster-stored': 'no Secret is stored sealed',
  'cluster-keys':
    'the keys of the webhook are in `.kseal.yaml`, and it knows which are deprecated or revoked',
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
