import { dirname, resolve } from 'node:path';
import { type Config, type ConfiguredKey, parseReference } from '../config/config.ts';
import {
  attemptAll,
  errorsOf,
  exitCodeOf,
  exitCodes,
  expected,
  expectedErrors,
  KsealError,
} from '../errors.ts';
import type { CompactJwe } from '../jwe/compact.ts';
import type { OpeningKey } from '../jwe/decrypt.ts';
import { parseKmsReference } from '../keys/gcpkms/name.ts';
import { readKeyFile } from '../keys/key-file.ts';
import { keyStatuses } from '../keys/key-status.ts';
import { fetchKey, type KeyContext, loadOpeningKeys } from '../keys/resolve.ts';
import { isFolder } from '../sources/texts.ts';
import type { OpeningPolicy } from '../unseal/unseal.ts';
import type { IO } from './io.ts';
import {
  configFinder,
  type KeyFlags,
  keyContext,
  keyFilesNear,
  passphrasesFrom,
} from './options.ts';

/** The keys to open with: those on the command line, or else the one in the environment. */
export function givenReferences({ env }: IO, given: readonly string[]): readonly string[] {
  return given.length > 0 ? given : [env.KSEAL_DECRYPT_KEY ?? ''].filter(Boolean);
}

/** The same, but without any it throws USAGE; `hint` is the command with a key. */
export function openingReferences(
  io: IO,
  given: readonly string[],
  hint: string,
): readonly string[] {
  const references = givenReferences(io, given);
  if (references.length > 0) return references;
  throw new KsealError('USAGE', 'no key to open with', { hint });
}

/** Loads all keys, with `load`. Throws all errors at once. */
async function openingKeys(
  references: readonly string[],
  context: KeyContext,
  load = loadOpeningKeys,
): Promise<readonly OpeningKey[]> {
  return (await attemptAll(references, (reference) => load(reference, context))).flat();
}

/** The options that decide which keys open, and what they may open. */
export interface OpeningFlags extends KeyFlags {
  /** References; none means the keys of the configuration. */
  readonly key: readonly string[];
  readonly acceptUnbound?: boolean;
  readonly allowRevoked?: boolean;
  /** Called with the errors of a key that is unavailable. Without it, they are thrown. */
  readonly onUnavailable?: ((errors: readonly KsealError[]) => void) | undefined;
}

/** The keys that can open some sealed values. */
interface FoundKeys {
  readonly keyring: readonly OpeningKey[];
  readonly policy: OpeningPolicy;
  /** Adds to errors about an unknown kid what the configuration and its KMS say about it. */
  readonly explain: (thrown: unknown) => Promise<unknown>;
}

/** The keys of a run. Each is loaded once, when a file needs it. */
export interface Keys {
  /** The keys of the options, or else of the environment. Throws USAGE without any. */
  readonly given: () => Promise<readonly OpeningKey[]>;
  /**
   * Finds the given keys, or else the configured ones that can open the values `sealed` of the file
   * or folder `path`.
   */
  readonly find: (path: string, sealed: readonly CompactJwe[]) => Promise<FoundKeys>;
}

/**
 * Returns the keys of a run. Names of keys are those of the configuration for the first path.
 * `commandWith` returns the command with a further key, for a hint.
 */
export function keysFrom(
  io: IO,
  flags: OpeningFlags,
  paths: readonly string[],
  commandWith: (key: string) => string,
): Keys {
  const { acceptUnbound = false, allowRevoked = false, onUnavailable } = flags;
  const references = givenReferences(io, flags.key);
  const find = configFinder(io, flags);
  const passphrases = passphrasesFrom(io);
  const contextFor = (path: string): KeyContext => {
    const absolute = resolve(io.cwd, path === '-' ? '' : path);
    const folder = path === '-' || isFolder(absolute) ? absolute : dirname(absolute);
    return { ...keyContext(io, flags, find(folder)), passphrases };
  };
  const loaded = new Map<string, Promise<readonly OpeningKey[]>>();
  const load = (reference: string, context: KeyContext) => {
    const id = `${context.config?.folder}\n${reference}`;
    const keys = loaded.get(id) ?? loadOpeningKeys(reference, context).catch(withoutKeys);
    loaded.set(id, keys);
    return keys;
  };
  const withoutKeys = (thrown: unknown): readonly OpeningKey[] => {
    if (onUnavailable === undefined || exitCodeOf(thrown) !== exitCodes.KEY_UNAVAILABLE)
      throw thrown;
    onUnavailable(expectedErrors(thrown));
    return [];
  };
  const noKey = async (kids?: ReadonlySet<string>) => {
    const hint = commandWith(await keyFileFor(io, kids));
    return new KsealError('USAGE', 'no key to open with', { hint });
  };
  const given = async () => {
    if (references.length === 0) throw await noKey();
    return openingKeys(references, contextFor(paths[0] ?? '-'), load);
  };
  return {
    given,
    find: async (path, sealed) => {
      const context = contextFor(path);
      const kids = kidsOf(sealed, acceptUnbound);
      const isChosen = references.length === 0 && kids.size > 0;
      const names = isChosen ? await namesFor(kids, context.config) : references;
      if (isChosen && names === undefined) throw await noKey(kids);
      const keyring =
        references.length > 0 ? await given() : await openingKeys(names ?? [], context, load);
      const policy = { acceptUnbound, allowRevoked, maxScope: 'cluster-wide' as const };
      const explain = (thrown: unknown) =>
        explainUnknownKids(thrown, names ?? [], context, commandWith);
      return { keyring, policy, explain };
    },
  };
}

