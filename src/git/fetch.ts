import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expected, KsealError, located } from '../errors.ts';
import { shellWord } from '../text.ts';
import { failure } from './errors.ts';
import { type Env, type Folder, type Git, gitIn, REPOSITORY, withFolder } from './process.ts';
import { FOLDER, isRegular, kindOf, treeEntries } from './tree.ts';

/** A file in a repository. Its parts have been validated. */
export interface FileAddress {
  /** The URL for git, which may hold credentials. */
  readonly url: string;
  /** The transports that git may use. */
  readonly protocols: readonly string[];
  /** A branch, a tag, a full ref or a full commit id; by default the HEAD of the remote. */
  readonly ref: string | undefined;
  /** From the root of the tree, with `/`. */
  readonly path: string;
  /** The repository in messages. */
  readonly shown: string;
}

interface FetchOptions {
  readonly env: Env;
  /** The largest file, in bytes. */
  readonly limit: number;
  readonly verifySignature: boolean;
  /** By default two minutes from now. */
  readonly deadline?: AbortSignal;
}

interface FetchedFile {
  readonly bytes: Buffer;
  /** The full id of the commit. */
  readonly commit: string;
  /** The full name of the ref: `refs/heads/main`, `HEAD` or a commit id. */
  readonly ref: string;
  readonly signature: Signature | undefined;
}

/** In milliseconds; enough to enter a password, or to sign in with a browser. */
const PATIENCE = 120_000;

/**
 * Without blobs, if the server can omit them: a repository may be large, and git fetches the one
 * blob when it is read. Other servers send all blobs of the one commit. A server that omits blobs
 * but does not provide the one (protocol 0, over a plain sshd) is asked again for all of them.
 */
const filters = [['--filter=blob:none'], []] as const;

/**
 * Fetches one file with the user's own git: shallow, into a temporary bare repository, without
 * a checkout. Runs nothing that it fetches and follows no link in it.
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
    throw new KsealError('KEY_UNAVAILABLE', `git cannot read ${address.path}`);
  } catch (error) {
    throw located(address.shown, expected(error));
  }
}

interface Attempt extends FetchOptions {
  readonly folder: Folder;
  readonly deadline: AbortSignal;
  readonly filter: readonly string[];
}

/** Returns undefined if the tree has the file but its blob cannot be fetched. */
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

/** With a name for the remote, git cannot mistake its URL for an option. */
const REMOTE = 'kseal';

interface RefSource {
  readonly git: Git;
  readonly folder: string;
  readonly filter: readonly string[];
  readonly shown: string;
}

interface FoundRef {
  /** `refs/heads/main`, `HEAD`, or the id of a commit. */
  readonly name: string;
  readonly commit: string;
}

/**
 * Fetches a ref. Refuses a name that is both a branch and a tag: git takes the tag, and someone who
 * may push one of them may not be trusted with the other. A branch that git finds proves that the
 * tag is missing; after a tag, the branches are searched too.
 */
async function fetchRef(source: RefSource, ref = 'HEAD'): Promise<FoundRef> {
  const [branch, tag] = [`refs/heads/${ref}`, `refs/tags/${ref}`];
  const wanted = ref.startsWith('refs/') ? [ref] : [ref, branch, tag];
  const found = await fetchOne(source, ref);
  if (found === undefined || !wanted.includes(found.name)) throw noSuchRef(ref, source.shown);
  const commit = await commitOf(source.git, found);
  if (found.name === tag && (await fetchOne(source, branch))?.name === branch) {
    throw new KsealError('KEY_REFERENCE_INVALID', `${ref} is both a branch and a tag`, {
      hint: `use ?ref=${branch} or ?ref=${tag}`,
    });
  }
  return { name: found.name, commit };
}

