import { basename, dirname, isAbsolute, join, relative, resolve, sep } from 'node:path';
import {
  CONFIG_NAME,
  type Config,
  type ConfiguredKey,
  findConfig,
  isIgnored,
  loadConfig,
  loadedOnce,
  nearestConfig,
  parseConfig,
  parseReference,
  ruleFor,
} from '../config/config.ts';
import { REQUEST_MARKER } from '../config/schema.ts';
import { KsealError } from '../errors.ts';
import { type ReadFile, readFile } from '../fs/read.ts';
import { commitOf, type FoundFile, fileAt, type LocalGit, wayToTop } from '../git/local.ts';
import { DEFAULT_MAX_SCOPE } from '../jwe/binding.ts';
import { parseKid } from '../jwe/thumbprint.ts';
import { publicKeyFrom, publicKeyFromFile } from '../keys/key-file.ts';
import { strictest } from '../keys/key-status.ts';
import { checkPin, configuredKey } from '../keys/resolve.ts';
import type { NamedText } from '../sources/texts.ts';
import { shellWord } from '../text.ts';
import { unknownRule } from '../verify/explain.ts';
import type { AllowedKey, Finding, Policy } from '../verify/rule.ts';
import { type Verification, verifyText } from '../verify/verify.ts';
import type { IO } from './io.ts';

/** The options that decide what a file is checked against. */
export interface PolicyFlags {
  readonly key: readonly string[];
  readonly config?: string;
  readonly configFrom?: string;
  readonly failIfKid: readonly string[];
}

/** Judges one text; undefined if the configuration excludes it. */
export type Judge = (text: NamedText) => Promise<Verification | undefined>;

/** Returns the judge of a run. It judges each text by the nearest configuration above it. */
export function judgeFrom(io: IO, flags: PolicyFlags): Judge {
  const origin = originFrom(io, flags);
  const policies = new Map<Config | undefined, Promise<SharedPolicy>>();
  return async (text) => {
    const { path, typed, file, walked, isKeyFile, content, beside } = text;
    const config = origin.configFor(file);
    const loading = policies.get(config) ?? sharedPolicyOf(io, origin, config, flags);
    policies.set(config, loading);
    const shared = await loading;
    const ignored = config !== undefined && isIgnored(config, file);
    if (ignored && shared.refusedKids.size === 0) return undefined;
    const policy = policyFor(file, config, shared);
    const { severities } = shared;
    const verify = async (
      bytes: NamedText['content'],
      suppressible?: Verification['covered'],
    ): Promise<Verification> => {
      const request = mentions(bytes, REQUEST_MARKER)
        ? (await import('../verify/requests.ts')).judgeRequest(bytes, typed, beside)
        : undefined;
      const own = { path, typed, isKeyFile, content: bytes, request };
      return verifyText(own, policy, { severities, suppressible });
    };
    if (ignored) return onlyRefused(await verify(content));
    // The configuration is not a manifest, unless a manifest has its name. Nor is a public key.
    if (walked && (isKeyFile || basename(file) === CONFIG_NAME) && isEmpty(await verify(content)))
      return undefined;
    if (origin.protectedText === undefined || !mentions(content, 'kseal-ignore'))
      return withoutLocalKeys(await verify(content), text);
    // A suppression counts if the protected branch has it for the same text.
    const { covered } = await verify(origin.protectedText(file) ?? new Uint8Array());
    return withoutLocalKeys(await verify(content, covered), text);
  };
}

/** Drops findings about private keys that no commit can contain: this machine needs some. */
function withoutLocalKeys(
  result: Verification,
  { isKeyFile, mayBeCommitted }: NamedText,
): Verification | undefined {
  const isKey = ({ code }: Finding) => isKeyFile || code === 'private-key';
  if (!result.findings.some(isKey) || mayBeCommitted()) return result;
  const findings = result.findings.filter((finding) => !isKey(finding));
  return isKeyFile ? undefined : { ...result, findings };
}

/** Keeps only the findings of `--fail-if-kid`, which also applies to excluded files. */
function onlyRefused(result: Verification): Verification | undefined {
  const findings = result.findings.filter(({ code }) => code === 'refused-key');
  return findings.length > 0 ? { ...result, findings, suppressed: [] } : undefined;
}

