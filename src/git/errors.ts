import { type ErrorCode, KsealError } from '../errors.ts';
import { shellWord } from '../text.ts';
import type { Ended } from './process.ts';

interface Row {
  readonly said: RegExp;
  readonly code: ErrorCode;
  readonly meaning: string;
  /** The next keystroke; `URL` stands for the repository. */
  readonly hint?: string;
}

/** What git, curl and ssh say when a fetch fails, and what it means. The first match counts. */
const rows: readonly Row[] = [
  {
    said: /not our ref|unadvertised object/,
    code: 'KEY_NOT_FOUND',
    meaning: 'has no such commit, or does not hand it out',
    hint: 'name a branch or a tag: ?ref=main',
  },
  {
    said: /dubious ownership|unsafe repository/,
    code: 'KEY_DENIED',
    meaning: 'belongs to another user, so git does not trust it',
    hint: 'if you do: git config --global --add safe.directory FOLDER',
  },
  {
    said: /Host key verification failed|HOST IDENTIFICATION HAS CHANGED/,
    code: 'KEY_DENIED',
    meaning: 'the SSH host key is not known, or has changed',
    hint: 'to see its fingerprint and decide: git ls-remote URL',
  },
  {
    said: /Permission denied \(|Authentication failed|could not read (?:User|Pass)|prompts disabled|returned error: 40[13]|Too many authentication|Access denied|Permission to .* denied/,
    code: 'KEY_DENIED',
    meaning: 'the credentials are missing or refused',
    hint: 'sign in first: git ls-remote URL',
  },
  {
    said: /not appear to be a git repository|repository .*not found|did you run git update-server-info|returned error: 404|could not be found|does not exist/i,
    code: 'KEY_NOT_FOUND',
    meaning: 'no such repository, or no right to see it',
    hint: 'check the address: git ls-remote URL',
  },
  {
    said: /transport '.*' not allowed|Protocol .*disabled/,
    code: 'KEY_DENIED',
    meaning: 'leads to a transport that is not allowed',
    hint: 'see GIT_ALLOW_PROTOCOL, and url.<base>.insteadOf in: git config --list --show-origin',
  },
  {
    said: /certificate/i,
    code: 'KEY_UNAVAILABLE',
    meaning: 'the certificate of the server is not trusted',
    hint: 'for a private authority: git config --global http.sslCAInfo FILE',
  },
  {
    said: /Could not resolve|Name or service not known|name resolution/,
    code: 'KEY_UNAVAILABLE',
    meaning: 'the host is not found',
    hint: 'check its name and your network: git ls-remote URL',
  },
  {
    said: /dumb http transport/,
    code: 'KEY_UNAVAILABLE',
    meaning: 'the server has plain files only, and does not speak git',
  },
  {
    said: /mismatched algorithms/,
    code: 'KEY_UNAVAILABLE',
    meaning: 'is a SHA-256 repository, which kseal does not read',
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
    meaning: 'cannot be reached',
    hint: 'check your network: git ls-remote URL',
  },
];

const unforeseen = {
  code: 'KEY_UNAVAILABLE',
  meaning: 'git failed',
  hint: 'to see what it says: git ls-remote URL',
} as const;

/**
 * The error that git's words stand for. They themselves may hold credentials and come in part
 * from the server, so they are not printed; without credentials they are the cause.
 */
export function failure({ code, stderr }: Ended, shown: string): KsealError {
  const row = rows.find(({ said }) => said.test(stderr)) ?? unforeseen;
  return new KsealError(row.code, row.meaning, {
    hint: row.hint?.replace('URL', () => shellWord(shown)),
    cause: new Error(`git exited with ${code}: ${withoutCredentials(stderr).slice(0, 4096)}`),
  });
}

/** A text whose URLs have lost what stands before their host; `git@` of ssh says nothing secret. */
export function withoutCredentials(text: string): string {
  return text.replace(/:\/\/(?!git@)[^\s/'"]*@/g, '://');
}
