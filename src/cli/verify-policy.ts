import { existsSync } from 'node:fs';
import { basename, dirname, isAbsolute, join, relative, resolve, sep } from 'node:path';
import {
  CONFIG_NAME,
  type Config,
  type ConfiguredKey,
  isIgnored,
  isThere,
  loadConfig,
  parseConfig,
  ruleFor,
} from '../config/config.ts';
import { expectedErrors, KsealError } from '../errors.ts';
import { type ReadFile, readFile } from '../fs/read.ts';
import { commitOf, type FoundFile, fileAt, type LocalGit, wayToTop } from '../git/local.ts';
import { parseKid } from '../jwe/thumbprint.ts';
import { publicKeyFrom, publicKeyFromFile } from '../keys/key-file.ts';
import { strictest } from '../keys/key-status.ts';
import { parseReference } from '../keys/reference.ts';
import { checkPin, configuredKey } from '../keys/resolve.ts';
import type { Format } from '../report/formats.ts';
import type { NamedText } from '../sources/texts.ts';
import { shellWord } from '../text.ts';
import { ruleNamed } from '../verify/explain.ts';
import type { AllowedKey, Policy, Severity } from '../verify/rule.ts';
import { type Verification, verifyText } from '../verify/verify.ts';
import type { IO } from './io.ts';

interface KnownKeys {
  /** By kid; undefined when no key is known. */
  readonly keys: ReadonlyMap<string, AllowedKey> | undefined;
  /** From configured name to kid. */
  readonly kids: ReadonlyMap<string, string>;
}

/** The scope that the webhook opens unless it is told otherwise. */
const DEFAULT_MAX_SCOPE = 'namespace-wide';

/** What the words of a command line are looked up in. */
interface Surroundings {
  readonly cwd: string;
  /** The configuration that holds for the files in question. */
  readonly config: Config | undefined;
  /** That of the current folder: a name on the command line may come from there, too. */
  readonly own: Config | undefined;
  readonly readKey: Base['readKey'];
}

/**
 * The keys that values may be sealed to: those that `--key` names, else those of the
 * configuration. Asks no network. Throws KEY_MISMATCH for a file that is not the pinned key.
 */
async function knownKeys(given: readonly string[], surroundings: Surroundings): Promise<KnownKeys> {
  const { config, readKey } = surroundings;
  const configured = new Map<string, AllowedKey>();
  const kids = new Map<string, string>();
  for (const [name, entry] of config?.keys ?? []) {
    const { kid, bits } = await configuredFacts(name, entry, config, readKey);
    kids.set(name, kid);
    const same = configured.get(kid);
    // The state belongs to the kid, whatever names it has.
    const state = strictest([entry.state ?? 'active', same?.state ?? 'active']);
    configured.set(kid, { name: same?.name ?? name, state, bits: bits ?? same?.bits });
  }
  const keys = given.length === 0 ? configured : new Map<string, AllowedKey>();
  for (const reference of given) {
    const { kid, bits } = await givenFacts(reference, surroundings);
    const { name, state = 'active' } = configured.get(kid) ?? {};
    keys.set(kid, { name, state, bits });
  }
  return { keys: keys.size === 0 ? undefined : keys, kids };
}

interface KeyFacts {
  readonly kid: string;
  readonly bits?: number;
}

async function configuredFacts(
  name: string,
  { file, kid }: ConfiguredKey,
  config: Config | undefined,
  readKey: Base['readKey'],
): Promise<KeyFacts> {
  if (file !== undefined) {
    const facts = await readKey(resolve(config?.folder ?? '', file), file);
    checkPin(facts.kid, kid, `${file}, the file of key ${name},`);
    return facts;
  }
  if (kid !== undefined) return { kid };
  throw new KsealError(
    'CONFIG_INVALID',
    `${config?.path}: key ${name} has no file and no kid, so what is sealed to it is not known offline`,
    { hint: `add file: keys/${name}.pub, then: kseal fetch-pubkey ${name}` },
  );
}

async function givenFacts(text: string, surroundings: Surroundings): Promise<KeyFacts> {
  const { cwd, config, readKey } = surroundings;
  const reference = parseReference(text);
  if (reference.kind === 'file')
    return readKey(resolve(cwd, reference.path), reference.path, readFile);
  if (reference.kind === 'name') {
    const { config: found, entry } = configuredKey(
      reference.name,
      configOf(reference.name, surroundings) ?? config,
    );
    return configuredFacts(reference.name, entry, found, readKey);
  }
  const message = 'verify asks no network, and this key is behind it';
  throw new KsealError('KEY_REFERENCE_INVALID', message, {
    hint: `kseal fetch-pubkey ${shellWord(text)} -o key.pub, then: --key key.pub`,
  });
}

function configOf(name: string, { config, own }: Surroundings): Config | undefined {
  return [config, own].find((candidate) => candidate?.keys.has(name));
}

/** What is allowed at one file: its rule, and what holds everywhere. */
function policyFor(
  file: string,
  config: Config | undefined,
  { keys, kids }: KnownKeys,
  refusedKids: ReadonlySet<string>,
): Policy {
  const rule = config && ruleFor(config, file);
  return {
    keys,
    wantedKid: rule?.key === undefined ? undefined : kids.get(rule.key),
    namespace: rule?.namespace,
    field: rule?.field,
    maxScope: rule?.scope ?? DEFAULT_MAX_SCOPE,
    refusedKids,
  };
}

