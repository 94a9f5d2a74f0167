import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { KsealError, located } from '../errors.ts';
import { shellWord } from '../text.ts';
import { failure } from './errors.ts';
import { type Env, type Folder, type Git, gitIn, REPOSITORY, withFolder } from './process.ts';

/** One file of a repository. Whoever makes one has checked its parts. */
export interface FileAddress {
  /** What git is given; it may hold credentials. */
  readonly url: string;
  /** The transports on the way there. */
  readonly protocols: readonly string[];
  /** A branch, a tag, a full ref or a full commit id; without it what the remote calls HEAD. */
  readonly ref: string | undefined;
  /** From the root of the tree, with `/`. */
  readonly path: string;
  /** How people are shown the repository. */
  readonly shown: string;
}

interface FetchOptions {
  readonly env: Env;
  /** The most bytes the file may have. */
  readonly limit: number;
  readonly verifySignature: boolean;
  /** Ends it; without it two minutes do. */
  readonly deadline?: AbortSignal;
}

export interface FetchedFile {
  readonly bytes: Buffer;
  /** The full id of the commit it was read from. */
  readonly commit: string;
  /** What `ref` turned out to be: `refs/heads/main`, `HEAD` or a commit id. */
  readonly ref: string;
  readonly signature: Signature | undefined;
}

/** In milliseconds: enough to sign in where git asks for a password, or opens a browser. */
const PATIENCE = 120_000;

/**
 * Gets one file through the user's own git: shallow, into a temporary bare repository, without
 * a checkout. Nothing of what is fetched is run, and no link in it followed.
 * Throws KEY_NOT_FOUND, KEY_DENIED, KEY_UNAVAILABLE, KEY_DEADLINE, KEY_INVALID or KEY_MISMATCH.
 */
export async function fetchFile(address: FileAddress, options: FetchOptions): Promise<FetchedFile> {
  const { deadline = AbortSignal.timeout(PATIENCE) } = options;
  try {
    for (const filter of filters) {
      const file = await withFolder((folder) =>
        fetchInto({ ...options, folder, deadline, filter }, address),
      );
      if (file !== undefined) return file;
    }
  } catch (error) {
    throw error instanceof KsealError ? located(address.shown, error) : error;
  }
  throw new KsealError('KEY_UNAVAILABLE', `${address.shown}: git cannot read ${address.path}`);
}

/**
 * Without blobs, where the server can do that: a repository may be large, and git gets the one
 * blob when it is read. A server that cannot sends those of the one commit. One that holds them
 * back and then does not hand out the one (protocol 0, over a plain sshd) is asked again for all.
 */
const filters = [['--filter=blob:none'], []] as const;

interface Attempt extends FetchOptions {
  readonly folder: Folder;
  readonly deadline: AbortSignal;
  readonly filter: readonly string[];
}

/** Undefined where the file is there and its blob cannot be got. */
async function fetchInto(
  { folder, env, deadline, filter, limit, verifySignature }: Attempt,
  { url, protocols, ref, path, shown }: FileAddress,
): Promise<FetchedFile | undefined> {
  const settings = [`remote.${REMOTE}.url=${url}`];
  const git = gitIn({ folder, env, protocols, settings, deadline });
  const made = await git('init', '--quiet', '--bare', '--template=', '--object-format=sha1');
  if (made.code !== 0) throw failure(made, shown);
  const source = { git, folder: folder.path, filter, shown };
  const { name, commit } = await fetchRef(source, ref);
  const signature = verifySignature ? await checkSignature(git, commit) : undefined;
  const bytes = await readBlob(git, await findFile(git, commit, path), path, limit);
  return bytes && { bytes, commit, ref: name, signature };
}

/** Our name for the remote: its URL is then no argument that could be taken for an option. */
const REMOTE = 'kseal';

/** How refs are fetched, and into which folder. */
interface RefSource {
  readonly git: Git;
  readonly folder: string;
  readonly filter: readonly string[];
  /** How people are shown the repository. */
  readonly shown: string;
}

/** What a ref turned out to be. */
interface FoundRef {
  /** `refs/heads/main`, `HEAD`, or the id of a commit. */
  readonly name: string;
  readonly commit: string;
}

/**
 * Fetches what `ref` names. A name that is both a branch and a tag is refused: git takes the
 * tag, and whoever may push the one kind of ref need not be trusted with the other. So a branch
 * that git comes up with is no tag too, and a tag is looked for among the branches.
 */
async function fetchRef(source: RefSource, ref = 'HEAD'): Promise<FoundRef> {
  const [branch, tag] = [`refs/heads/${ref}`, `refs/tags/${ref}`];
  const wanted = ref.startsWith('refs/') ? [ref] : [ref, branch, tag];
  const found = await fetchOne(source, ref);
  if (found === undefined || !wanted.includes(found.name)) throw noSuchRef(ref, source.shown);
  const commit = await commitOf(source.git, found);
  if (found.name === tag && (await fetchOne(source, branch))?.name === branch) {
    throw new KsealError('KEY_REFERENCE_INVALID', `has a branch and a tag named ${ref}`, {
      hint: `say which: ?ref=${branch} or ?ref=${tag}`,
    });
  }
  return { name: found.name, commit };
}

