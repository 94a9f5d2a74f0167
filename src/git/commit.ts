import { KsealError } from '../errors.ts';
import { ask, type LocalGit } from './ask.ts';

/**
 * The commit that a branch, a tag or another name of it stands for. Throws USAGE for none, and for
 * a name that several have: git would take the tag, and whoever may push a tag need not be trusted
 * with the branch.
 */
export function commitOf(git: LocalGit, ref: string): string {
  ask(git, ['rev-parse', '--git-dir']);
  const names = namesOf(git, ref);
  if (names.length > 1) {
    const branch = names.find((name) => name.startsWith('refs/heads/'));
    throw new KsealError('USAGE', `${ref}: stands for ${names.join(' and for ')}`, {
      hint: `write which one: ${branch ?? names[0]}`,
    });
  }
  try {
    // What begins with refs/ is a name in full, and no branch that is called so.
    if (ref.startsWith('refs/') && names.length === 0) throw new Error('no such ref');
    const args = ['rev-parse', '--verify', '--quiet', '--end-of-options', `${ref}^{commit}`];
    const id = ask(git, args).toString().trim();
    // `^main` is every commit but those.
    if (!/^[0-9a-f]+$/.test(id)) throw new Error('no single commit');
    return id;
  } catch {
    throw new KsealError('USAGE', `${ref}: no such branch, tag or commit here`, {
      hint: 'check the name, or get it first: git fetch',
    });
  }
}

const folders = ['refs/', 'refs/tags/', 'refs/heads/', 'refs/remotes/'];

/** All that git may take a name for; only one where it is written in full (gitrevisions(7)). */
function namesOf(git: LocalGit, ref: string): readonly string[] {
  // What stands behind the name leads on from there: `main~1`, `main@{yesterday}`.
  const [name = ''] = ref.split(/[~^:]|@\{/);
  if (name === '') return [];
  const isFull = name.startsWith('refs/');
  const candidates = isFull
    ? [name]
    : [...folders.map((folder) => folder + name), `refs/remotes/${name}/HEAD`];
  const listing = ask(git, ['for-each-ref', '--format=%(refname)', '--', ...candidates]);
  const known = listing.toString().split('\n');
  const names = candidates.filter((candidate) => known.includes(candidate));
  return names.length > 0 && isCommitId(git, name) ? [...names, `commit ${name}`] : names;
}

/** Whether a name is the beginning of the id of something, too; a whole id git takes for one. */
function isCommitId(git: LocalGit, name: string): boolean {
  if (!/^[0-9a-f]{4,39}$/i.test(name)) return false;
  return ask(git, ['rev-parse', `--disambiguate=${name}`]).length > 0;
}