/** A private key file near the current folder that may have one of `kids`, for a hint; or else KEY. */
async function keyFileFor(io: IO, kids: ReadonlySet<string> | undefined): Promise<string> {
  for (const path of keyFilesNear(io, 'private')) {
    const kid = await kidOfFile(resolve(io.cwd, path), path);
    if (kid === undefined || kids === undefined || kids.has(kid)) return path;
  }
  return 'KEY';
}

/** Undefined for a key with a passphrase, and for a file that is damaged. */
async function kidOfFile(path: string, shown: string): Promise<string | undefined> {
  try {
    return (await readKeyFile(path, shown)).kid;
  } catch (error) {
    expected(error);
    return undefined;
  }
}

/** The kids that sealed values name; empty for values of other tools, whose kid can be any text. */
function kidsOf(sealed: readonly CompactJwe[], acceptUnbound: boolean): ReadonlySet<string> {
  const kids = sealed.map(({ header: { binding, kid = '' } }) => (binding ? kid : ''));
  // Without --accept-unbound, the values of other tools are refused.
  return new Set(acceptUnbound ? kids : kids.filter((kid) => kid !== ''));
}

/**
 * The names of the configured keys that can open values with these kids: for a kid that is not
 * configured, those that may have it, such as all versions of a key in a KMS. Undefined if no
 * configured key opens.
 */
async function namesFor(
  kids: ReadonlySet<string>,
  config: Config | undefined,
): Promise<readonly string[] | undefined> {
  const able = [...(config?.keys ?? [])].filter(([, key]) => canOpen(key));
  if (config === undefined || able.length === 0) return undefined;
  const statuses = await keyStatuses(config);
  const named = new Set(statuses.kids.flatMap((kid) => statuses.of(kid).names));
  const names = new Set<string>();
  for (const kid of kids) {
    const own = able.find(([name]) => statuses.of(kid).names.includes(name));
    const possible = able.filter(([name, key]) => !named.has(name) || hasVersions(key));
    for (const [name] of own === undefined ? possible : [own]) names.add(name);
  }
  return [...names];
}

/** Whether a configured key can open: it has a private key file, or its source is a KMS. */
export function canOpen({ private: file, source = '' }: ConfiguredKey): boolean {
  return file !== undefined || /^gcpkms:/i.test(source);
}

function hasVersions({ private: file, source = '' }: ConfiguredKey): boolean {
  return file === undefined && !parseKmsReference(source).isVersion;
}

/**
 * Adds to each error about an unknown kid its name in the configuration and, if any of
 * `references` is remote, the reason why its key version in the KMS cannot be used. `commandWith`
 * returns the command with a further key.
 */
async function explainUnknownKids(
  thrown: unknown,
  references: readonly string[],
  context: KeyContext,
  commandWith: (key: string) => string,
): Promise<unknown> {
  const { config } = context;
  const errors = errorsOf(thrown);
  if (!errors.some(isUnknownKid)) return thrown;
  const statuses = config && (await keyStatuses(config));
  const isOnline = references.some((reference) => isRemote(reference, context));
  const obstacles = new Map<string, KsealError | undefined>();
  const explain = async (error: unknown) => {
    if (!isUnknownKid(error)) return error;
    const [name = ''] = statuses?.of(error.kid).names ?? [];
    const key = config?.keys.get(name);
    if (key === undefined) return withHint(error, error.message, commandWith('KEY'));
    if (isOnline && !obstacles.has(name)) obstacles.set(name, await obstacleTo(key, context));
    const obstacle = obstacles.get(name);
    const problem = `${error.message}; in ${config?.path} it is key ${name}`;
    const hint = obstacle?.hint ?? commandWith(canOpen(key) ? name : 'KEY');
    if (obstacle === undefined) return withHint(error, problem, hint);
    return withHint(error, `${problem}: ${obstacle.message}`, hint, obstacle.cause);
  };
  const explained: unknown[] = [];
  for (const error of errors) explained.push(await explain(error));
  return explained.length === 1 ? explained[0] : new AggregateError(explained);
}

function withHint(
  { code }: KsealError,
  problem: string,
  hint: string,
  cause?: unknown,
): KsealError {
  return new KsealError(code, problem, { hint, cause });
}

function isUnknownKid(error: unknown): error is KsealError & { readonly kid: string } {
  return error instanceof KsealError && error.code === 'KEY_UNKNOWN' && error.kid !== undefined;
}

function isRemote(reference: string, { config }: KeyContext): boolean {
  const { kind } = parseReference(config?.keys.get(reference)?.source ?? reference);
  return kind === 'remote';
}

/** The error with which its provider refuses a key version in a KMS; undefined for any other key. */
async function obstacleTo(
  { source = '' }: ConfiguredKey,
  context: KeyContext,
): Promise<KsealError | undefined> {
  if (!/^gcpkms:/i.test(source) || !parseKmsReference(source).isVersion) return undefined;
  try {
    await fetchKey(source, context.cwd, context);
    return undefined;
  } catch (error) {
    return expectedErrors(error)[0];
  }
}
