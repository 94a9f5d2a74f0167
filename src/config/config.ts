import { existsSync, lstatSync } from 'node:fs';
import { dirname, join, relative, sep } from 'node:path';
import picomatch from 'picomatch';
import { KsealError } from '../errors.ts';
import { type ReadFile, readRegularFile } from '../fs/read.ts';
import { type Scope, scopes } from '../jwe/binding.ts';
import type { KeyState } from '../jwe/decrypt.ts';
import { parseKid } from '../jwe/thumbprint.ts';
import { isNamespace } from '../kubernetes/names.ts';
import { decodeUtf8 } from '../text.ts';
import type { YamlNode } from '../yaml/node.ts';
import { listOf, mapOf, objectOf, oneOf, type Reader, readYaml, text, textAs } from './schema.ts';

export const CONFIG_NAME = '.kseal.yaml';
const MAX_CONFIG = 256 * 1024;

/** A key under `keys:`. Paths are relative to the folder of the file, with `/`. */
export interface ConfiguredKey {
  /** What people call it. */
  readonly title?: string;
  /** The public key that seals. */
  readonly file?: string;
  /** Where the public key comes from, and in a KMS what opens. */
  readonly source?: string;
  /** A private key file that opens. */
  readonly private?: string;
  /** The pin: another key under this name is refused. */
  readonly kid?: string;
  readonly state?: KeyState;
}

/** A row of `rules:`: what holds for the manifests that its glob matches. */
export interface PathRule {
  readonly path: string;
  readonly key?: string;
  readonly scope?: Scope;
  readonly field?: 'data' | 'stringData';
  readonly namespace?: string;
}

export interface Config {
  /** How the file is called in messages, and the absolute folder that its paths start from. */
  readonly path: string;
  readonly folder: string;
  readonly keys: ReadonlyMap<string, ConfiguredKey>;
  readonly rules: readonly PathRule[];
  readonly verify: VerifySection;
}

interface VerifySection {
  /** Globs of files that `kseal verify` passes over. */
  readonly ignore?: readonly string[];
  /** From rule id to its severity. */
  readonly rules?: ReadonlyMap<string, 'off' | 'warning' | 'error'>;
}

interface ConfigFile {
  readonly version: 1;
  readonly keys?: ReadonlyMap<string, ConfiguredKey>;
  readonly rules?: readonly PathRule[];
  readonly verify?: VerifySection;
}

const key = objectOf<ConfiguredKey>({
  title: text,
  file: text,
  source: text,
  private: text,
  kid: textAs(parseKid, 'a kid of 43 characters or 64 hex digits'),
  state: oneOf(['active', 'deprecated', 'revoked']),
});

/** What matches a glob takes longer the longer it is, and has a limit of its own. */
const MAX_GLOB = 1024;
const glob = textAs((given) => (given.length <= MAX_GLOB ? given : undefined), 'a short glob');

const rule = (keyNames: readonly string[]) =>
  objectOf<PathRule>(
    {
      path: glob,
      key: oneOf(keyNames),
      scope: oneOf(scopes),
      field: oneOf(['data', 'stringData']),
      namespace: textAs((name) => (isNamespace(name) ? name : undefined), 'a namespace'),
    },
    ['path'],
  );

const verify = objectOf<VerifySection>({
  ignore: listOf(glob),
  rules: mapOf(oneOf(['off', 'warning', 'error']), isKeyName, 'rule'),
});

/** The rules may only name keys that the same file configures. */
const file: Reader<ConfigFile> = (node, fail) => {
  const keys =
    node.kind === 'map' ? node.entries.find((entry) => nameOf(entry.key) === 'keys') : undefined;
  if (node.kind === 'map' && node.entries.some((entry) => nameOf(entry.key) === 'apiVersion'))
    return fail(node, 'is a manifest, where the configuration of kseal belongs', 'rename the file');
  const names =
    keys?.value.kind === 'map' ? keys.value.entries.map((entry) => nameOf(entry.key)) : [];
  const reader = objectOf<ConfigFile>(
    {
      version: textAs(
        (version) => (version === '1' ? 1 : undefined),
        'version 1, the only one there is',
      ),
      keys: mapOf(key, isKeyName, 'key name'),
      rules: listOf(rule(names)),
      verify,
    },
    ['version'],
  );
  return reader(node, fail);
};

const nameOf = (node: YamlNode) => (node.kind === 'scalar' ? node.text : '');

/**
 * Reads a configuration. `path` is how messages call it, `folder` the absolute folder that its
 * paths start from. Throws everything that is wrong with it as CONFIG_INVALID.
 */
export function parseConfig(bytes: Uint8Array, path: string, folder: string): Config {
  const source = decodeUtf8(bytes);
  if (source === undefined) {
    throw new KsealError('CONFIG_INVALID', `${path}: is not UTF-8 text`, {
      hint: 'save it as UTF-8',
    });
  }
  const { keys = new Map(), rules = [], verify: section = {} } = readYaml(source, path, file);
  return { path, folder, keys, rules, verify: section };
}

/**
 * Finds the configuration that holds for `folder`: in it, or above, up to a folder with `.git`
 * or the root. Returns its absolute path.
 */
export function findConfig(folder: string): string | undefined {
  const path = join(folder, CONFIG_NAME);
  if (isThere(path)) return path;
  const parent = dirname(folder);
  return existsSync(join(folder, '.git')) || parent === folder ? undefined : findConfig(parent);
}

/** Whether anything is at `path`; a link that leads nowhere must not count as no configuration. */
export function isThere(path: string): boolean {
  try {
    return lstatSync(path) !== undefined;
  } catch {
    return false;
  }
}

/**
 * Reads the configuration file `path`, which messages call `shown`. `read` may be `readFile` where
 * it stood on the command line.
 */
export function loadConfig(path: string, shown: string, read: ReadFile = readRegularFile): Config {
  return parseConfig(read(path, shown, MAX_CONFIG), shown, dirname(path));
}

/** The first rule whose glob matches the absolute path `file`; every part of a rule is optional. */
export function ruleFor({ folder, rules }: Config, file: string): PathRule | undefined {
  return rules.find(({ path }) => matches(folder, path, file));
}

/** Whether `verify.ignore` passes over the absolute path `file`. */
export function isIgnored({ folder, verify: { ignore = [] } }: Config, file: string): boolean {
  return ignore.some((glob) => matches(folder, glob, file));
}

function matches(folder: string, glob: string, file: string): boolean {
  return picomatch.isMatch(relative(folder, file).split(sep).join('/'), glob, { dot: true });
}

/** Whether `name` can be a configured key: what a reference without `/` or `.` is taken for. */
export function isKeyName(name: string): boolean {
  return /^[A-Za-z0-9_-]+$/.test(name);
}
