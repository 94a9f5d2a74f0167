import type { Config } from '../config/config.ts';
import { KsealError } from '../errors.ts';
import { parseKmsReference } from '../keys/gcpkms/name.ts';
import { standingsIn } from '../keys/key-status.ts';
import { parseReference } from '../keys/reference.ts';
import { configuredKey, openingProvider } from '../keys/resolve.ts';
import { isDataKey } from '../kubernetes/names.ts';
import type { WebhookKey } from '../webhook/install/options.ts';

/**
 * What the references of `-k` become in the cluster. A configured name stands for its source,
 * else for its private file. No key is read. Throws KEY_REFERENCE_INVALID or CONFIG_INVALID.
 */
export async function webhookKeys(
  references: readonly string[],
  config: Config | undefined,
): Promise<readonly WebhookKey[]> {
  const keys: WebhookKey[] = [];
  for (const reference of new Set(references)) keys.push(await webhookKey(reference, config));
  const names = keys.flatMap((key) => (key.kind === 'file' ? key.name : []));
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  if (twice === undefined) return keys;
  throw new KsealError('KEY_REFERENCE_INVALID', `two key files have the name ${twice}`, {
    hint: 'in the Secret each needs a name of its own: rename one of them',
  });
}

async function webhookKey(text: string, config: Config | undefined): Promise<WebhookKey> {
  const reference = parseReference(text);
  if (reference.kind === 'file') return keyFile(reference.path);
  if (reference.kind === 'remote') return remoteKey(text, reference.scheme);
  const { entry } = configuredKey(reference.name, config);
  const source = entry.source === undefined ? undefined : parseReference(entry.source);
  if (entry.source !== undefined && source?.kind === 'remote')
    return remoteKey(entry.source, source.scheme);
  if (entry.private !== undefined) return keyFile(entry.private);
  throw new KsealError(
    'CONFIG_INVALID',
    `${config?.path}: key ${reference.name} has nothing to open with`,
    { hint: 'give it a source: gcpkms://… or a private: FILE' },
  );
}

async function remoteKey(text: string, scheme: string): Promise<WebhookKey> {
  await openingProvider(text);
  const reference = scheme === 'gcpkms' ? `gcpkms://${parseKmsReference(text).name}` : text;
  return { kind: 'remote', reference };
}

function keyFile(path: string): WebhookKey {
  const name = path.split(/[\\/]/).at(-1) ?? '';
  if (isDataKey(name)) return { kind: 'file', name, path };
  throw new KsealError('KEY_REFERENCE_INVALID', `${path}: no Secret can hold a file of this name`, {
    hint: 'rename it: letters, digits, - _ and . are allowed',
  });
}

/** The kids that the configuration calls deprecated or revoked. */
export interface KidStates {
  readonly deprecated: readonly string[];
  readonly revoked: readonly string[];
}

/** Finds them out, from pins and files. Throws CONFIG_INVALID for a key of such a state without a kid. */
export async function kidStatesIn(config: Config): Promise<KidStates> {
  const { kids, of } = await standingsIn(config);
  const named = new Set(kids.flatMap((kid) => of(kid).names));
  for (const [name, { state = 'active' }] of config.keys) {
    if (state === 'active' || named.has(name)) continue;
    throw new KsealError(
      'CONFIG_INVALID',
      `${config.path}: key ${name} is ${state}, but which key that is cannot be told here`,
      { hint: `add kid: to it; kseal fetch-pubkey ${name} prints it` },
    );
  }
  const inState = (state: string) => [...new Set(kids)].filter((kid) => of(kid).state === state);
  return { deprecated: inState('deprecated'), revoked: inState('revoked') };
}
