import { KsealError, located } from '../errors.ts';
import { failure } from './failure.ts';
import { type Folder, withFolder } from './folder.ts';
import { fetchRef, REMOTE } from './ref.ts';
import { type Env, gitIn } from './run.ts';
import { checkSignature, type Signature } from './signature.ts';
import { findFile, readBlob } from './tree.ts';

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

export interface FetchOptions {
  readonly env: Env;
  /** The most octets the file may have. */
  readonly limit: number;
  readonly verifySignature: boolean;
  /** Ends it; without it two minutes do. */
  readonly deadline?: AbortSignal;
}

export interface FetchedFile {
  readonly octets: Buffer;
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
  const octets = await readBlob(git, await findFile(git, commit, path), path, limit);
  return octets && { octets, commit, ref: name, signature };
}
