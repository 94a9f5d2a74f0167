import { KsealError } from '../errors.ts';
import type { Git } from './run.ts';

export interface Signature {
  /** Who signed: a user id of the GPG key, or a principal of the allowed signers. */
  readonly signer: string;
  readonly fingerprint: string;
}

interface Verdict {
  readonly what: string;
  readonly hint: string;
}

/** What git's `%G?` means where it is not `G`. */
const verdicts: Readonly<Record<string, Verdict>> = {
  N: { what: 'is not signed', hint: 'ask for a signed commit' },
  E: { what: 'is signed with a key you do not have', hint: 'gpg --import KEYFILE' },
  B: { what: 'has a bad signature', hint: 'do not use this key; ask who published it' },
  R: { what: 'is signed with a revoked key', hint: 'ask for a commit signed with another one' },
  X: { what: 'has an expired signature', hint: 'ask for a newly signed commit' },
  Y: { what: 'is signed with an expired key', hint: 'ask for a newly signed commit' },
};

/** What git says on stderr where it could not check a signature at all. */
const obstacles: readonly (readonly [RegExp, Verdict])[] = [
  [
    /allowedSignersFile/,
    {
      what: 'has an SSH signature, and git does not know whose you allow',
      hint: 'git config --global gpg.ssh.allowedSignersFile FILE',
    },
  ],
  [
    /cannot run/,
    {
      what: 'has a signature that cannot be checked: the program for it is missing',
      hint: 'install gpg, or for SSH signatures ssh-keygen',
    },
  ],
];

/**
 * Demands a good signature on a commit, by a key that the user trusts. git takes any GPG key of
 * the keyring for good, also one that gpg fetched by itself just now; so what counts is `%G?`
 * of `G`: marginal trust or more, for SSH an allowed signer. The user's own
 * `gpg.minTrustLevel` counts too. Throws KEY_MISMATCH: nothing is wrong with the key itself,
 * but nobody trusted vouches for it.
 */
export async function checkSignature(git: Git, commit: string): Promise<Signature> {
  const verified = await git('verify-commit', commit);
  // `%GT`, the trust, makes git 2.39 abort on a bad signature.
  const format = '--format=%G?%x00%GS%x00%GF';
  const shown = await git('log', '-1', '--no-show-signature', '--encoding=UTF-8', format, commit);
  const [grade = '', signer = '', fingerprint = ''] = `${shown.stdout}`.trimEnd().split('\0');
  if (verified.code === 0 && grade === 'G') return { signer, fingerprint };
  const obstacle = obstacles.find(([said]) => said.test(verified.stderr))?.[1];
  const { what, hint } = obstacle ?? verdicts[grade] ?? distrusted(fingerprint);
  throw new KsealError('KEY_MISMATCH', `commit ${commit} ${what}`, {
    hint,
    cause: verified.stderr === '' ? undefined : new Error(`git said: ${verified.stderr}`),
  });
}

function distrusted(fingerprint: string): Verdict {
  const ssh = fingerprint.startsWith('SHA256:');
  return {
    what: `is signed with key ${fingerprint}, which you do not trust`,
    hint: ssh
      ? 'if you do, add it to the file gpg.ssh.allowedSignersFile names'
      : `if you do: gpg --lsign-key ${fingerprint}`,
  };
}