/** Reads `--fail-if-kid`: a fingerprint in either form, or a configured name. */
async function refusedKids(
  given: readonly string[],
  surroundings: Surroundings,
): Promise<ReadonlySet<string>> {
  return new Set(await Promise.all(given.map((text) => refusedKid(text, surroundings))));
}

async function refusedKid(text: string, surroundings: Surroundings): Promise<string> {
  const config = configOf(text, surroundings);
  const entry = config?.keys.get(text);
  if (entry !== undefined)
    return (await configuredFacts(text, entry, config, surroundings.readKey)).kid;
  const kid = parseKid(text);
  if (kid !== undefined) return kid;
  const message = '--fail-if-kid takes a kid of 43 characters, 64 hex digits, or a configured name';
  throw new KsealError('USAGE', message, { hint: 'kseal keys lists them' });
}

/** Judges one text; undefined for one that the configuration passes over. */
export type Judge = (text: NamedText) => Promise<Verification | undefined>;

/** What all files are held to that share a configuration. */
interface Standard {
  readonly known: KnownKeys;
  readonly refused: ReadonlySet<string>;
  readonly severities: NonNullable<Config['verify']['rules']>;
}

type JudgeFlags = Pick<VerifyFlags, 'key' | 'config' | 'configFrom' | 'failIfKid'>;

/** Makes the judge of a run: each text is held to the configuration nearest above it. */
export function judgeFrom(io: IO, flags: JudgeFlags): Judge {
  const base = baseFrom(io, flags);
  const standards = new Map<Config | undefined, Promise<Standard>>();
  return async ({ path, typed, file, walked, content }) => {
    const config = base.configFor(file);
    const loading = standards.get(config) ?? standardOf(io, base, config, flags);
    standards.set(config, loading);
    const { known, refused, severities } = await loading;
    const ignored = config !== undefined && isIgnored(config, file);
    if (ignored && refused.size === 0) return undefined;
    const allowed = policyFor(file, config, known, refused);
    const verify = (bytes: NamedText['content'], suppressible?: Verification['covered']) =>
      verifyText({ path, typed, content: bytes }, allowed, { severities, suppressible });
    if (ignored) return onlyRefused(verify(content));
    // The configuration is no manifest, unless a manifest has its name.
    if (walked && basename(file) === CONFIG_NAME && isEmpty(verify(content))) return undefined;
    if (base.protectedText === undefined || !ignores(content)) return verify(content);
    // What a text silences counts as far as the protected branch silences the same.
    return verify(content, verify(base.protectedText(file) ?? new Uint8Array()).covered);
  };
}

/** What is asked for by `--fail-if-kid` is told of files that are passed over, too. */
function onlyRefused(result: Verification): Verification | undefined {
  const findings = result.findings.filter(({ rule }) => rule === 'refused-key');
  return findings.length > 0 ? { ...result, findings, suppressed: [] } : undefined;
}

/** Whether there was nothing to judge. */
function isEmpty({ secrets, findings, suppressed, foreign }: Verification): boolean {
  return secrets + findings.length + suppressed.length + foreign.length === 0;
}

/** Most texts silence nothing, and need no look at the protected branch. */
function ignores(content: NamedText['content']): boolean {
  if (content instanceof KsealError) return false;
  const { buffer, byteOffset, length } = content;
  return Buffer.from(buffer, byteOffset, length).includes('kseal-ignore');
}

async function standardOf(
  { cwd }: IO,
  base: Base,
  config: Config | undefined,
  { key, failIfKid }: JudgeFlags,
): Promise<Standard> {
  const severities = config?.verify.rules ?? new Map();
  for (const id of severities.keys()) checkRule(id, config?.path ?? '');
  const { configFor, readKey } = base;
  const surroundings = { cwd, config, own: configFor(join(cwd, CONFIG_NAME)), readKey };
  const known = await knownKeys(key, surroundings);
  return { known, refused: await refusedKids(failIfKid, surroundings), severities };
}

function checkRule(id: string, path: string): void {
  try {
    ruleNamed(id);
  } catch (thrown) {
    const [error] = expectedErrors(thrown);
    throw new KsealError('CONFIG_INVALID', `${path}: verify.rules: ${error?.message}`, {
      hint: error?.hint,
    });
  }
}

/** What verify takes rules and keys from: the work tree, or a branch that no pull request changes. */
interface Base {
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

function baseFrom(io: IO, { config = io.env.KSEAL_CONFIG, configFrom: ref }: BaseFlags): Base {
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
    if (file === undefined || (file.bytes === undefined && file.at !== wayTo(path)))
      return undefined;
    return parseConfig(bytesOf(file, ref), `${ref}:${relative(cwd, path)}`, folder);
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
      return publicKeyFrom(bytesOf(found(path) ?? absent(ref, shown), ref), `${ref}:${shown}`);
    },
    protectedText: (file) => found(file)?.bytes,
  };
}

function bytesOf(file: FoundFile, ref: string): Uint8Array {
  if (file.bytes !== undefined) return file.bytes;
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

/** The options of `kseal verify`. */
export interface VerifyFlags {
  readonly file: readonly string[];
  readonly staged?: boolean;
  readonly ref: readonly string[];
  readonly key: readonly string[];
  readonly config?: string;
  readonly configFrom?: string;
  readonly format: Format;
  readonly json?: boolean;
  readonly failOn: Severity;
  readonly failIfKid: readonly string[];
  readonly explain?: string;
  readonly quiet?: boolean;
  readonly maxFindings?: number;
}