function isEmpty({ secrets, findings, suppressed, foreign }: Verification): boolean {
  return secrets + findings.length + suppressed.length + foreign.length === 0;
}

/** Whether a text contains a word. Without it, the text need not be searched for its subject. */
function mentions(content: NamedText['content'], word: string): boolean {
  if (content instanceof KsealError) return false;
  const { buffer, byteOffset, length } = content;
  return Buffer.from(buffer, byteOffset, length).includes(word);
}

/** The part of the policy that all files with the same configuration share. */
interface SharedPolicy extends Pick<Policy, 'keys' | 'refusedKids' | 'sealKey'> {
  /** From configured name to kid. */
  readonly kids: ReadonlyMap<string, string>;
  readonly severities: NonNullable<Config['verify']['rules']>;
}

async function sharedPolicyOf(
  { cwd }: IO,
  origin: Origin,
  config: Config | undefined,
  { key, failIfKid }: PolicyFlags,
): Promise<SharedPolicy> {
  const severities = config?.verify.rules ?? new Map();
  for (const id of severities.keys()) checkRule(id, config?.path ?? '');
  const { configFor, readKey } = origin;
  const lookup = { cwd, config, own: configFor(join(cwd, CONFIG_NAME)), readKey };
  const { keys, kids } = await knownKeys(key, lookup);
  const refused = await Promise.all(failIfKid.map((text) => refusedKid(text, lookup)));
  const hasKey = [...(config?.keys.values() ?? [])].some(
    ({ state = 'active' }) => state === 'active',
  );
  const [given, second] = key;
  const sealKey = second === undefined ? (given ?? (hasKey ? undefined : 'KEY')) : 'KEY';
  return { keys, kids, refusedKids: new Set(refused), severities, sealKey };
}

function checkRule(id: string, path: string): void {
  const error = unknownRule(id);
  if (error === undefined) return;
  const { message, hint } = error;
  throw new KsealError('CONFIG_INVALID', `verify.rules: ${message}`, { thing: path, hint });
}

function policyFor(
  file: string,
  config: Config | undefined,
  { keys, kids, refusedKids, sealKey }: SharedPolicy,
): Policy {
  const rule = config && ruleFor(config, file);
  return {
    keys,
    wantedKid: rule?.key === undefined ? undefined : kids.get(rule.key),
    namespace: rule?.namespace,
    field: rule?.field,
    maxScope: rule?.scope ?? DEFAULT_MAX_SCOPE,
    refusedKids,
    sealKey,
  };
}

/** The configurations in which key references are looked up. */
interface KeyLookup {
  readonly cwd: string;
  /** The configuration of the files to verify. */
  readonly config: Config | undefined;
  /** The configuration of the current folder, which may have further names. */
  readonly own: Config | undefined;
  readonly readKey: Origin['readKey'];
}

/**
 * Returns the keys that values may be sealed to: those of `--key`, else of the configuration.
 * Stays offline. Throws KEY_MISMATCH for a file that is not the pinned key.
 */
