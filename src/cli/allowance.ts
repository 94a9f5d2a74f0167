import { resolve } from 'node:path';
import { type Config, ruleFor } from '../config.ts';
import { KsealError, shellWord } from '../errors.ts';
import { parseKid } from '../jwe/kid.ts';
import { publicKeyFromFile } from '../keys/file.ts';
import { checkPin, configuredKey } from '../keys/open.ts';
import { parseReference } from '../keys/reference.ts';
import type { Allowance, AllowedKey } from '../rules/rule.ts';

/** Gets the octets of a key file of the configuration, from the work tree or from a ref. */
export type ReadKey = (path: string, shown: string) => Promise<{ kid: string; bits: number }>;

export interface KnownKeys {
  /** By kid; undefined when no key is known. */
  readonly keys: ReadonlyMap<string, AllowedKey> | undefined;
  /** From configured name to kid. */
  readonly kids: ReadonlyMap<string, string>;
}

/** The scope that the webhook opens unless it is told otherwise. */
const DEFAULT_MAX_SCOPE = 'namespace-wide';

/**
 * The keys that values may be sealed to: those that `--key` names, else those of the
 * configuration. Asks no network. Throws KEY_MISMATCH for a file that is not the pinned key.
 */
export async function knownKeys(
  given: readonly string[],
  config: Config | undefined,
  cwd: string,
  readKey: ReadKey = publicKeyFromFile,
): Promise<KnownKeys> {
  const keys = new Map<string, AllowedKey>();
  const kids = new Map<string, string>();
  for (const [name, entry] of config?.keys ?? []) {
    const { file, kid: pin, state = 'active' } = entry;
    const read =
      file === undefined ? undefined : await readKey(resolve(config?.folder ?? cwd, file), file);
    if (read !== undefined) checkPin(read.kid, pin, `${file}, the file of key ${name},`);
    const kid = read?.kid ?? pin;
    if (kid === undefined) continue;
    kids.set(name, kid);
    if (given.length === 0)
      keys.set(kid, { name, state: stricter(keys.get(kid)?.state, state), bits: read?.bits });
  }
  for (const reference of given) {
    const { kid, bits } = await offlineKey(reference, config, cwd, readKey);
    const entry = [...(config?.keys ?? [])].find(([name]) => kids.get(name) === kid);
    keys.set(kid, { name: entry?.[0], state: entry?.[1].state ?? 'active', bits });
  }
  return { keys: keys.size === 0 ? undefined : keys, kids };
}

function stricter(a: AllowedKey['state'] | undefined, b: AllowedKey['state']): AllowedKey['state'] {
  return (
    (['revoked', 'deprecated'] as const).find((state) => a === state || b === state) ?? 'active'
  );
}

async function offlineKey(text: string, config: Config | undefined, cwd: string, readKey: ReadKey) {
  const reference = parseReference(text);
  if (reference.kind === 'file') return readKey(resolve(cwd, reference.path), reference.path);
  if (reference.kind === 'remote') {
    throw new KsealError(
      'KEY_REFERENCE_INVALID',
      'verify asks no network, and this key is behind it',
      {
        hint: `kseal fetch-pubkey ${shellWord(text)} -o key.pub, then: --key key.pub`,
      },
    );
  }
  const { config: found, entry } = configuredKey(reference.name, config);
  const { file } = entry;
  if (file !== undefined) return readKey(resolve(found.folder, file), file);
  throw new KsealError('CONFIG_INVALID', `${found.path}: key ${reference.name} has no file`, {
    hint: `add file: keys/${reference.name}.pub`,
  });
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
export function refusedKidsOf(given: readonly string[], { kids }: KnownKeys): ReadonlySet<string> {
  return new Set(
    given.map((text) => {
      const kid = kids.get(text) ?? parseKid(text);
      if (kid !== undefined) return kid;
      throw new KsealError(
        'USAGE',
        '--fail-if-kid takes a kid of 43 characters, 64 hex digits, or a configured name',
        { hint: 'kseal keys lists them' },
      );
    }),
  );
}
