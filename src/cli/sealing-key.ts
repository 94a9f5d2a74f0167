import { dirname, join, resolve } from 'node:path';
import { createInterface } from 'node:readline/promises';
import { type Config, type PathRule, ruleFor } from '../config/config.ts';
import { KsealError } from '../errors.ts';
import { repositoryOf } from '../git/local.ts';
import type { Scope } from '../jwe/binding.ts';
import type { PublicKey } from '../jwe/encrypt.ts';
import { describeKid, parseKid } from '../jwe/thumbprint.ts';
import { type KeyStatus, keyStatuses } from '../keys/key-status.ts';
import { knownKeysPath, knownKid, rememberKey } from '../keys/known-keys.ts';
import { parseReference } from '../keys/reference.ts';
import { checkPin, loadPublicKey } from '../keys/resolve.ts';
import type { IO } from './io.ts';
import { configFor, type KeyFlags, keyContext, warnIfWeak } from './options.ts';
import { say } from './print.ts';

/** What was typed that decides how a file is sealed. */
export interface SettingFlags extends KeyFlags {
  readonly key?: string;
  readonly pin?: string;
  readonly scope?: Scope;
  readonly namespace?: string;
  readonly stringData?: boolean;
}

/** How the values of one file are sealed: what was typed, else its rule, else the defaults. */
export interface Setting {
  /** Absent where nothing needs a key and none was named. */
  readonly key: PublicKey | undefined;
  readonly scope: Scope;
  readonly namespace: string | undefined;
  readonly stringData: boolean;
  /** The keys that values sealed before may be sealed to; undefined: no key to judge by. */
  readonly knownKids: ReadonlySet<string> | undefined;
}

/**
 * `files` are the one that is written and the one that is read, in this order, as far as they
 * are known: the rule for the first holds, else that for the second.
 */
type SettingFor = (files: readonly (string | undefined)[], needsKey?: boolean) => Promise<Setting>;

/** Finds the setting of one file after the other; each key is loaded and announced once. */
export function settingsFrom(io: IO, flags: SettingFlags): SettingFor {
  const configIn = rememberFirst((folder: string) => configFor(io, flags, join(folder, 'any')));
  const keyIn = rememberFirst(
    (reference: string, config: Config | undefined) => sealingKey(io, reference, flags, config),
    (reference, config) => `${config?.folder} ${reference}`,
  );
  const settingIn = rememberFirst(
    async (rule: PathRule | undefined, config: Config | undefined, needsKey: boolean) => {
      const namespace = namespaceFor(flags.namespace, rule);
      const reference = needsKey || flags.key ? referenceFor(io, flags, rule, config) : undefined;
      const found = reference === undefined ? undefined : await keyIn(reference, config);
      return {
        key: found?.key,
        scope: flags.scope ?? rule?.scope ?? 'strict',
        namespace,
        stringData: flags.stringData ?? rule?.field === 'stringData',
        knownKids: found?.knownKids,
      };
    },
    (rule, config, needsKey) =>
      `${config?.folder} ${rule && config?.rules.indexOf(rule)} ${needsKey}`,
  );
  return async (given, needsKey = true) => {
    const files = given
      .filter((file) => file !== '-')
      .flatMap((file) => (file === undefined ? [] : resolve(io.cwd, file)));
    const config = configIn(files[0] === undefined ? io.cwd : dirname(files[0]));
    const [rule] = files.flatMap((file) => (config && ruleFor(config, file)) ?? []);
    return settingIn(rule, config, needsKey);
  };
}

/** The same function, which makes each result once; what it throws is thrown again, as it is. */
function rememberFirst<A extends readonly unknown[], T>(
  make: (...args: A) => T,
  name: (...args: A) => string = (...args) => args.join(' '),
): (...args: A) => T {
  const made = new Map<string, () => T>();
  return (...args) => {
    const known = made.get(name(...args)) ?? outcomeOf(() => make(...args));
    made.set(name(...args), known);
    return known();
  };
}

function outcomeOf<T>(make: () => T): () => T {
  try {
    const result = make();
    return () => result;
  } catch (error) {
    return () => {
      throw error;
    };
  }
}

/** The key that was named, else that of the rule, else the only active one. */
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
    `-n says ${given}, but the rule for ${rule.path} says namespace ${rule.namespace}`,
    {
      hint: 'leave -n away, or correct the rule',
    },
  );
}

