import { existsSync } from 'node:fs';
import { dirname, isAbsolute, join, relative, resolve, sep } from 'node:path';
import { CONFIG_NAME, type Config, isThere, loadConfig, parseConfig } from '../config/config.ts';
import { KsealError } from '../errors.ts';
import { type ReadFile, readFile } from '../fs/read.ts';
import { commitOf, type FoundFile, fileAt, type LocalGit, wayToTop } from '../git/local.ts';
import { publicKeyFrom, publicKeyFromFile } from '../keys/key-file.ts';
import type { IO } from './io.ts';

/** What verify takes rules and keys from: the work tree, or a branch that no pull request changes. */
export interface Base {
  /** The configuration that holds for a file; the same object for all files that share it. */
  readonly configFor: (file: string) => Config | undefined;
  /** Reads a public key; `shown` is the path as it was written, `read` as for `publicKeyFromFile`. */
  readonly readKey: (
    path: string,
    shown: string,
    read?: ReadFile,
  ) => Promise<{ kid: string; bits: number }>;
  /** What the protected branch has in place of a file; absent where there is no such branch. */
  readonly protectedText?: (file: string) => Uint8Array | undefined;
}

interface BaseFlags {
  readonly config?: string;
  readonly configFrom?: string;
}

export function baseFrom(
  io: IO,
  { config = io.env.KSEAL_CONFIG, configFrom: ref }: BaseFlags,
): Base {
  const named = config ? resolve(io.cwd, config) : undefined;
  return ref === undefined ? workTree(io, named) : branch(io, ref, named);
}

function workTree({ cwd }: IO, named: string | undefined): Base {
  const read = (path: string, how?: ReadFile) => loadConfig(path, relative(cwd, path) || path, how);
  const readIn = (folder: string) => {
    const path = join(folder, CONFIG_NAME);
    return isThere(path) ? read(path) : undefined;
  };
  const isTop = (folder: string) => existsSync(join(folder, '.git'));
  return {
    configFor: named === undefined ? nearest(readIn, isTop) : always(() => read(named, readFile)),
    readKey: publicKeyFromFile,
  };
}

/** Whatever lies within the repository is read at `ref`, key files that `--key` names too. */
function branch({ cwd, env }: IO, ref: string, named: string | undefined): Base {
  const git: LocalGit = { folder: cwd, env };
  const commit = commitOf(git, ref);
  const top = resolve(cwd, wayToTop(git));
  const isWithin = (path: string) => {
    const way = relative(top, path);
    return way !== '..' && !way.startsWith(`..${sep}`) && !isAbsolute(way);
  };
  const wayTo = (path: string) => relative(cwd, path).split(sep).join('/');
  const found = (path: string) => (isWithin(path) ? fileAt(git, commit, wayTo(path)) : undefined);
  const readIn = (folder: string, path = join(folder, CONFIG_NAME)) => {
    const file = found(path);
    // Where a folder is a link there, nothing stands below it.
    if (file === undefined || (file.octets === undefined && file.at !== wayTo(path)))
      return undefined;
    return parseConfig(octetsOf(file, ref), `${ref}:${relative(cwd, path)}`, folder);
  };
  return {
    configFor:
      named === undefined
        ? nearest(readIn, (folder) => folder === top)
        : always(() => {
            if (!isWithin(named)) return loadConfig(named, relative(cwd, named), readFile);
            return readIn(dirname(named), named) ?? absent(ref, relative(cwd, named));
          }),
    readKey: async (path, shown, read) => {
      if (!isWithin(path)) return publicKeyFromFile(path, shown, read);
      return publicKeyFrom(octetsOf(found(path) ?? absent(ref, shown), ref), `${ref}:${shown}`);
    },
    protectedText: (file) => found(file)?.octets,
  };
}

function octetsOf(file: FoundFile, ref: string): Uint8Array {
  if (file.octets !== undefined) return file.octets;
  throw new KsealError('IO', `${ref}:${file.at}: is ${file.kind}`, {
    hint: `commit a regular file to ${ref} first`,
  });
}

function absent(ref: string, shown: string): never {
  throw new KsealError('IO', `${ref}:${shown}: no such file`, {
    hint: `commit it to ${ref} first`,
  });
}

/** Looks for a configuration in the folder of a file and above, and reads each one once. */
function nearest(
  readIn: (folder: string) => Config | undefined,
  isTop: (folder: string) => boolean,
): Base['configFor'] {
  const known = new Map<string, Config | undefined>();
  const find = (folder: string): Config | undefined => {
    if (!known.has(folder)) {
      const parent = dirname(folder);
      known.set(
        folder,
        readIn(folder) ?? (isTop(folder) || parent === folder ? undefined : find(parent)),
      );
    }
    return known.get(folder);
  };
  return (file) => find(dirname(file));
}

function always(read: () => Config): Base['configFor'] {
  let config: Config | undefined;
  return () => {
    config ??= read();
    return config;
  };
}