interface Fetched {
  readonly name: string;
  /** Of a commit, or of a tag that leads to one. */
  readonly id: string;
}

const options = [
  '--quiet',
  '--no-progress',
  '--depth=1',
  '--no-tags',
  '--no-recurse-submodules',
  '--no-auto-maintenance',
];

/** Undefined where the remote has nothing that git would take `ref` for. */
async function fetchOne(source: RefSource, ref: string): Promise<Fetched | undefined> {
  const { git, folder, filter, shown } = source;
  const ended = await git('fetch', ...options, ...filter, REMOTE, ref);
  if (ended.code === 0)
    return fetched(readFileSync(join(folder, REPOSITORY, 'FETCH_HEAD'), 'utf8'));
  if (/couldn't find remote ref/i.test(ended.stderr)) return undefined;
  throw failure(ended, shown);
}

/** What git notes of a fetch: `ID<TAB><TAB>branch 'main' of URL`; of HEAD no name. */
function fetched(noted: string): Fetched | undefined {
  const [, id, kind, name] =
    /^([0-9a-f]{40})\t(?:not-for-merge)?\t(?:(branch |tag |)'(\S+)' of )?/.exec(noted) ?? [];
  if (id === undefined) return undefined;
  if (name === undefined) return { id, name: 'HEAD' };
  const folder = { 'branch ': 'refs/heads/', 'tag ': 'refs/tags/' }[kind ?? ''] ?? '';
  return { id, name: `${folder}${name}` };
}

function noSuchRef(ref: string, shown: string): KsealError {
  const missing = ref === 'HEAD' ? 'no commit at HEAD' : `no branch or tag ${ref}`;
  return new KsealError('KEY_NOT_FOUND', `has ${missing}`, {
    hint: /^[0-9a-f]{4,}$/i.test(ref)
      ? 'a commit needs its whole id: 40 digits, in lower case'
      : `to see what it has: git ls-remote ${shellWord(shown)}`,
  });
}

async function commitOf(git: Git, { name, id }: Fetched): Promise<string> {
  const { stdout } = await git('rev-parse', '--verify', '--quiet', `${id}^{commit}`);
  const commit = `${stdout}`.trim();
  if (/^[0-9a-f]{40}$/.test(commit)) return commit;
  throw new KsealError('KEY_NOT_FOUND', `${name} does not lead to a commit`, {
    hint: 'name a branch: ?ref=main',
  });
}

interface Entry {
  readonly mode: string;
  readonly id: string;
}

const FOLDER = '040000';
const fileModes: readonly string[] = ['100644', '100755'];

/** What else may stand in a tree, by its mode. */
const kinds: Readonly<Record<string, string>> = {
  [FOLDER]: 'a folder',
  '120000': 'a symbolic link, and links are not followed',
  '160000': 'a submodule, and submodules are not fetched',
};

const hint = 'name the key file itself, from the root of the repository: #keys/prod.pub';

/**
 * The id of a regular file of a commit. It goes down from the root, so that the message names
 * the component that leads nowhere. Throws KEY_NOT_FOUND or KEY_INVALID.
 */
async function findFile(git: Git, commit: string, path: string): Promise<string> {
  const slashes = [...path.matchAll(/\//g)].map(({ index }) => index);
  for (const slash of slashes) {
    const folder = path.slice(0, slash);
    const { mode } = await entryAt(git, commit, folder);
    if (mode !== FOLDER) throw unfit(folder, kinds[mode] ?? 'a file, not a folder');
  }
  const { mode, id } = await entryAt(git, commit, path);
  if (fileModes.includes(mode)) return id;
  throw unfit(path, kinds[mode] ?? 'no regular file');
}

async function entryAt(git: Git, commit: string, path: string): Promise<Entry> {
  const { stdout } = await git('ls-tree', '-z', '--full-tree', commit, '--', path);
  const entry = /^(\d{6}) [a-z]+ ([0-9a-f]{40})\t([^\0]*)\0$/.exec(`${stdout}`) ?? [];
  const [, mode, id, name] = entry;
  if (mode !== undefined && id !== undefined && name === path) return { mode, id };
  throw new KsealError('KEY_NOT_FOUND', `commit ${commit} has no ${path}`, { hint });
}

function unfit(path: string, reason: string): KsealError {
  return new KsealError('KEY_INVALID', `${path} is ${reason}`, { hint });
}

/** The content of a blob; undefined where git cannot get it. Throws KEY_INVALID over `limit`. */
async function readBlob(
  git: Git,
  id: string,
  path: string,
  limit: number,
): Promise<Buffer | undefined> {
  const size = await git('cat-file', '-s', id);
  if (size.code !== 0) return undefined;
  if (!(Number(`${size.stdout}`) <= limit)) throw unfit(path, `larger than ${limit} bytes`);
  const { code, stdout } = await git('cat-file', 'blob', id);
  return code === 0 ? stdout : undefined;
}

interface Signature {
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
async function checkSignature(git: Git, commit: string): Promise<Signature> {
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
