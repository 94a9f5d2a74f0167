import { dirname, resolve } from 'node:path';
import {
  type Config,
  fileReference,
  type PathRule,
  parseReference,
  ruleFor,
} from '../config/config.ts';
import { expected, KsealError } from '../errors.ts';
import { readFile } from '../fs/read.ts';
import { repositoryOf } from '../git/local.ts';
import type { Scope } from '../jwe/binding.ts';
import type { PublicKey } from '../jwe/encrypt.ts';
import { describeKid, fingerprintBlock, parseKid } from '../jwe/thumbprint.ts';
import { publicKeyFromFile } from '../keys/key-file.ts';
import { type KeyStatus, keyStatuses } from '../keys/key-status.ts';
import { type KnownKey, knownKeysPath, knownKid, rememberKey } from '../keys/known-keys.ts';
import { checkPin, loadPublicKey } from '../keys/resolve.ts';
import type { IO } from './io.ts';
import { configFinder, type KeyFlags, keyContext, warnAboutKey } from './options.ts';
import { say, sayFingerprint } from './print.ts';
import { askPath, askYesNo, choose, showError } from './prompt.ts';

/** The options that decide how a file is sealed. */
export interface SettingFlags extends KeyFlags {
  readonly key?: string | undefined;
  readonly pin?: string;
  readonly scope?: Scope;
  readonly namespace?: string | undefined;
  readonly stringData?: boolean;
  /** Somebody else named the key, so that a file has to be confirmed like a configured key. */
  readonly isForeign?: boolean;
}

/** How the values of a file are sealed: from the options, else its rule, else the defaults. */
export interface Setting {
  /** Undefined if no key is needed and none was named. */
  readonly key: PublicKey | undefined;
  /** The name of the key for people: `Production HR (prod)`. */
  readonly title: string | undefined;
  readonly scope: Scope;
  readonly namespace: string | undefined;
  readonly stringData: boolean;
  /**
   * The keys that existing values may be sealed to, by kid: the length of the modulus in bits, if
   * known. Undefined without a key.
   */
  readonly knownKeys: ReadonlyMap<string, number | undefined> | undefined;
}

/** The file that is written and the one that is read, if known; `-` is a stream. */
type Files = readonly (string | undefined)[];

/** The facts about a file that the options, its rule and the configuration decide. */
export interface Known extends Pick<Setting, 'scope' | 'namespace' | 'stringData'> {
  readonly config: Config | undefined;
  readonly rule: PathRule | undefined;
  /** The key to seal to; undefined if none is named, or if several are active. */
  readonly reference: string | undefined;
}

/**
 * Looks up what is known about one file after the other. The rule for the first of `files` applies,
 * or else the rule for the second. Throws CONFIG_INVALID, or BINDING_MISMATCH if -n contradicts it.
 */
export function knownFrom(io: IO, flags: SettingFlags): (files: Files) => Known {
  const find = configFinder(io, flags);
  return (given) => {
    const files = given
      .filter((file) => file !== '-')
      .flatMap((file) => (file === undefined ? [] : resolve(io.cwd, file)));
    const config = find(files[0] === undefined ? io.cwd : dirname(files[0]));
    const [rule] = files.flatMap((file) => (config && ruleFor(config, file)) ?? []);
    return {
      config,
      rule,
      reference: referenceFrom(io, flags, rule, config),
      namespace: namespaceFor(flags.namespace, rule),
      scope: flags.scope ?? rule?.scope ?? 'strict',
      stringData: flags.stringData ?? rule?.field === 'stringData',
    };
  };
}

type SettingFor = (files: Files, needsKey?: boolean) => Promise<Setting>;

interface SettingOptions {
  /** The keys are not announced. */
  readonly isQuiet?: boolean;
  /** The keys are not confirmed, because nothing is sealed to them. */
  readonly isDry?: boolean;
  /** Returns the command line with a key, for a hint. */
  readonly withKey?: (reference: string) => string;
}

/**
 * Finds the settings of one file after the other; each key is loaded and announced once. On a
 * terminal it asks for a key that is missing.
 */
export function settingsFrom(
  io: IO,
  flags: SettingFlags,
  options: SettingOptions = {},
): SettingFor {
  const knownOf = knownFrom(io, flags);
  const keyIn = cached(
    async (reference: string | undefined, config: Config | undefined) =>
      sealingKey(
        io,
        reference ?? (await askKey(io, config, options.withKey)),
        flags,
        config,
        options,
      ),
    (reference, config) => `${config?.folder} ${reference}`,
  );
  return async (files, needsKey = true) => {
    const { config, reference, namespace, scope, stringData } = knownOf(files);
    const found = needsKey || flags.key ? await keyIn(reference, config) : undefined;
    const { key, title, knownKeys } = found ?? {};
    return { key, title, scope, namespace, stringData, knownKeys };
  };
}

