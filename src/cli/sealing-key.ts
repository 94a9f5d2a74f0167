import { dirname, resolve } from 'node:path';
import { type Config, type PathRule, parseReference, ruleFor } from '../config/config.ts';
import { KsealError } from '../errors.ts';
import { repositoryOf } from '../git/local.ts';
import type { Scope } from '../jwe/binding.ts';
import type { PublicKey } from '../jwe/encrypt.ts';
import { describeKid, parseKid } from '../jwe/thumbprint.ts';
import { type KeyStatus, keyStatuses } from '../keys/key-status.ts';
import { type KnownKey, knownKeysPath, knownKid, rememberKey } from '../keys/known-keys.ts';
import { checkPin, loadPublicKey } from '../keys/resolve.ts';
import type { IO } from './io.ts';
import { configFinder, type KeyFlags, keyContext, warnAboutKey } from './options.ts';
import { say, sayFingerprint } from './print.ts';
import { askYesNo } from './prompt.ts';

/** The options that decide how a file is sealed. */
export interface SettingFlags extends KeyFlags {
  readonly key?: string;
  readonly pin?: string;
  readonly scope?: Scope;
  readonly namespace?: string;
  readonly stringData?: boolean;
}

/** How the values of a file are sealed: from the options, else its rule, else the defaults. */
export interface Setting {
  /** Undefined if no key is needed and none was named. */
  readonly key: PublicKey | undefined;
  readonly scope: Scope;
  readonly namespace: string | undefined;
  readonly stringData: boolean;
  /**
   * The keys that existing values may be sealed to, by kid: the length of the modulus in bits, if
   * known. Undefined without a key.
   */
  readonly knownKeys: ReadonlyMap<string, number | undefined> | undefined;
}

/**
 * `files` are the file that is written and the one that is read, if known. The rule for the first
 * applies, or else the rule for the second.
 */
type SettingFor = (files: readonly (string | undefined)[], needsKey?: boolean) => Promise<Setting>;

/** Finds the settings of one file after the other; each key is loaded and announced once. */
export function settingsFrom(io: IO, flags: SettingFlags): SettingFor {
  const find = configFinder(io, flags);
  const configIn = cached(
    async (folder: string) => find(folder),
    (folder) => folder,
  );
  const keyIn = cached(
    (reference: string, config: Config | undefined) => sealingKey(io, reference, flags, config),
    (reference, config) => `${config?.folder} ${reference}`,
  );
  const settingIn = cached(
    async (rule: PathRule | undefined, config: Config | undefined, needsKey: boolean) => {
      const namespace = namespaceFor(flags.namespace, rule);
      const reference = needsKey || flags.key ? referenceFor(io, flags, rule, config) : undefined;
      const found = reference === undefined ? undefined : await keyIn(reference, config);
      return {
        key: found?.key,
        scope: flags.scope ?? rule?.scope ?? 'strict',
        namespace,
        stringData: flags.stringData ?? rule?.field === 'stringData',
        knownKeys: found?.knownKeys,
      };
    },
    (rule, config, needsKey) =>
      `${config?.folder} ${rule && config?.rules.indexOf(rule)} ${needsKey}`,
  );
  return async (given, needsKey = true) => {
    const files = given
      .filter((file) => file !== '-')
      .flatMap((file) => (file === undefined ? [] : resolve(io.cwd, file)));
    const config = await configIn(files[0] === undefined ? io.cwd : dirname(files[0]));
    const [rule] = files.flatMap((file) => (config && ruleFor(config, file)) ?? []);
    return settingIn(rule, config, needsKey);
  };
}