async function knownKeys(
  given: readonly string[],
  lookup: KeyLookup,
): Promise<Pick<SharedPolicy, 'keys' | 'kids'>> {
  const { config } = lookup;
  const configured = new Map<string, AllowedKey>();
  const kids = new Map<string, string>();
  for (const [name, entry] of config?.keys ?? []) {
    const { kid, bits } = await configuredFacts(name, entry, config, lookup);
    kids.set(name, kid);
    const same = configured.get(kid);
    // The state belongs to the kid, under all its names.
    const state = strictest([entry.state ?? 'active', same?.state ?? 'active']);
    configured.set(kid, { name: same?.name ?? name, state, bits: bits ?? same?.bits });
  }
  const keys = given.length === 0 ? configured : new Map<string, AllowedKey>();
  for (const reference of given) {
    const { kid, bits } = await givenFacts(reference, lookup);
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
  { readKey }: KeyLookup,
): Promise<KeyFacts> {
  if (file !== undefined) {
    const facts = await readKey(resolve(config?.folder ?? '', file), file);
    checkPin(facts.kid, kid, file);
    return facts;
  }
  if (kid !== undefined) return { kid };
  throw new KsealError('CONFIG_INVALID', `key ${name} has neither file nor kid`, {
    thing: config?.path,
    hint: `add file: ${name}.pub to it, then: kseal fetch-pubkey ${name}`,
  });
}

async function givenFacts(text: string, lookup: KeyLookup): Promise<KeyFacts> {
  const reference = parseReference(text);
  if (reference.kind === 'file')
    return lookup.readKey(resolve(lookup.cwd, reference.path), reference.path, readFile);
  if (reference.kind === 'name') {
    const { name } = reference;
    const { config, entry } = configuredKey(name, configWith(name, lookup) ?? lookup.config);
    return configuredFacts(name, entry, config, lookup);
  }
  throw new KsealError('KEY_REFERENCE_INVALID', 'verify works offline and cannot fetch this key', {
    hint: `kseal fetch-pubkey ${shellWord(text)} -o key.pub, then verify with: -k key.pub`,
  });
}

function configWith(name: string, { config, own }: KeyLookup): Config | undefined {
  return [config, own].find((candidate) => candidate?.keys.has(name));
}

/** Parses `--fail-if-kid`: a fingerprint in either form, or a configured name. */
async function refusedKid(text: string, lookup: KeyLookup): Promise<string> {
  const config = configWith(text, lookup);
  const entry = config?.keys.get(text);
  if (entry !== undefined) return (await configuredFacts(text, entry, config, lookup)).kid;
  const kid = parseKid(text);
  if (kid !== undefined) return kid;
  const message = '--fail-if-kid takes a kid of 43 characters, 64 hex digits, or a configured name';
  throw new KsealError('USAGE', message, { hint: 'to list them: kseal keys' });
}

/** The origin of rules and keys: the working tree, or a branch that a pull request cannot change. */
interface Origin {
  /** Returns the configuration for a file; the same object for all files that share it. */
  readonly configFor: (file: string) => Config | undefined;
  /** Reads a public key; `shown` is the path as written, `read` as in `publicKeyFromFile`. */
  readonly readKey: (
    path: string,
    shown: string,
    read?: ReadFile,
  ) => Promise<{ kid: string; bits: number }>;
  /** Returns a file on the protected branch; absent without a protected branch. */
  readonly protectedText?: (file: string) => Uint8Array | undefined;
}

function originFrom(io: IO, flags: PolicyFlags): Origin {
  const { config = io.env.KSEAL_CONFIG, configFrom: ref } = flags;
  if (ref !== undefined) return branch(io, ref, config);
  const find = findConfig(io.cwd, config);
  return { configFor: (file) => find(dirname(file)), readKey: publicKeyFromFile };
}

/** Reads everything in the repository at `ref`, including the key files of `--key`. */
function branch({ cwd, env }: IO, ref: string, config: string | undefined): Origin {
  const named = config ? resolve(cwd, config) : undefined;
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
    // A folder that is a link on that branch contains nothing.
    if (file === undefined || (file.bytes === undefined && file.at !== wayTo(path)))
      return undefined;
    return parseConfig(bytesOf(file, ref), `${ref}:${relative(cwd, path)}`, folder);
  };
  const find =
    named === undefined
      ? nearestConfig(readIn, (folder) => folder === top)
      : loadedOnce(() => {
          if (!isWithin(named)) return loadConfig(named, relative(cwd, named), readFile);
          return readIn(dirname(named), named) ?? absent(ref, relative(cwd, named));
        });
  return {
    configFor: (file) => find(dirname(file)),
    readKey: async (path, shown, read) => {
      if (!isWithin(path)) return publicKeyFromFile(path, shown, read);
      return publicKeyFrom(bytesOf(found(path) ?? absent(ref, shown), ref), `${ref}:${shown}`);
    },
    protectedText: (file) => found(file)?.bytes,
  };
}

function bytesOf(file: FoundFile, ref: string): Uint8Array {
  if (file.bytes !== undefined) return file.bytes;
  throw new KsealError('IO', `is ${file.kind}`, {
    thing: `${ref}:${file.at}`,
    hint: `commit a regular file to ${ref} first`,
  });
}

function absent(ref: string, shown: string): never {
  throw new KsealError('IO', 'no such file', {
    thing: `${ref}:${shown}`,
    hint: `commit it to ${ref} first`,
  });
}