/** Caches results and errors by name, so that a person is asked once. */
function cached<A extends readonly unknown[], T>(
  make: (...args: A) => Promise<T>,
  nameOf: (...args: A) => string,
): (...args: A) => Promise<T> {
  const made = new Map<string, Promise<T>>();
  return (...args) => {
    const name = nameOf(...args);
    const known = made.get(name) ?? make(...args);
    made.set(name, known);
    return known;
  };
}

/** The key on the command line, else in the environment, else in the rule, else the only active one. */
function referenceFrom(
  io: IO,
  flags: SettingFlags,
  rule: PathRule | undefined,
  config: Config | undefined,
): string | undefined {
  const named = flags.key ?? (io.env.KSEAL_SEAL_KEY || undefined) ?? rule?.key;
  const [only, second] = config === undefined ? [] : activeNames(config);
  return named ?? (second === undefined ? only : undefined);
}

/** The problem if no key is known, and a name to put in its place. */
export function noKey(config: Config | undefined): { readonly problem: string; name: string } {
  const active = config === undefined ? [] : activeNames(config);
  const choice = active.length > 0 ? `: ${config?.path} has ${active.join(', ')}` : '';
  return { problem: `no key to seal to${choice}`, name: active[0] ?? 'REF' };
}

/**
 * Asks which key to seal to: an active key of the configuration, or a file. Returns the reference.
 * Throws USAGE without a terminal, and INTERRUPTED.
 */
export async function askKey(
  io: IO,
  config: Config | undefined,
  withKey = withoutCommand,
): Promise<string> {
  const names = config === undefined ? [] : activeNames(config);
  const statuses = config && (await keyStatuses(config));
  const choices = names.map((name) => {
    const kid = statuses?.kids.find((candidate) => statuses.of(candidate).names.includes(name));
    const label = titled(name, config);
    return { value: name, label, ...(kid === undefined ? {} : { detail: fingerprintBlock(kid) }) };
  });
  const file = { value: '', label: 'Another key, from a file' };
  const chosen =
    names.length > 0 && (await choose(io, 'Which key do you want to use?', [...choices, file]));
  const reference = chosen || (await askKeyFile(io, config, statuses, withKey));
  if (reference !== undefined) return reference;
  const { problem, name } = noKey(config);
  throw new KsealError('USAGE', problem, { hint: withKey(name) });
}

/** Asks for a file until it holds a public key that can be used; undefined without a terminal. */
async function askKeyFile(
  io: IO,
  config: Config | undefined,
  statuses: Awaited<ReturnType<typeof keyStatuses>> | undefined,
  withKey: (key: string) => string,
): Promise<string | undefined> {
  for (;;) {
    const path = await askPath(io, 'Which file is the public key in, such as prod.pub?');
    if (path === undefined) return undefined;
    try {
      const { kid } = await publicKeyFromFile(resolve(io.cwd, path), path, readFile);
      if (config && statuses) refuseInactive(config, path, statuses.of(kid), withKey);
      return fileReference(path);
    } catch (thrown) {
      showError(io, expected(thrown));
    }
  }
}

/** The name of a key for people, with its title first: `Production HR (prod)`. */
function titled(reference: string, config: Config | undefined): string {
  const title = config?.keys.get(reference)?.title;
  return title === undefined ? reference : `${title} (${reference})`;
}

function namespaceFor(given: string | undefined, rule: PathRule | undefined): string | undefined {
  if (given === undefined || rule?.namespace === undefined || given === rule.namespace)
    return given ?? rule?.namespace;
  throw new KsealError(
    'BINDING_MISMATCH',
    `-n is ${given}, but the rule for ${rule.path} has namespace ${rule.namespace}`,
    { hint: 'omit -n, or correct the rule' },
  );
}

