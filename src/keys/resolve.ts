import { resolve } from 'node:path';
import type { Config, ConfiguredKey } from '../config/config.ts';
import { KsealError } from '../errors.ts';
import { readFile } from '../fs/read.ts';
import type { OpeningKey } from '../jwe/decrypt.ts';
import type { PublicKey } from '../jwe/encrypt.ts';
import { describeKid } from '../jwe/thumbprint.ts';
import { suggest } from '../text.ts';
import { openingKeyFromFile, publicKeyFromFile } from './key-file.ts';
import { keyStatuses, strictest } from './key-status.ts';
import type { FetchedKey, Provider, ProviderOptions } from './provider.ts';
import { parseReference } from './reference.ts';

/** What a reference is resolved against. */
export interface KeyContext extends ProviderOptions {
  /** The folder that relative paths start from. */
  readonly cwd: string;
  readonly config: Config | undefined;
}

/** The public key behind a reference. A name stands for its `file`, whose pin is checked. */
export async function loadPublicKey(text: string, context: KeyContext): Promise<PublicKey> {
  const reference = parseReference(text);
  if (reference.kind === 'file')
    return publicKeyFromFile(resolve(context.cwd, reference.path), reference.path, readFile);
  if (reference.kind === 'remote') return fetchRemoteKey(text, context);
  const { config, entry } = configuredKey(reference.name, context.config);
  if (entry.file === undefined) {
    throw new KsealError(
      'CONFIG_INVALID',
      `${config.path}: key ${reference.name} has no file to seal with`,
      {
        hint: `add file: keys/${reference.name}.pub, then: kseal fetch-pubkey ${reference.name}`,
      },
    );
  }
  const key = await publicKeyFromFile(resolve(config.folder, entry.file), entry.file);
  checkPin(key.kid, entry.kid, `${entry.file}, the file of key ${reference.name},`);
  return key;
}

/** Fetches a public key from where it lives: a remote reference. */
async function fetchRemoteKey(text: string, options: ProviderOptions): Promise<FetchedKey> {
  return (await providerOf(text)).fetchPublicKey(text, options);
}

/** The public key at a remote source or in a file; `folder` is where relative paths start. */
export async function fetchKey(
  source: string,
  folder: string,
  options: ProviderOptions,
): Promise<FetchedKey> {
  if (parseReference(source).kind === 'remote') return fetchRemoteKey(source, options);
  const file = await publicKeyFromFile(resolve(folder, source), source);
  return { ...file, origin: source, facts: new Map() };
}

/** The keys behind a reference that open, in the states that the configuration gives their kids. */
export async function loadOpeningKeys(
  text: string,
  context: KeyContext,
): Promise<readonly OpeningKey[]> {
  const keys = await openingKeysAt(text, context);
  const { config } = context;
  if (config === undefined) return keys;
  const statuses = await keyStatuses(config);
  const named = config.keys.get(text);
  // A name without a pin stands for whatever keys it leads to.
  const own = named?.kid === undefined ? named?.state : undefined;
  return keys.map((key) => ({
    ...key,
    state: strictest([statuses.of(key.kid).state, own ?? 'active']),
  }));
}

async function openingKeysAt(text: string, context: KeyContext): Promise<readonly OpeningKey[]> {
  const reference = parseReference(text);
  if (reference.kind === 'file')
    return [
      await openingKeyFromFile(resolve(context.cwd, reference.path), reference.path, readFile),
    ];
  if (reference.kind === 'remote') return fetchOpeningKeys(text, context);
  const { config, entry } = configuredKey(reference.name, context.config);
  return openingKeysOf(reference.name, entry, config, context);
}

async function openingKeysOf(
  name: string,
  entry: ConfiguredKey,
  config: Config,
  context: KeyContext,
) {
  if (entry.private !== undefined) {
    const key = await openingKeyFromFile(resolve(config.folder, entry.private), entry.private);
    checkPin(key.kid, entry.kid, `${entry.private}, the private file of key ${name},`);
    return [key];
  }
  // The pin is that of one key, and the source may be all versions of it: there the kid chooses.
  if (entry.source !== undefined && parseReference(entry.source).kind === 'remote')
    return fetchOpeningKeys(entry.source, context);
  throw new KsealError('CONFIG_INVALID', `${config.path}: key ${name} has nothing to open with`, {
    hint: 'give it a source: gcpkms://… or a private: FILE, or name a key file: -k key.pem',
  });
}

async function fetchOpeningKeys(
  text: string,
  options: ProviderOptions,
): Promise<readonly OpeningKey[]> {
  return (await openingProvider(text)).fetchOpeningKeys(text, options);
}

/** The provider of a remote reference, which must be one whose keys open. Asks nobody. */
export async function openingProvider(text: string): Promise<Required<Provider>> {
  const { fetchPublicKey, fetchOpeningKeys } = await providerOf(text);
  if (fetchOpeningKeys !== undefined) return { fetchPublicKey, fetchOpeningKeys };
  throw new KsealError(
    'KEY_REFERENCE_INVALID',
    `${text.replace(/:.*/s, '')} keeps public keys only, and these do not open`,
    {
      hint: "give the private key file, or the KMS key: -k 'gcpkms://…'",
    },
  );
}

async function providerOf(text: string): Promise<Provider> {
  const reference = parseReference(text);
  const scheme = reference.kind === 'remote' ? reference.scheme : '';
  const load = providers.get(scheme);
  if (load !== undefined) return load();
  const known = [...providers.keys()];
  throw new KsealError('KEY_REFERENCE_INVALID', `no keys are read from ${scheme}://`, {
    hint: `use one of ${known.map((name) => `${name}://`).join(', ')}, or a path`,
  });
}

/** The configured key `name`. Throws KEY_REFERENCE_INVALID with the nearest name there is. */
export function configuredKey(
  name: string,
  config: Config | undefined,
): { config: Config; entry: ConfiguredKey } {
  const entry = config?.keys.get(name);
  if (config !== undefined && entry !== undefined) return { config, entry };
  const names = [...(config?.keys.keys() ?? [])];
  const meant = suggest(name, names);
  const among =
    config === undefined
      ? 'there is no .kseal.yaml'
      : `${config.path} has ${names.join(', ') || 'no keys'}`;
  throw new KsealError('KEY_REFERENCE_INVALID', `no key named ${name} is configured: ${among}`, {
    hint: meant ? `did you mean ${meant}?` : `for a file of that name: ./${name}`,
  });
}

/** Throws KEY_MISMATCH, with both fingerprints, unless `kid` is the one that `pin` names. */
export function checkPin(kid: string, pin: string | undefined, what: string): void {
  if (pin === undefined || pin === kid) return;
  throw new KsealError(
    'KEY_MISMATCH',
    `${what} is not the key that is pinned; it is ${describeKid(kid)}, pinned is ${describeKid(pin)}`,
    { hint: 'do not use it; ask the KMS manager, and see: kseal fetch-pubkey --check' },
  );
}

/** Where keys live, by the scheme of their reference. A provider is loaded when it is used. */
const providers = new Map<string, () => Promise<Provider>>([
  ['gcpkms', () => import('./gcpkms/provider.ts')],
  ['git+https', () => import('./git.ts')],
  ['git+ssh', () => import('./git.ts')],
  ['git+file', () => import('./git.ts')],
]);
