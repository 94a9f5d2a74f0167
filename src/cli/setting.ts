import { resolve } from 'node:path';
import { type Config, type PathRule, ruleFor, stateOf } from '../config.ts';
import { KsealError } from '../errors.ts';
import { repositoryOf } from '../git/local.ts';
import type { Scope } from '../jwe/binding.ts';
import type { PublicKey } from '../jwe/encrypt.ts';
import { describeKid } from '../jwe/kid.ts';
import { checkPin, loadPublicKey } from '../keys/open.ts';
import { WEAK_BITS } from '../keys/policy.ts';
import { parseReference } from '../keys/reference.ts';
import { configFor, type KeyFlags, keyContext } from './context.ts';
import type { IO } from './io.ts';
import { say, warn } from './print.ts';

import { pinOf, trustKey } from './trust.ts';

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

export type SettingFor = (file: string | undefined, needsKey?: boolean) => Promise<Setting>;

/** Finds the setting of one file after the other; each key is loaded and announced once. */
export function settingsFrom(io: IO, flags: SettingFlags): SettingFor {
  const keys = new Map<string, Promise<PublicKey>>();
  return async (file, needsKey = true) => {
    const config = configFor(io, flags, file);
    const rule = config && file !== undefined ? ruleFor(config, resolve(io.cwd, file)) : undefined;
    const reference = needsKey || flags.key ? referenceFor(io, flags, rule, config) : undefined;
    const cacheKey = `${config?.path} ${reference}`;
    const loading =
      reference === undefined
        ? undefined
        : (keys.get(cacheKey) ?? sealingKey(io, reference, flags, config));
    if (loading !== undefined) keys.set(cacheKey, loading);
    const key = await loading;
    return {
      key,
      scope: flags.scope ?? rule?.scope ?? 'strict',
      namespace: namespaceFor(flags.namespace, rule),
      stringData: flags.stringData ?? rule?.field === 'stringData',
      knownKids: key && knownKids(key, config),
    };
  };
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
  const active = [...(config?.keys ?? [])]
    .filter(([, { state = 'active' }]) => state === 'active')
    .map(([name]) => name);
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
): Promise<PublicKey> {
  const key = await loadPublicKey(reference, keyContext(io, flags, config));
  const { kid, bits } = key;
  if (config !== undefined) refuseInactive(config, reference, kid);
  const parsed = parseReference(reference);
  const title = parsed.kind === 'name' ? config?.keys.get(parsed.name)?.title : undefined;
  say(io, 'note', `sealing to key ${reference}${title ? ` (${title})` : ''}, RSA-${bits}`);
  say(io, 'note', `its fingerprint: ${describeKid(kid)}`);
  if (bits < WEAK_BITS)
    warn(io, { message: `${reference}: RSA-${bits} is weak; 3072 bits or more are advised` });
  const pin = pinOf(flags.pin);
  if (parsed.kind === 'name' && config !== undefined) {
    await trustKey(
      io,
      { name: parsed.name, kid, repository: repositoryOf(config.folder, io.env) },
      pin,
    );
  }
  checkPin(kid, pin, reference);
  return key;
}

function refuseInactive(config: Config, reference: string, kid: string): void {
  const { state, names } = stateOf(config, kid);
  if (state === 'active') return;
  const active = [...config.keys].find(([, entry]) => (entry.state ?? 'active') === 'active')?.[0];
  throw new KsealError(
    'KEY_INVALID',
    `${reference}: ${config.path} calls this key ${names.join(', ')} and ${state}, so nothing is sealed to it`,
    {
      hint: active === undefined ? 'ask the KMS manager for the current key' : `-k ${active}`,
    },
  );
}

function knownKids({ kid }: PublicKey, config: Config | undefined): ReadonlySet<string> {
  const configured = [...(config?.keys.values() ?? [])]
    .filter(({ state }) => state !== 'revoked')
    .flatMap((entry) => entry.kid ?? []);
  return new Set([kid, ...configured]);
}
