import { existsSync, mkdirSync } from 'node:fs';
import { dirname, isAbsolute, join } from 'node:path';
import { KsealError } from '../errors.ts';
import { fileError, readFile } from '../fs/read.ts';
import { writeFile } from '../fs/write.ts';
import { parseKid } from '../jwe/thumbprint.ts';

// The pin in a repository stops accidents, but whoever may write there can change key and pin
// together. So each user remembers, outside any repository, which kid a key name stood for.

const MAX_KNOWN_KEYS = 4 * 1024 * 1024;

/** What a user has confirmed: that `name` in `repository` stands for `kid`. */
export interface KnownKey {
  readonly kid: string;
  readonly name: string;
  readonly repository: string;
}

type Environment = Readonly<Record<string, string | undefined>>;

/** The file of known keys; undefined where the environment names no home. */
export function knownKeysPath({
  XDG_CONFIG_HOME,
  APPDATA,
  HOME,
  USERPROFILE,
}: Environment): string | undefined {
  const home = HOME || USERPROFILE;
  const folders = [XDG_CONFIG_HOME, APPDATA, home && join(home, '.config')];
  // "All paths set in these environment variables must be absolute" (XDG Base Directory).
  const folder = folders.find((path) => path && isAbsolute(path));
  return folder && join(folder, 'kseal', 'known_keys');
}

/** Reads the file of known keys: `KID NAME REPOSITORY` lines. Throws CONFIG_INVALID or IO. */
export function readKnownKeys(path: string): readonly KnownKey[] {
  if (!existsSync(path)) return [];
  const lines = readFile(path, path, MAX_KNOWN_KEYS).toString('utf8').split(/\r?\n/);
  return lines.flatMap((line, index) => {
    if (line === '') return [];
    const [, kid, name, repository] = /^(\S+) (\S+) (.+)$/.exec(line) ?? [];
    if (kid && name && repository && parseKid(kid) === kid) return [{ kid, name, repository }];
    throw new KsealError('CONFIG_INVALID', `${path}:${index + 1}: is not KID NAME REPOSITORY`, {
      hint: 'remove that line, and confirm the key again when you are asked',
    });
  });
}

/** The kid that was confirmed for a key, if any was. */
export function knownKid(path: string, name: string, repository: string): string | undefined {
  return readKnownKeys(path).find((known) => known.name === name && known.repository === repository)
    ?.kid;
}

/** Remembers a confirmed key in place of an earlier one of the same name. */
export function rememberKey(path: string, key: KnownKey): void {
  const others = readKnownKeys(path).filter(
    ({ name, repository }) => name !== key.name || repository !== key.repository,
  );
  const lines = [...others, key].map(
    ({ kid, name, repository }) => `${kid} ${name} ${repository}\n`,
  );
  try {
    mkdirSync(dirname(path), { recursive: true });
  } catch (error) {
    throw fileError(dirname(path), 'write', error);
  }
  writeFile(path, path, Buffer.from(lines.join('')), { force: true, confidential: false });
}
