import { existsSync } from 'node:fs';
import { dirname, join, relative, resolve, sep } from 'node:path';
import * as v from 'valibot';
import { KsealError } from '../errors.ts';
import { isThere, type ReadFile, readFile, readRegularFile } from '../fs/read.ts';
import { scopes } from '../jwe/binding.ts';
import { parseKid } from '../jwe/thumbprint.ts';
import { isNamespace } from '../kubernetes/secret.ts';
import { decodeUtf8 } from '../text.ts';
import { glob, matchesGlob } from './glob.ts';
import { fields, listOf, mapOf, oneOf, readYaml, text, words } from './schema.ts';

export const CONFIG_NAME = '.kseal.yaml';
const MAX_CONFIG = 256 * 1024;

// The schemas are functions, because most commands find no configuration.

/** A key under `keys:`. Paths are relative to the folder of the file, with `/`. */
const key = () =>
  fields({
    /** The name that is shown to people. */
    title: v.optional(text),
    /** The public key file that seals. */
    file: v.optional(text),
    /** The source of the public key; if it is a KMS, its key opens. */
    source: v.optional(text),
    /** A private key file that opens. */
    private: v.optional(text),
    /** The pin: another key under this name is refused. */
    kid: v.optional(
      v.pipe(
        text,
        v.transform(parseKid),
        v.string(
          words(
            'must be a kid of 43 characters or 64 hex digits',
            'to print it: kseal inspect FILE',
          ),
        ),
      ),
    ),
    state: v.optional(oneOf(['active', 'deprecated', 'revoked'])),
  });

/** A row of `rules:`, for the manifests that its glob matches. It may only name configured keys. */
const rule = (keyNames: readonly string[]) =>
  fields({
    path: glob,
    key: v.optional(oneOf(keyNames, 'key')),
    scope: v.optional(oneOf(scopes)),
    field: v.optional(oneOf(['data', 'stringData'])),
    namespace: v.optional(
      v.pipe(
        text,
        v.check(
          isNamespace,
          words('must be a namespace', 'use lower-case letters, digits and "-"'),
        ),
      ),
    ),
  });

const verify = () =>
  fields({
    /** Globs of the files that `kseal verify` skips. */
    ignore: v.optional(listOf(glob)),
    /** From rule id to severity. */
    rules: v.optional(mapOf(oneOf(['off', 'warning', 'error']), isKeyName, 'rule id')),
  });

const file = (keyNames: readonly string[]) =>
  fields({
    version: v.pipe(
      text,
      v.literal('1', ({ received }) =>
        words(`unsupported version ${received}`, 'write version: 1'),
      ),
    ),
    keys: v.optional(mapOf(key(), isKeyName, 'key name')),
    rules: v.optional(listOf(rule(keyNames))),
    verify: v.optional(verify()),
  });

const manifest = () =>
  v.custom<never>(
    () => false,
    words('is a Kubernetes manifest, not a configuration of kseal', 'rename the file'),
  );

export type ConfiguredKey = Readonly<v.InferOutput<ReturnType<typeof key>>>;
export type PathRule = Readonly<v.InferOutput<ReturnType<typeof rule>>>;

export interface Config {
  /** The path that messages show. */
  readonly path: string;
  /** The absolute folder that relative paths start from. */
  readonly folder: string;
  readonly keys: ReadonlyMap<string, ConfiguredKey>;
  readonly rules: readonly PathRule[];
  readonly verify: Readonly<v.InferOutput<ReturnType<typeof verify>>>;
}

/**
 * Parses a configuration. `path` is shown in messages; `folder` is the absolute folder that its
 * paths start from. Throws all errors in it as CONFIG_INVALID.
 */
export function parseConfig(bytes: Uint8Array, path: string, folder: string): Config {
  const source = decodeUtf8(bytes);
  if (source === undefined)
    throw new KsealError('CONFIG_INVALID', 'is not UTF-8 text', {
      thing: path,
      hint: 'save it as UTF-8',
    });
  const {
    keys = new Map(),
    rules = [],
    verify = {},
  } = readYaml(source, path, (data) => {
    const named = data instanceof Map ? data : new Map();
    if (named.has('apiVersion')) return manifest();
    const keys: unknown = named.get('keys');
    return file(keys instanceof Map ? [...keys.keys()] : []);
  });
  return { path, folder, keys, rules, verify };
}

/**
 * Reads a configuration file. `shown` is its path in messages; `read` is `readFile` for a path from
 * the command line.
 */
