import { KsealError } from '../errors.ts';
import { type FetchedFile, type FileAddress, fetchFile } from '../git/fetch.ts';
import { checkedKey, readKeyText } from './key-file.ts';
import type { FetchPublicKey } from './provider.ts';

interface Scheme {
  /**
   * The transports on the way. Users may have git rewrite https to ssh and back
   * (`url.<base>.insteadOf`); a server can redirect to neither ssh nor plain http.
   */
  readonly protocols: readonly string[];
  /** What stands behind `://`: whom to sign in as, and the rest. */
  readonly place: RegExp;
  /** Whether the first part of it may be shown: for https a token may stand there. */
  readonly showsUser: boolean;
}

/** A host begins with a letter, a digit or `[`: ssh would take `-oProxyCommand=…` for an option. */
const HOST = String.raw`(?:[A-Za-z0-9][A-Za-z0-9._-]*|\[[0-9A-Fa-f:.]+\])(?::\d{1,5})?`;
const FOLDERS = String.raw`\/[^\s\\]+`;

const schemes: ReadonlyMap<string, Scheme> = new Map([
  [
    'https',
    {
      protocols: ['https', 'ssh'],
      place: new RegExp(`^([\\w.~!$&'()*+,;=:%-]+@)?(${HOST}${FOLDERS})$`),
      showsUser: false,
    },
  ],
  [
    'ssh',
    {
      protocols: ['ssh', 'https'],
      place: new RegExp(`^(\\w[\\w.-]*@)?(${HOST}${FOLDERS})$`),
      showsUser: true,
    },
  ],
  ['file', { protocols: ['file'], place: new RegExp(`^()(${FOLDERS})$`), showsUser: true }],
]);

/**
 * Reads `git+https://host/org/repo.git?ref=main#keys/prod.pub`, also `git+ssh` and `git+file`.
 * The values of `ref` and path are percent-decoded here, once; git decodes the URL.
 * Throws KEY_REFERENCE_INVALID, which quotes nothing of a URL: it may hold credentials.
 */
export function parseGitReference(text: string): FileAddress {
  const [, name = '', place = '', query, fragment] =
    /^git\+([a-z]+):\/\/([^?#]*)(?:\?([^#]*))?(?:#(.*))?$/is.exec(text) ?? [];
  const protocol = name.toLowerCase();
  const scheme = schemes.get(protocol);
  if (scheme === undefined) throw invalid('is none of git+https, git+ssh and git+file');
  const [, user = '', rest] = scheme.place.exec(place) ?? [];
  if (rest === undefined || /\p{C}/u.test(decoded(place))) {
    throw invalid(
      `has no ${protocol === 'file' ? 'absolute path' : 'host and path'} of a repository`,
    );
  }
  if (!fragment) throw invalid('does not say which file of the repository, behind a #');
  const start = `${protocol}://`;
  return {
    url: `${start}${user}${rest}`,
    protocols: scheme.protocols,
    ref: query === undefined ? undefined : refIn(query),
    path: checkedPath(fragment),
    shown: `${start}${scheme.showsUser ? user : ''}${rest}`,
  };
}

function refIn(query: string): string {
  const parameters = query.split('&').map((parameter) => parameter.split('='));
  if (parameters.length !== 1 || parameters[0]?.length !== 2 || parameters[0][0] !== 'ref') {
    throw invalid('may have the one parameter ref between ? and #');
  }
  const ref = decoded(parameters[0][1] ?? '');
  if (!isRef(ref)) throw invalid('has a ref that cannot be one');
  return ref;
}

/** git-check-ref-format(1), stricter: nothing invisible, and nothing like an option. */
function isRef(ref: string): boolean {
  if (/[\p{C}\p{Z}~^:?*[\\]|\.\.|@\{|^-|^@$|\.$/u.test(ref)) return false;
  return ref.split('/').every((part) => /^[^.]/.test(part) && !part.endsWith('.lock'));
}

function checkedPath(fragment: string): string {
  if (fragment.includes('#')) throw invalid('has a second #; within a name it is written %23');
  const path = decoded(fragment);
  if (/[\p{Cc}\\]/u.test(path)) throw invalid('has a path with a character that is not allowed');
  if (path.split('/').some((part) => ['', '.', '..'].includes(part))) {
    throw invalid('has a path that is not plainly one from the root of the repository');
  }
  return path;
}

/** Percent-decodes once. A `+` is a plus: these are no form fields. */
function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw invalid('has a % that is no percent-encoding; a plain one is written %25');
  }
}

function invalid(reason: string): KsealError {
  return new KsealError('KEY_REFERENCE_INVALID', `the git key reference ${reason}`, {
    hint: "'git+https://host/org/repo.git?ref=main#keys/prod.pub', or git+ssh://git@host/…, git+file:///…",
  });
}

/** As many bytes as a key file on disk may have. */
const LIMIT = 64 * 1024;

/** Gets the public key in one file of a Git repository, at a branch, a tag or a commit. */
export const fetchPublicKey: FetchPublicKey = async (reference, { env, verifySignature }) => {
  const address = parseGitReference(reference);
  const file = await fetchFile(address, { env, verifySignature, limit: LIMIT });
  const origin = `${address.shown}@${file.commit}#${address.path}`;
  const text = file.bytes.toString('latin1');
  // Whatever its kind, before anything else is said of it.
  if (/-----BEGIN [A-Z0-9 ]*PRIVATE KEY/.test(text)) throw published(origin);
  const key = await checkedKey(readKeyText(file.bytes, origin), origin);
  if (key.kind === 'private') throw published(origin);
  return { ...key, origin, facts: factsOf(file) };
};

function factsOf({ commit, ref, signature }: FetchedFile): ReadonlyMap<string, string> {
  const facts = new Map([
    ['commit', commit],
    ['ref', ref],
  ]);
  if (signature === undefined) return facts;
  const { signer, fingerprint } = signature;
  return facts.set('signature', `good, by ${signer} with key ${fingerprint}`);
}

/** A private key that was ever pushed is in the history, and in every clone. */
function published(origin: string): KsealError {
  return new KsealError(
    'KEY_INVALID',
    `${origin}: is a private key, and a private key in a repository is no secret any more`,
    { hint: 'make a new key, and change every value sealed to this one: kseal keygen -o PREFIX' },
  );
}