interface Fetched {
  readonly name: string;
  /** The id of a commit, or of a tag that points to one. */
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

/** Returns undefined if the remote has no such ref. */
async function fetchOne(source: RefSource, ref: string): Promise<Fetched | undefined> {
  const { git, folder, filter, shown } = source;
  const ended = await git('fetch', ...options, ...filter, REMOTE, ref);
  if (ended.code === 0)
    return fetchedIn(readFileSync(join(folder, REPOSITORY, 'FETCH_HEAD'), 'utf8'));
  if (/couldn't find remote ref/i.test(ended.stderr)) return undefined;
  throw failure(ended, shown);
}

/** Parses FETCH_HEAD: `ID<TAB><TAB>branch 'main' of URL`, and for HEAD no name. */
function fetchedIn(text: string): Fetched | undefined {
  const [, id, kind, name] =
    /^([0-9a-f]{40})\t(?:not-for-merge)?\t(?:(branch |tag |)'(\S+)' of )?/.exec(text) ?? [];
  if (id === undefined) return undefined;
  if (name === undefined) return { id, name: 'HEAD' };
  const folder = { 'branch ': 'refs/heads/', 'tag ': 'refs/tags/' }[kind ?? ''] ?? '';
  return { id, name: `${folder}${name}` };
}

function noSuchRef(ref: string, shown: string): KsealError {
  const problem = ref === 'HEAD' ? 'no commit at HEAD' : `no branch or tag ${ref}`;
  return new KsealError('KEY_NOT_FOUND', problem, {
    hint: /^[0-9a-f]{4,}$/i.test(ref)
      ? 'give a commit by its full id: 40 lower-case hex digits'
      : `to list its refs: git ls-remote ${shellWord(shown)}`,
  });
}

async function commitOf(git: Git, { name, id }: Fetched): Promise<string> {
  const { stdout } = await git('rev-parse', '--verify', '--quiet', `${id}^{commit}`);
  const commit = `${stdout}`.trim();
  if (/^[0-9a-f]{40}$/.test(commit)) return commit;
  throw new KsealError('KEY_NOT_FOUND', `${name} does not point to a commit`, {
    hint: 'name a branch: ?ref=main',
  });
}

const hint = 'name the key file, starting from the root of the repository: #FOLDER/FILE';

/**
 * The id of a regular file in a commit. Descends from the root, so that the message names the part
 * of the path that is wrong. Throws KEY_NOT_FOUND or KEY_INVALID.
 */
async function findFile(git: Git, commit: string, path: string): Promise<string> {
  const slashes = [...path.matchAll(/\//g)].map(({ index }) => index);
  for (const folder of slashes.map((slash) => path.slice(0, slash))) {
    const { mode } = await entryAt(git, commit, folder);
    if (mode !== FOLDER) throw unfit(folder, kindOf(mode));
  }
  const { mode, id } = await entryAt(git, commit, path);
  if (isRegular(mode)) return id;
  throw unfit(path, kindOf(mode));
}

async function entryAt(git: Git, commit: string, path: string) {
  const { stdout } = await git('ls-tree', '-z', '--full-tree', commit, '--', path);
  const entry = treeEntries(stdout).find((found) => found.path === path);
  if (entry !== undefined) return entry;
  throw new KsealError('KEY_NOT_FOUND', `no ${path} in commit ${commit}`, { hint });
}

function unfit(path: string, kind: string): KsealError {
  return new KsealError('KEY_INVALID', `${path} is ${kind}`, { hint });
}

/** Returns undefined if git cannot fetch the blob. Throws KEY_INVALID over `limit`. */
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
  /** A user id of the GPG key, or a principal of the allowed signers. */
  readonly signer: string;
  readonly fingerprint: string;
}

type Verdict = readonly [problem: string, hint: string];

/** By git's `%G?`, except for `G`. */
const verdicts: Readonly<Record<string, Verdict>> = {
  N: ['is not signed', 'ask for a signed commit'],
  E: ['is signed with a key that you do not have', 'gpg --import KEYFILE'],
  B: ['has a bad signature', 'do not use this key; ask its publisher'],
  R: ['is signed with a revoked key', 'ask for a commit signed with another key'],
  X: ['has an expired signature', 'ask for a commit with a new signature'],
  Y: ['is signed with an expired key', 'ask for a commit with a new signature'],
};

/** The output of git if it cannot check a signature. */
const obstacles: readonly (readonly [RegExp, Verdict])[] = [
  [
    /allowedSignersFile/,
    [
      'has an SSH signature, but you have not configured allowed signers',
      'git config --global gpg.ssh.allowedSignersFile FILE',
    ],
  ],
  [
    /cannot run/,
    [
      'has a signature that cannot be checked: the program is missing',
      'install gpg, or ssh-keygen for SSH signatures',
    ],
  ],
];

/**
 * Requires a good signature on a commit, by a key that the user trusts. For git any GPG key in the
 * keyring is good, even one that gpg has just fetched by itself; therefore `%G?` must be `G`:
 * marginal trust or more, or for SSH an allowed signer. The user's `gpg.minTrustLevel` applies too.
 * Throws KEY_MISMATCH: the key may be fine, but nobody trusted vouches for it.
 */
async function checkSignature(git: Git, commit: string): Promise<Signature> {
  const { code, stderr } = await git('verify-commit', commit);
  // Not `%GT`, the trust: with it git 2.39 aborts on a bad signature.
  const format = '--format=%G?%x00%GS%x00%GF';
  const shown = await git('log', '-1', '--no-show-signature', '--encoding=UTF-8', format, commit);
  const [grade = '', signer = '', fingerprint = ''] = `${shown.stdout}`.trimEnd().split('\0');
  if (code === 0 && grade === 'G') return { signer, fingerprint };
  const obstacle = obstacles.find(([said]) => said.test(stderr))?.[1];
  const [problem, hint] = obstacle ?? verdicts[grade] ?? distrusted(fingerprint);
  throw new KsealError('KEY_MISMATCH', `commit ${commit} ${problem}`, {
    hint,
    cause: stderr === '' ? undefined : new Error(`git printed: ${stderr}`),
  });
}

function distrusted(fingerprint: string): Verdict {
  return [
    `is signed with key ${fingerprint}, which you do not trust`,
    fingerprint.startsWith('SHA256:')
      ? 'to trust it, add it to the file in gpg.ssh.allowedSignersFile'
      : `to trust it: gpg --lsign-key ${fingerprint}`,
  ];
}
