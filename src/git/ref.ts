import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { KsealError } from '../errors.ts';
import { shellWord } from '../text.ts';
import { failure } from './failure.ts';
import { type Git, REPOSITORY } from './run.ts';

/** Our name for the remote: its URL is then no argument that could be taken for an option. */
export const REMOTE = 'kseal';

/** How refs are fetched, and into which folder. */
export interface RefSource {
  readonly git: Git;
  readonly folder: string;
  readonly filter: readonly string[];
  /** How people are shown the repository. */
  readonly shown: string;
}

/** What a ref turned out to be. */
export interface FoundRef {
  /** `refs/heads/main`, `HEAD`, or the id of a commit. */
  readonly name: string;
  readonly commit: string;
}

/**
 * Fetches what `ref` names. A name that is both a branch and a tag is refused: git takes the
 * tag, and whoever may push the one kind of ref need not be trusted with the other. So a branch
 * that git comes up with is no tag too, and a tag is looked for among the branches.
 */
export async function fetchRef(source: RefSource, ref = 'HEAD'): Promise<FoundRef> {
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