export function loadConfig(path: string, shown: string, read: ReadFile = readRegularFile): Config {
  return parseConfig(read(path, shown, MAX_CONFIG), shown, dirname(path));
}

/** Returns the configuration for an absolute folder, if there is one. */
export type FindConfig = (folder: string) => Config | undefined;

/** Finds the configuration `named`, a path relative to `cwd`; without a name, the nearest one. */
export function findConfig(cwd: string, named: string | undefined): FindConfig {
  if (!named) return configsAbove(cwd);
  return loadedOnce(() => loadConfig(resolve(cwd, named), named, readFile));
}

/** Always finds the same configuration, which is loaded when it is first needed. */
export function loadedOnce(load: () => Config): FindConfig {
  let config: Config | undefined;
  return () => {
    config ??= load();
    return config;
  };
}

/**
 * Looks for `.kseal.yaml` in a folder and above, up to a folder with `.git` or the root. Paths in
 * messages are relative to `cwd`.
 */
function configsAbove(cwd: string): FindConfig {
  return nearestConfig(
    (folder) => {
      const path = join(folder, CONFIG_NAME);
      return isThere(path) ? loadConfig(path, relative(cwd, path)) : undefined;
    },
    (folder) => existsSync(join(folder, '.git')),
  );
}

/** Searches a folder and those above it, up to `isTop`. Calls `readIn` once for each folder. */
export function nearestConfig(readIn: FindConfig, isTop: (folder: string) => boolean): FindConfig {
  const known = new Map<string, Config | undefined>();
  const find: FindConfig = (folder) => {
    if (!known.has(folder)) {
      const parent = dirname(folder);
      const isLast = isTop(folder) || parent === folder;
      known.set(folder, readIn(folder) ?? (isLast ? undefined : find(parent)));
    }
    return known.get(folder);
  };
  return find;
}

/** The first rule whose glob matches the absolute path `file`. */
export function ruleFor({ folder, rules }: Config, file: string): PathRule | undefined {
  return rules.find(({ path }) => matches(folder, path, file));
}

/** All rules whose globs match the absolute path `file`; only the first applies. */
export function rulesMatching({ folder, rules }: Config, file: string): readonly PathRule[] {
  return rules.filter(({ path }) => matches(folder, path, file));
}

/** Whether `verify.ignore` matches the absolute path `file`. */
export function isIgnored({ folder, verify: { ignore = [] } }: Config, file: string): boolean {
  return ignore.some((glob) => matches(folder, glob, file));
}

function matches(folder: string, glob: string, file: string): boolean {
  return matchesGlob(glob, relative(folder, file).split(sep).join('/'));
}

type KeyReference =
  | { readonly kind: 'file'; readonly path: string }
  | { readonly kind: 'remote'; readonly scheme: string }
  | { readonly kind: 'name'; readonly name: string };

/**
 * Parses a key reference: with `://` it is remote, a word of letters, digits, `-` and `_` is the
 * name of a configured key, and anything else, such as `C:\keys\prod.pub`, is a path.
 * Throws KEY_REFERENCE_INVALID for an empty reference, and for the name of a KMS key without scheme.
 */
export function parseReference(text: string): KeyReference {
  const [, scheme] = /^([a-z][a-z0-9+.-]*):\/\//i.exec(text) ?? [];
  if (scheme !== undefined) return { kind: 'remote', scheme: scheme.toLowerCase() };
  if (kmsName.test(text)) {
    const meant = `gcpkms://${text.slice(text.indexOf('projects/'))}`;
    throw new KsealError('KEY_REFERENCE_INVALID', 'a key in Cloud KMS begins with gcpkms://', {
      thing: text,
      hint: `did you mean '${meant}'?`,
      meant: [text, meant],
    });
  }
  if (text !== '')
    return isKeyName(text) ? { kind: 'name', name: text } : { kind: 'file', path: text };
  throw new KsealError('KEY_REFERENCE_INVALID', 'empty key reference', {
    hint: '-k KEY',
  });
}

/** The reference for a path, which without a slash may be the name of a configured key. */
export function fileReference(path: string): string {
  return parseReference(path).kind === 'file' ? path : `./${path}`;
}

/** The resource name of a key in Cloud KMS, as its console and gcloud print it. */
const kmsName =
  /^\/*(?:cloudkms\.googleapis\.com\/(?:v1\/)?)?projects\/[^/]+\/locations\/[^/]+\/keyRings\/[^/]+\/cryptoKeys\/[^/]/;

/** Whether `name` can be the name of a configured key. */
function isKeyName(name: string): boolean {
  return /^[A-Za-z0-9_-]+$/.test(name);
}
