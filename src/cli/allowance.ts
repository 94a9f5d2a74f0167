import { resolve } from 'node:path';
import { type Config, type ConfiguredKey, ruleFor } from '../config/config.ts';
import { KsealError } from '../errors.ts';
import { readFile } from '../fs/read.ts';
import { parseKid } from '../jwe/thumbprint.ts';
import { strictest } from '../keys/key-status.ts';
import { parseReference } from '../keys/reference.ts';
import { checkPin, configuredKey } from '../keys/resolve.ts';
import { shellWord } from '../text.ts';
import type { Allowance, AllowedKey } from '../verify/rule.ts';
import type { Base } from './base.ts';

export interface KnownKeys {
  /** By kid; undefined when no key is known. */
  readonly keys: ReadonlyMap<string, AllowedKey> | undefined;
  /** From configured name to kid. */
  readonly kids: ReadonlyMap<string, string>;
}

/** The scope that the webhook opens unless it is told otherwise. */
const DEFAULT_MAX_SCOPE = 'namespace-wide';

/** What the words of a command line are looked up in. */
export interface Surroundings {
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
export async function knownKeys(
  given: readonly string[],
  surroundings: Surroundings,
): Promise<KnownKeys> {
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
export function allowanceFor(
  file: string,
  config: Config | undefined,
  { keys, kids }: KnownKeys,
  refusedKids: ReadonlySet<string>,
): Allowance {
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
export async function refusedKids(
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