/** Loads the key to seal to, says which one it is, and refuses one that must not be sealed to. */
async function sealingKey(
  io: IO,
  reference: string,
  flags: SettingFlags,
  config: Config | undefined,
): Promise<{ readonly key: PublicKey; readonly knownKids: ReadonlySet<string> }> {
  const key = await loadPublicKey(reference, keyContext(io, flags, config));
  const { kid, bits } = key;
  const statuses = config && (await keyStatuses(config));
  if (config !== undefined && statuses !== undefined)
    refuseInactive(config, reference, statuses.of(kid));
  const parsed = parseReference(reference);
  const title = parsed.kind === 'name' ? config?.keys.get(parsed.name)?.title : undefined;
  say(io, 'note', `sealing to key ${reference}${title ? ` (${title})` : ''}, RSA-${bits}`);
  say(io, 'note', `its fingerprint: ${describeKid(kid)}`);
  warnIfWeak(io, key, reference);
  const pin = pinOf(flags.pin);
  if (parsed.kind === 'name' && config !== undefined) {
    await trustKey(
      io,
      { name: parsed.name, kid, repository: repositoryOf(config.folder, io.env) },
      pin,
    );
  }
  checkPin(kid, pin, reference);
  return { key, knownKids: new Set([kid, ...(statuses?.unrevoked ?? [])]) };
}

function activeNames({ keys }: Config): readonly string[] {
  return [...keys].flatMap(([name, { state }]) => ((state ?? 'active') === 'active' ? name : []));
}

function refuseInactive(config: Config, reference: string, { state, names }: KeyStatus): void {
  if (state === 'active') return;
  const [active] = activeNames(config).filter((name) => !names.includes(name));
  throw new KsealError(
    'KEY_INVALID',
    `${reference}: in ${config.path} this key (${names.join(', ')}) is ${state}, so nothing is sealed to it`,
    {
      hint: active === undefined ? 'ask the KMS manager for the current key' : `-k ${active}`,
    },
  );
}

/** A configured key that is about to be sealed to. */
interface NamedKey {
  readonly name: string;
  readonly kid: string;
  /** What tells this repository from others that have a key of the same name. */
  readonly repository: string;
}

/** Reads `--pin`. Throws USAGE for what is no fingerprint. */
export function pinOf(text: string | undefined): string | undefined {
  const pin = text === undefined ? undefined : parseKid(text);
  if (text === undefined || pin !== undefined) return pin;
  throw new KsealError('USAGE', '--pin takes a kid of 43 characters or 64 hex digits', {
    hint: 'put it in quotes if it has spaces',
  });
}

/**
 * Lets a configured key pass if this user has confirmed it before, and asks the first time.
 * `pin` is the user's word that it is the right one. Throws KEY_MISMATCH for a key that has
 * changed, or that nobody confirms.
 */
async function trustKey(
  io: IO,
  { name, kid, repository }: NamedKey,
  pin: string | undefined,
): Promise<void> {
  const path = knownKeysPath(io.env);
  const known = path && knownKid(path, name, repository);
  if (known === kid) return;
  if (pin === undefined && known !== undefined) throw changed(name, known, kid);
  if (pin === undefined) await confirm(io, name, kid);
  else checkPin(kid, pin, `key ${name}`);
  if (path === undefined) return;
  rememberKey(path, { kid, name, repository });
  say(io, 'note', `remembered key ${name} in ${path}`);
}

function changed(name: string, known: string, kid: string): KsealError {
  return new KsealError(
    'KEY_MISMATCH',
    `key ${name} is not the one you sealed to before: it was ${describeKid(known)}, and is ${describeKid(kid)} now`,
    {
      hint: 'ask the KMS manager; if it was changed on purpose, give the new fingerprint: --pin FINGERPRINT',
    },
  );
}

async function confirm(io: IO, name: string, kid: string): Promise<void> {
  const terminal = io.openTerminal();
  if (terminal === undefined) {
    throw new KsealError(
      'KEY_MISMATCH',
      `key ${name} is new to you, and there is no terminal to confirm it on`,
      {
        hint: 'give the fingerprint that the KMS manager told you: --pin FINGERPRINT',
      },
    );
  }
  const question = `You have not sealed to key ${name} before. Its fingerprint is\n  ${describeKid(kid)}\nIs that what the KMS manager told you, yes or no? `;
  const lines = createInterface(terminal);
  try {
    const answer = await new Promise<string>((resolve, reject) => {
      const interrupt = () => reject(new KsealError('INTERRUPTED', 'interrupted'));
      for (const event of ['SIGINT', 'close']) lines.on(event, interrupt);
      lines.question(question).then(resolve, interrupt);
    });
    if (/^y(?:es)?$/i.test(answer.trim())) return;
  } finally {
    lines.close();
    terminal.close();
  }
  throw new KsealError('KEY_MISMATCH', `key ${name} was not confirmed`, {
    hint: 'ask the KMS manager for the fingerprint, then run this again',
  });
}
