import { KsealError } from '../errors.ts';
import { readCompact } from '../jwe/compact.ts';
import type { KeyState } from '../jwe/decrypt.ts';
import { findSealed } from '../jwe/detect.ts';
import { bufferOf } from '../jwe/encoding.ts';
import { MAX_LISTED } from '../text.ts';

/** The values that need a key. */
export interface KeyUsage {
  /** The number of sealed values. */
  readonly values: number;
  /** The files that contain them, each once. */
  readonly files: readonly string[];
}

/** A file to search, as `textsInFiles` yields it. */
interface SearchedText {
  readonly path: string;
  readonly isKeyFile: boolean;
  readonly content: Uint8Array | KsealError;
}

/**
 * Counts the sealed values in texts by the kid that their headers name; those that name none are
 * under the empty string. They may be anywhere: in Secrets, Helm values, templates or comments.
 * Damaged values and texts that cannot be read do not count.
 */
export async function keyUsage(
  texts: AsyncIterable<SearchedText>,
): Promise<ReadonlyMap<string, KeyUsage>> {
  const usage = new Map<string, { values: number; files: string[] }>();
  for await (const { path, isKeyFile, content } of texts) {
    if (isKeyFile || content instanceof KsealError) continue;
    for (const { jwe } of findSealed(bufferOf(content).toString('latin1'))) {
      const kid = kidIn(jwe);
      if (kid === undefined) continue;
      const found = usage.get(kid) ?? { values: 0, files: [] };
      usage.set(kid, found);
      found.values += 1;
      if (found.files.at(-1) !== path) found.files.push(path);
    }
  }
  return usage;
}

/** A configured key with the strictest state that it has under its names. */
interface NamedKey {
  readonly name: string;
  readonly kid: string | undefined;
  readonly state: KeyState;
}

/** The paths and the options of `kseal rekey` for a hint. */
export interface RekeyArguments {
  /** The folder that contains all files of the values; the files themselves if it has other values. */
  readonly paths: readonly string[];
  /** The key that the rules name for these files, or else the only one; `NEW` if there are several. */
  readonly to: string;
  /** The keys to open with, if the paths have other values: these must not be moved. */
  readonly from: readonly string[];
}

/**
 * Returns how to move the values on the keys `old`. `active` are the keys that can be sealed to, and
 * `ruled` returns the name of the key for a file.
 */
export function rekeyArguments(
  usage: ReadonlyMap<string, KeyUsage>,
  old: readonly NamedKey[],
  active: readonly NamedKey[],
  ruled: (path: string) => string | undefined,
): RekeyArguments {
  const files = [...new Set(old.flatMap(({ kid = '' }) => usage.get(kid)?.files ?? []))];
  const wanted = new Set(files.map(ruled));
  const named = active.filter(({ name }) => wanted.has(name));
  const targets = named.length > 0 ? named : active;
  const isClear = new Set(targets.map(({ kid }) => kid)).size === 1;
  const own = new Set([...old, ...(isClear ? targets : [])].map(({ kid }) => kid));
  const others = [...usage].flatMap(([kid, { files }]) => (own.has(kid) ? [] : files));
  const haveOthers = (paths: readonly string[]) =>
    others.some((file) => paths.some((path) => isAtOrBelow(file, path)));
  const folder = [commonPath(files)];
  const paths = haveOthers(folder) && files.length <= MAX_LISTED ? files : folder;
  return {
    paths,
    to: (isClear && targets[0]?.name) || 'NEW',
    from: haveOthers(paths) ? old.map(({ name }) => name) : [],
  };
}

/** The only path, or the folder that contains all of them. */
function commonPath(paths: readonly string[]): string {
  const [first = [], ...others] = paths.map((path) => path.split('/'));
  const isShared = (part: string, at: number) => others.every((other) => other[at] === part);
  const end = first.findIndex((part, at) => !isShared(part, at));
  return (end < 0 ? first : first.slice(0, end)).join('/') || '.';
}

function isAtOrBelow(path: string, folder: string): boolean {
  return folder === '.' || path === folder || path.startsWith(`${folder}/`);
}

/** Undefined for a damaged JWE. */
function kidIn(jwe: string): string | undefined {
  try {
    return readCompact(Buffer.from(jwe)).header.kid ?? '';
  } catch {
    return undefined;
  }
}