/** Caches results and errors by name, so that one error is thrown as the same object each time. */
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
function referenceFor(
  io: IO,
  flags: SettingFlags,
  rule: PathRule | undefined,
  config: Config | undefined,
): string {
  const named = flags.key ?? (io.env.KSEAL_SEAL_KEY || undefined) ?? rule?.key;
  if (named !== undefined) return named;
  const active = config === undefined ? [] : activeNames(config);
  const [only, second] = active;
  if (only !== undefined && second === undefined) return only;
  const choice = active.length > 0 ? `: ${config?.path} has ${active.join(', ')}` : '';
  throw new KsealError('USAGE', `no key to seal to${choice}`, {
    hint: `-k ${only ?? 'keys/prod.pub'}`,
  });
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
): Promise<{ readonly key: PublicKey } & Pick<Setting, 'knownKeys'>> {
  const key = await loadPublicKey(reference, keyContext(io, flags, config));
  const { kid, bits } = key;
  const statuses = config && (await keyStatuses(config));
  if (config !== undefined && statuses !== undefined)
    refuseInactive(config, reference, statuses.of(kid));
  const parsed = parseReference(reference);
  const title = parsed.kind === 'name' ? config?.keys.get(parsed.name)?.title : undefined;
  say(io, 'note', `sealing to key ${reference}${title ? ` (${title})` : ''}, RSA-${bits}`);
  sayFingerprint(io, describeKid(kid));
  warnAboutKey(io, key, reference);
  const pin = pinOf(flags.pin);
  if (parsed.kind === 'name' && config !== undefined) {
    const repository = repositoryOf(config.folder, io.env);
    await trustKey(io, { name: parsed.name, kid, repository }, pin);
  }
  checkPin(kid, pin, reference);
  return { key, knownKeys: new Map([...(statuses?.unrevoked ?? []), [kid, bits]]) };
}

function activeNames({ keys }: Config): readonly string[] {
  return [...keys].flatMap(([name, { state = 'active' }]) => (state === 'active' ? name : []));
}

function refuseInactive(config: Config, thing: string, { state, names }: KeyStatus): void {
  if (state === 'active') return;
  const active = activeNames(config).find((name) => !names.includes(name));
  throw new KsealError(
    'KEY_INVALID',
    `is ${state} in ${config.path} (key ${names.join(', ')}), so nothing can be sealed to it`,
    {
      thing,
      hint: active === undefined ? 'ask the KMS manager for the current key' : `-k ${active}`,
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

/**
 * Accepts a configured key that this user has confirmed before, and asks the first time. `pin` is
 * the user's confirmation on the command line. Throws KEY_MISMATCH for a key that has changed or
 * is not confirmed.
 */
async function trustKey(io: IO, key: KnownKey, pin: string | undefined): Promise<void> {
  const { name, kid } = key;
  const path = knownKeysPath(io.env);
  const known = path && knownKid(path, name, key.repository);
  if (known === kid) return;
  if (pin !== undefined) checkPin(kid, pin, `key ${name}`);
  else if (known === undefined) await confirm(io, name, kid);
  else {
    throw new KsealError('KEY_MISMATCH', 'fingerprint changed', {
      thing: `key ${name}`,
      hint: 'ask the KMS manager; if the change is intended, confirm it with --pin FINGERPRINT',
      fingerprints: [
        ['confirmed', describeKid(known)],
        ['now', describeKid(kid)],
      ],
    });
  }
  if (path === undefined) return;
  rememberKey(path, key);
  say(io, 'note', `added key ${name} to ${path}`);
}

async function confirm(io: IO, name: string, kid: string): Promise<void> {
  const answer = await askYesNo(
    io,
    `You have not sealed to key ${name} before. Its fingerprint is\n  ${describeKid(kid)}\nIs this the fingerprint that you got from the KMS manager`,
  );
  if (answer) return;
  throw new KsealError(
    'KEY_MISMATCH',
    answer === undefined ? 'not confirmed, and there is no terminal to ask' : 'not confirmed',
    {
      thing: `key ${name}`,
      hint: 'get the fingerprint from the KMS manager, and confirm it with --pin FINGERPRINT',
    },
  );
}