/** Loads and announces the key to seal to. Throws unless it is active and trusted. */
async function sealingKey(
  io: IO,
  reference: string,
  flags: SettingFlags,
  config: Config | undefined,
  { isQuiet = false, isDry = false, withKey }: SettingOptions,
): Promise<{ readonly key: PublicKey } & Pick<Setting, 'title' | 'knownKeys'>> {
  const key = await loadPublicKey(reference, keyContext(io, flags, config));
  const { kid, bits } = key;
  const statuses = config && (await keyStatuses(config));
  if (config !== undefined && statuses !== undefined)
    refuseInactive(config, reference, statuses.of(kid), withKey);
  const title = titled(reference, config);
  if (!isQuiet) {
    say(io, 'note', `sealing to key ${title}, RSA-${bits}`);
    sayFingerprint(io, describeKid(kid));
  }
  warnAboutKey(io, key, reference);
  const pin = pinOf(flags.pin);
  const name = knownNameOf(io, reference, flags);
  if (!isDry && name !== undefined && (config !== undefined || flags.isForeign)) {
    const repository = repositoryOf(config?.folder ?? io.cwd, io.env);
    const known = { name, kid, repository };
    const path = await trustKey(io, known, pin, { ...flags, reference, config });
    if (path !== undefined && !isQuiet) say(io, 'note', `added key ${reference} to ${path}`);
  }
  checkPin(kid, pin, reference);
  return { key, title, knownKeys: new Map([...(statuses?.unrevoked ?? []), [kid, bits]]) };
}

/** The name under which a key is confirmed; undefined if the user named it, so that it need not be. */
function knownNameOf(
  { cwd }: IO,
  reference: string,
  { isForeign }: SettingFlags,
): string | undefined {
  const { kind } = parseReference(reference);
  if (kind === 'name') return reference;
  // Without spaces, and with a character that no configured name has. Absolute, because another file
  // has the same path in another folder.
  return isForeign ? `file:${encodeURIComponent(resolve(cwd, reference))}` : undefined;
}

const withoutCommand = (key: string) => `-k ${key}`;

function activeNames({ keys }: Config): readonly string[] {
  return [...keys].flatMap(([name, { state = 'active' }]) => (state === 'active' ? name : []));
}

function refuseInactive(
  config: Config,
  thing: string,
  { state, names }: KeyStatus,
  withKey = withoutCommand,
): void {
  if (state === 'active') return;
  const active = activeNames(config).find((name) => !names.includes(name));
  throw new KsealError(
    'KEY_INVALID',
    `is ${state} in ${config.path} (key ${names.join(', ')}), so nothing can be sealed to it`,
    {
      thing,
      hint: active === undefined ? 'ask the KMS manager for the current key' : withKey(active),
    },
  );
}

/** Parses `--pin`. Throws USAGE if it is malformed. */
export function pinOf(text: string | undefined): string | undefined {
  const pin = text === undefined ? undefined : parseKid(text);
  if (text === undefined || pin !== undefined) return pin;
  throw new KsealError('USAGE', '--pin must be a kid of 43 characters or 64 hex digits', {
    hint: 'quote it if it contains spaces',
  });
}

/** A key that may have to be confirmed. */
interface NamedKey extends Pick<SettingFlags, 'isForeign'> {
  readonly reference: string;
  readonly config: Config | undefined;
}

/**
 * Accepts a configured key that this user has confirmed before, and asks the first time. `pin` is
 * the user's confirmation on the command line. Returns the file to which the key was added, if any.
 * Throws KEY_MISMATCH for a key that has changed or is not confirmed.
 */
async function trustKey(
  io: IO,
  key: KnownKey,
  pin: string | undefined,
  named: NamedKey,
): Promise<string | undefined> {
  const { name, kid } = key;
  const thing = `key ${named.reference}`;
  const path = knownKeysPath(io.env);
  const known = path && knownKid(path, name, key.repository);
  if (known === kid) return undefined;
  if (pin !== undefined) checkPin(kid, pin, thing);
  else if (known === undefined) await confirm(io, kid, named);
  else {
    throw new KsealError('KEY_MISMATCH', 'fingerprint changed', {
      thing,
      hint: 'ask the KMS manager; if the change is intended, confirm it with --pin FINGERPRINT',
      fingerprints: [
        ['confirmed', describeKid(known)],
        ['now', describeKid(kid)],
      ],
    });
  }
  if (path !== undefined) await rememberKey(path, key);
  return path;
}

async function confirm(
  io: IO,
  kid: string,
  { reference, config, isForeign }: NamedKey,
): Promise<void> {
  // Somebody else chose the key, and may have written lies around it.
  const question = isForeign
    ? `The owner of this key can read your answers. Ask the person who manages the key for its fingerprint, and not the one who sent the request.
Is it the same fingerprint?`
    : 'Is this the fingerprint that you got from the KMS manager?';
  const answer = await askYesNo(
    io,
    `You have not used the key ${titled(reference, config)} before. Its fingerprint is
${fingerprintBlock(kid)}
${question}`,
  );
  if (answer) return;
  throw new KsealError(
    'KEY_MISMATCH',
    answer === undefined ? 'not confirmed, and there is no terminal to ask' : 'not confirmed',
    {
      thing: `key ${reference}`,
      hint: 'get the fingerprint from the KMS manager, and confirm it with --pin FINGERPRINT',
    },
  );
}
