import { KsealError } from '../errors.ts';
import type { Git } from './run.ts';

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
export async function findFile(git: Git, commit: string, path: string): Promise<string> {
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
export async function readBlob(
  git: Git,
  id: string,
  path: string,
  limit: number,
): Promise<Buffer | undefined> {
  const size = await git('cat-file', '-s', id);
  if (size.code !== 0) return undefined;
  if (!(Number(`${size.stdout}`) <= limit)) throw unfit(path, `larger than ${limit} octets`);
  const { code, stdout } = await git('cat-file', 'blob', id);
  return code === 0 ? stdout : undefined;
}
