import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { KsealError } from '../errors.ts';

type Env = Readonly<Record<string, string | undefined>>;

/** Where git is asked: in `folder`, with the user's environment, so that a hook's index counts. */
export interface LocalGit {
  readonly folder: string;
  readonly env: Env;
}

/** A file that a repository holds. */
export interface GitFile {
  /** Relative to the folder that was asked, with `/`. */
  readonly path: string;
  readonly blob: string;
}

/** The most that a listing may print: some hundred thousand paths. */
const MAX_LISTING = 256 * 1024 * 1024;

/** The files of the index that differ from HEAD: what the next commit changes. */
export function stagedFiles(git: LocalGit, paths: readonly string[]): readonly GitFile[] {
  const listing = ask(git, [
    'diff',
    '--cached',
    '--raw',
    '-z',
    '--relative',
    '--no-renames',
    '--no-abbrev',
    '--diff-filter=d',
    '--',
    ...paths,
  ]);
  const fields = listing.split('\0');
  const files: GitFile[] = [];
  for (let i = 0; i + 1 < fields.length; i += 2) {
    const [, mode = '', , blob = ''] = (fields[i] ?? '').split(' ');
    if (isRegular(mode)) files.push({ path: fields[i + 1] ?? '', blob });
  }
  return files;
}

/** The files of a branch, tag or commit, without checking it out. Throws USAGE for no such ref. */
export function filesAt(git: LocalGit, ref: string, paths: readonly string[]): readonly GitFile[] {
  const commit = resolveRef(git, ref);
  const listing = ask(git, ['ls-tree', '-r', '-z', commit, '--', ...paths]);
  return listing.split('\0').flatMap((line) => {
    const [, mode = '', blob = '', path = ''] = /^(\d+) \w+ (\w+)\t(.*)$/s.exec(line) ?? [];
    return isRegular(mode) ? [{ path, blob }] : [];
  });
}

/** The text of one file at a ref, by its path from the folder; undefined where there is none. */
export function fileAt(git: LocalGit, ref: string, path: string): Buffer | undefined {
  const commit = resolveRef(git, ref);
  try {
    return run(git, ['cat-file', 'blob', `${commit}:./${path}`]);
  } catch {
    return undefined;
  }
}

/** Reads the contents of files one after the other, through one process of git. */
export async function* readFiles(
  git: LocalGit,
  files: readonly GitFile[],
): AsyncGenerator<{ path: string; octets: Buffer }> {
  if (files.length === 0) return;
  const child = spawn('git', ['cat-file', '--batch'], {
    cwd: git.folder,
    env: git.env,
    stdio: ['pipe', 'pipe', 'ignore'],
  });
  const closed = once(child, 'close');
  child.stdin.on('error', () => {});
  child.stdin.end(files.map(({ blob }) => `${blob}\n`).join(''));
  const output = child.stdout[Symbol.asyncIterator]();
  let rest: Buffer = Buffer.alloc(0);
  const atLeast = async (octets: number) => {
    while (rest.length < octets) {
      const { value, done } = await output.next();
      if (done)
        throw new KsealError('IO', 'git ended before it had given every file', {
          hint: 'git fsck',
        });
      rest = Buffer.concat([rest, value]);
    }
  };
  for (const { path } of files) {
    let end = rest.indexOf(0x0a);
    for (; end < 0; end = rest.indexOf(0x0a)) await atLeast(rest.length + 1);
    const size = Number(rest.subarray(0, end).toString('latin1').split(' ')[2]);
    await atLeast(end + 1 + size + 1);
    yield { path, octets: rest.subarray(end + 1, end + 1 + size) };
    rest = rest.subarray(end + 1 + size + 1);
  }
  await closed;
}

/** Regular files and executables; no links, no submodules. */
function isRegular(mode: string): boolean {
  return mode.startsWith('100');
}

function resolveRef(git: LocalGit, ref: string): string {
  try {
    return ask(git, [
      'rev-parse',
      '--verify',
      '--quiet',
      '--end-of-options',
      `${ref}^{commit}`,
    ]).trim();
  } catch {
    throw new KsealError('USAGE', `${ref}: no such branch, tag or commit here`, {
      hint: 'git fetch, or check the name',
    });
  }
}

function ask(git: LocalGit, args: readonly string[]): string {
  return run(git, args).toString('utf8');
}

function run({ folder, env }: LocalGit, args: readonly string[]): Buffer {
  try {
    return execFileSync('git', ['--no-pager', '-c', 'core.fsmonitor=false', ...args], {
      cwd: folder,
      env,
      maxBuffer: MAX_LISTING,
      stdio: ['ignore', 'pipe', 'ignore'],
    });
  } catch (cause) {
    throw new KsealError('IO', `${folder}: git cannot be asked here`, {
      hint: 'run this inside a git repository',
      cause,
    });
  }
}
