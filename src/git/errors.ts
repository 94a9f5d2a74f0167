import { type ErrorCode, KsealError } from '../errors.ts';
import { shellWord } from '../text.ts';

interface Row {
  readonly said: RegExp;
  readonly code: ErrorCode;
  readonly meaning: string;
  /** The next command; `URL` is replaced by the repository. */
  readonly hint?: string;
}

export const otherOwner = {
  said: /dubious ownership|unsafe repository/,
  meaning: 'owned by another user, so git does not trust it',
  hint: 'to trust it: git config --global --add safe.directory FOLDER',
};

export const embedded = {
  said: /cannot use bare repository/,
  meaning: 'in a bare repository, which any commit can embed, so it is not trusted',
  hint: 'run it at the top of the working tree; if the bare repository is yours: export GIT_DIR=.',
};

export const notInstalled = {
  meaning: 'cannot run git',
  hint: 'install git (https://git-scm.com) and check the PATH',
};

/** The output of git, curl and ssh when a fetch fails. The first match counts. */
const rows: readonly Row[] = [
  {
    said: /not our ref|unadvertised object/,
    code: 'KEY_NOT_FOUND',
    meaning: 'no such commit, or the server does not provide it',
    hint: 'name a branch or a tag: ?ref=main',
  },
  { code: 'KEY_DENIED', ...otherOwner },
  {
    said: /Host key verification failed|HOST IDENTIFICATION HAS CHANGED/,
    code: 'KEY_DENIED',
    meaning: 'unknown or changed SSH host key',
    hint: 'to check its fingerprint: git ls-remote URL',
  },
  {
    said: /Permission denied \(|Authentication failed|could not read (?:User|Pass)|prompts disabled|returned error: 40[13]|Too many authentication|Access denied|Permission to .* denied/,
    code: 'KEY_DENIED',
    meaning: 'missing or rejected credentials',
    hint: 'sign in first: git ls-remote URL',
  },
  {
    said: /not appear to be a git repository|repository .*not found|did you run git update-server-info|returned error: 404|could not be found|does not exist/i,
    code: 'KEY_NOT_FOUND',
    meaning: 'no such repository, or no permission to see it',
    hint: 'check the address: git ls-remote URL',
  },
  {
    said: /transport '.*' not allowed|Protocol .*disabled/,
    code: 'KEY_DENIED',
    meaning: 'transport not allowed',
    hint: 'check GIT_ALLOW_PROTOCOL, and url.<base>.insteadOf in: git config --list --show-origin',
  },
  {
    said: /certificate/i,
    code: 'KEY_UNAVAILABLE',
    meaning: 'the certificate of the server is not trusted',
    hint: 'for a private CA: git config --global http.sslCAInfo FILE',
  },
  {
    said: /Could not resolve|Name or service not known|name resolution/,
    code: 'KEY_UNAVAILABLE',
    meaning: 'host not found',
    hint: 'check the name and your network: git ls-remote URL',
  },
  {
    said: /dumb http transport/,
    code: 'KEY_UNAVAILABLE',
    meaning: 'the server has only plain files and does not speak the git protocol',
  },
  {
    said: /mismatched algorithms/,
    code: 'KEY_UNAVAILABLE',
    meaning: 'SHA-256 repositories are not supported',
    hint: 'get the key file another way and give its path',
  },
  {
    said: /unknown option|^usage: git/m,
    code: 'KEY_UNAVAILABLE',
    meaning: 'git is too old',
    hint: 'install git 2.30 or newer',
  },
  {
    said: /unable to access|connect|timed out|unreachable|reset|hung up|early EOF|remote repository/i,
    code: 'KEY_UNAVAILABLE',
    meaning: 'cannot reach the repository',
    hint: 'check your network: git ls-remote URL',
  },
];

const unforeseen = {
  code: 'KEY_UNAVAILABLE',
  meaning: 'git failed',
  hint: 'to see its output: git ls-remote URL',
} as const;

/**
 * Explains why git failed. Its output may hold credentials and comes in part from the server, so
 * it is not printed; without credentials it is the cause.
 */
export function failure(
  { code, stderr }: { readonly code: number; readonly stderr: string },
  shown: string,
): KsealError {
  const row = rows.find(({ said }) => said.test(stderr)) ?? unforeseen;
  return new KsealError(row.code, row.meaning, {
    hint: row.hint?.replace('URL', () => shellWord(shown)),
    cause: new Error(`git exited with ${code}: ${withoutCredentials(stderr).slice(0, 4096)}`),
  });
}

/** Removes user and password from the URLs in a text; the `git@` of ssh is not secret. */
export function withoutCredentials(text: string): string {
  return text.replace(/:\/\/(?!git@)[^\s/'"]*@/g, '://');
}
