import { KsealError } from '../errors.ts';
import { type FileAddress, fetchFile } from '../git/fetch.ts';
import { holdsPrivateKey, MAX_KEY_FILE, publicKeyFrom } from './key-file.ts';
import type { FetchPublicKey } from './provider.ts';

/** Gets the public key in a file of a Git repository, at a branch, a tag or a commit. */
export const fetchPublicKey: FetchPublicKey = async (reference, { env, verifySignature }) => {
  const address = parseGitReference(reference);
  const { bytes, commit, ref, signature } = await fetchFile(address, {
    env,
    verifySignature,
    limit: MAX_KEY_FILE,
  });
  const origin = `${address.shown}@${commit}#${address.path}`;
  // Checked first: even a malformed private key is a leak.
  if (holdsPrivateKey(bytes)) throw leaked(origin);
  const key = await publicKeyFrom(bytes, origin);
  const facts = new Map([
    ['commit', commit],
    ['ref', ref],
  ]);
  if (signature !== undefined)
    facts.set('signature', `good, by ${signature.signer} with key ${signature.fingerprint}`);
  return { ...key, origin, facts };
};

/** Throws KEY_REFERENCE_INVALID for a malformed reference. */
export const checkReference = (reference: string) => parseGitReference(reference);

function leaked(thing: string): KsealError {
  return new KsealError(
    'KEY_INVALID',
    'is a private key, which everyone with the repository can read',
    { thing, hint: 'change every value sealed to it, and make a new key: kseal keygen -o PREFIX' },
  );
}

interface Scheme {
  /**
   * The transports that git may use. Users may have git rewrite https to ssh and back
   * (`url.<base>.insteadOf`); a server can redirect to neither ssh nor plain http.
   */
  readonly protocols: readonly string[];
  /** The text after `://`: the user, and the rest. */
  readonly place: RegExp;
  /** Whether to show the user; for https it may be a token. */
  readonly showsUser: boolean;
}

/** A host begins with a letter, a digit or `[`: ssh would parse `-oProxyCommand=…` as an option. */
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
 * Parses `git+https://host/org/repo.git?ref=main#keys/prod.pub`, also `git+ssh` and `git+file`.
 * The ref and the path are percent-decoded here, once; git decodes the URL.
 * Throws KEY_REFERENCE_INVALID, which does not quote the URL: it may hold credentials.
 */
export function parseGitReference(text: string): FileAddress {
  const [, name = '', place = '', query, fragment] =
    /^git\+([a-z]+):\/\/([^?#]*)(?:\?([^#]*))?(?:#(.*))?$/is.exec(text) ?? [];
  const protocol = name.toLowerCase();
  const scheme = schemes.get(protocol);
  if (scheme === undefined) throw invalid('scheme must be git+https, git+ssh or git+file');
  const [, user = '', rest] = scheme.place.exec(place) ?? [];
  if (rest === undefined || /\p{C}/u.test(decoded(place))) {
    const parts = protocol === 'file' ? 'absolute path' : 'host and path';
    throw invalid(`missing or malformed ${parts} of the repository`);
  }
  if (!fragment) throw invalid('missing path of the key file, after a #');
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
  const [, text] = /^ref=([^&=]*)$/.exec(query) ?? [];
  if (text === undefined) throw invalid('only ref=NAME is allowed between ? and #');
  const ref = decoded(text);
  if (!isRef(ref)) throw invalid('malformed ref');
  return ref;
}

/** As git-check-ref-format(1), and stricter: nothing invisible, and nothing like an option. */
function isRef(ref: string): boolean {
  if (/[\p{C}\p{Z}~^:?*[\\]|\.\.|@\{|^-|^@$|\.$/u.test(ref)) return false;
  return ref.split('/').every((part) => /^[^.]/.test(part) && !part.endsWith('.lock'));
}

function checkedPath(fragment: string): string {
  if (fragment.includes('#')) throw invalid('more than one #; write %23 for a # in a name');
  const path = decoded(fragment);
  if (/[\p{Cc}\\]/u.test(path)) throw invalid('path contains a backslash or a control character');
  if (path.split('/').some((part) => ['', '.', '..'].includes(part)))
    throw invalid('path must start at the root of the repository and have no . or .. parts');
  return path;
}

/** Percent-decodes once. A `+` remains a `+`, because this is not form data. */
function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw invalid('malformed percent-encoding; write %25 for a %');
  }
}

function invalid(problem: string): KsealError {
  return new KsealError('KEY_REFERENCE_INVALID', problem, {
    thing: 'git key reference',
    hint: "use 'git+https://HOST/REPOSITORY.git?ref=BRANCH#FILE'",
  });
}
