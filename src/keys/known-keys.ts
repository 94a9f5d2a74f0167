import { existsSync } from 'node:fs';
import { basename, dirname, isAbsolute, join } from 'node:path';
import { KsealError } from '../errors.ts';
import { readFile } from '../fs/read.ts';
import { writeFolders } from '../fs/write.ts';
import { parseKid } from '../jwe/thumbprint.ts';

// A pin in a repository prevents accidents, but anyone who can write to the repository can change
// key and pin together. Therefore the kids that a user has confirmed are stored outside of it.

const MAX_KNOWN_KEYS = 4 * 1024 * 1024;

/** A user has confirmed that `name` means `kid` in `repository`. */
export interface KnownKey {
  readonly kid: string;
  readonly name: string;
  /** Distinguishes this repository from others with a key of the same name. */
  readonly repository: string;
}

/** The path of the known keys; undefined if the environment has no home folder. */
export function knownKeysPath({
  XDG_CONFIG_HOME,
  APPDATA,
  HOME,
  USERPROFILE,
}: Readonly<Record<string, string | undefined>>): string | undefined {
  const home = HOME || USERPROFILE;
  const folders = [XDG_CONFIG_HOME, APPDATA, home && join(home, '.config')];
  // "All paths set in these environment variables must be absolute" (XDG Base Directory).
  const folder = folders.find((path) => path && isAbsolute(path));
  return folder && join(folder, 'kseal', 'known_keys');
}

/** Reads the known keys, one `KID NAME REPOSITORY` a line. Throws CONFIG_INVALID or IO. */
export function readKnownKeys(path: string): readonly KnownKey[] {
  if (!existsSync(path)) return [];
  const lines = readFile(path, path, MAX_KNOWN_KEYS).toString('utf8').split(/\r?\n/);
  return lines.flatMap((line, index) => {
    if (line === '') return [];
    const [, kid, name, repository] = /^(\S+) (\S+) (.+)$/.exec(line) ?? [];
    if (kid && name && repository && parseKid(kid) === kid) return [{ kid, name, repository }];
    throw new KsealError('CONFIG_INVALID', 'expected KID NAME REPOSITORY', {
      thing: `${path}:${index + 1}`,
      hint: 'remove this line, then confirm the key again',
    });
  });
}

/** Returns the kid that the user has confirmed for a key, if any. */
export function knownKid(path: string, name: string, repository: string): string | undefined {
  return readKnownKeys(path).find((known) => known.name === name && known.repository === repository)
    ?.kid;
}

/** Stores a confirmed key; it replaces an earlier key of the same name and repository. */
export async function rememberKey(path: string, key: KnownKey): Promise<void> {
  const others = readKnownKeys(path).filter(
    ({ name, repository }) => name !== key.name || repository !== key.repository,
  );
  const lines = [...others, key].map(
    ({ kid, name, repository }) => `${kid} ${name} ${repository}\n`,
  );
  const file = { name: basename(path), bytes: Buffer.from(lines.join('')) };
  const folder = dirname(path);
  await writeFolders([{ path: folder, shown: folder, files: [file] }], true);
}
