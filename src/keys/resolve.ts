import { relative, resolve } from 'node:path';
import { type Config, type ConfiguredKey, parseReference } from '../config/config.ts';
import { KsealError } from '../errors.ts';
import { readFile } from '../fs/read.ts';
import type { OpeningKey } from '../jwe/decrypt.ts';
import { describeKid } from '../jwe/thumbprint.ts';
import { listOf, suggest } from '../text.ts';
import {
  type KeyFile,
  openingKeyFromFile,
  type Passphrases,
  publicKeyFromFile,
} from './key-file.ts';
import { keyStatuses, strictest } from './key-status.ts';
import type { FetchedKey, Provider, ProviderOptions } from './provider.ts';

export interface KeyContext extends ProviderOptions {
  /** The folder that relative paths start from. */
  readonly cwd: string;
  readonly config: Config | undefined;
  readonly passphrases: Passphrases;
}

/** Loads the public key for a reference. For a name this is its `file`, checked against the pin. */
export async function loadPublicKey(text: string, context: KeyContext): Promise<KeyFile> {
  const reference = parseReference(text);
  if (reference.kind === 'file')
    return publicKeyFromFile(resolve(context.cwd, reference.path), reference.path, readFile);
  if (reference.kind === 'remote') return (await providerOf(text)).fetchPublicKey(text, context);
  const { name } = reference;
  const { config, entry } = configuredKey(name, context.config);
  if (entry.file === undefined) {
    throw new KsealError('CONFIG_INVALID', `key ${name} has no file to seal with`, {
      thing: config.path,
      hint: `add file: ${name}.pub to it, then: kseal fetch-pubkey ${name}`,
    });
  }
  const path = resolve(config.folder, entry.file);
  const shown = relative(context.cwd, path);
  const key = await publicKeyFromFile(path, shown);
  checkPin(key.kid, entry.kid, shown);
  return key;
}

/** Gets the public key from a remote source or a file; relative paths start from `folder`. */
export async function fetchKey(
  source: string,
  folder: string,
  options: ProviderOptions,
): Promise<FetchedKey> {
  if (parseReference(source).kind === 'remote')
    return (await providerOf(source)).fetchPublicKey(source, options);
  const file = await publicKeyFromFile(resolve(folder, source), source);
  return { ...file, origin: source, facts: new Map() };
}

/** Throws KEY_REFERENCE_INVALID for a malformed source. Uses no network, and reads no file. */
export async function checkSource(text: string): Promise<void> {
  if (parseReference(text).kind === 'remote') (await providerOf(text)).checkReference(text);
}

/** Loads the keys that open for a reference, each in the state that the configuration gives its kid. */
export async function loadOpeningKeys(
  text: string,
  context: KeyContext,
): Promise<readonly OpeningKey[]> {
  const keys = await openingKeys(text, context);
  const { config } = context;
  if (config === undefined) return keys;
  const statuses = await keyStatuses(config);
  const named = config.keys.get(text);
  // Without a pin, the state of a name applies to all keys that it leads to.
  const own = (named?.kid === undefined && named?.state) || 'active';
  return keys.map((key) => ({ ...key, state: strictest([statuses.of(key.kid).state, own]) }));
}

async function openingKeys(text: string, context: KeyContext): Promise<readonly OpeningKey[]> {
  const { cwd, passphrases } = context;
  const reference = parseReference(text);
  if (reference.kind === 'file') {
    const { path } = reference;
    return [await openingKeyFromFile(resolve(cwd, path), path, passphrases, readFile)];
  }
  if (reference.kind === 'remote')
    return (await openingProvider(text)).fetchOpeningKeys(text, context);
  const { config, entry } = configuredKey(reference.name, context.config);
  if (entry.private !== undefined) {
    const path = resolve(config.folder, entry.private);
    const shown = relative(cwd, path);
    const key = await openingKeyFromFile(path, shown, passphrases);
    checkPin(key.kid, entry.kid, shown);
    return [key];
  }
  // No pin is checked: the source may be all versions of a key, among which the kid chooses.
  if (entry.source !== undefined && parseReference(entry.source).kind === 'remote')
    return (await openingProvider(entry.source)).fetchOpeningKeys(entry.source, context);
  throw new KsealError('CONFIG_INVALID', `key ${reference.name} has no key to open with`, {
    thing: config.path,
    hint: 'add source: gcpkms://… or private: FILE to it, or name a private key file: -k FILE',
  });
}

/** The provider for a remote reference, which must have keys that open. Uses no network. */
export async function openingProvider(text: string): Promise<Required<Provider>> {
  const { checkReference, fetchPublicKey, fetchOpeningKeys } = await providerOf(text);
  if (fetchOpeningKeys !== undefined) return { checkReference, fetchPublicKey, fetchOpeningKeys };
  throw new KsealError('KEY_REFERENCE_INVALID', 'has only public keys, which cannot open values', {
    thing: text.replace(/:.*/s, '://'),
    hint: "use the private key file or the KMS key: -k 'gcpkms://…'",
  });
}

/** By scheme. A provider is loaded when it is used. */
const providers = new Map<string, () => Promise<Provider>>([
  ['gcpkms', () => import('./gcpkms/provider.ts')],
  ['git+https', () => import('./git.ts')],
  ['git+ssh', () => import('./git.ts')],
  ['git+file', () => import('./git.ts')],
]);

async function providerOf(text: string): Promise<Provider> {
  const reference = parseReference(text);
  const scheme = reference.kind === 'remote' ? reference.scheme : '';
  const load = providers.get(scheme);
  if (load !== undefined) return load();
  const known = [...providers.keys()].map((name) => `${name}://`);
  throw new KsealError('KEY_REFERENCE_INVALID', `unsupported key source ${scheme}://`, {
    hint: `use one of ${known.join(', ')}, or a path`,
  });
}

/** The configured key `name`. Throws KEY_REFERENCE_INVALID, and suggests a similar name. */
export function configuredKey(
  name: string,
  config: Config | undefined,
): { config: Config; entry: ConfiguredKey } {
  const entry = config?.keys.get(name);
  if (config !== undefined && entry !== undefined) return { config, entry };
  const names = [...(config?.keys.keys() ?? [])];
  const meant = suggest(name, names);
  const others = names.length > 0 ? `only ${listOf(names)}` : 'no keys are configured';
  const found = config === undefined ? 'and no .kseal.yaml found' : others;
  const more = config === undefined ? '; to configure keys: kseal init' : '';
  throw new KsealError('KEY_REFERENCE_INVALID', `no key named ${name}, ${found}`, {
    thing: config?.path,
    hint: meant ? `did you mean ${meant}?` : `for a file of that name: ./${name}${more}`,
    meant: meant === undefined ? undefined : [name, meant],
  });
}

/** Throws KEY_MISMATCH, with both fingerprints, unless `pin` is undefined or names `kid`. */
export function checkPin(kid: string, pin: string | undefined, thing: string): void {
  if (pin === undefined || pin === kid) return;
  throw new KsealError('KEY_MISMATCH', 'fingerprint mismatch', {
    thing,
    hint: 'do not use it: ask the KMS manager, or run kseal fetch-pubkey --check',
    fingerprints: [
      ['pinned', describeKid(pin)],
      ['got', describeKid(kid)],
    ],
  });
}

/** The kid of a key, according to one place. */
export interface Witness {
  readonly place: string;
  readonly kid: string;
}

/** Throws KEY_MISMATCH, with all fingerprints, if the places have different keys. */
export function checkAgreement(name: string, witnesses: readonly Witness[]): void {
  if (new Set(witnesses.map(({ kid }) => kid)).size < 2) return;
  throw new KsealError('KEY_MISMATCH', 'fingerprint mismatch', {
    thing: `key ${name}`,
    hint: 'do not seal to it; ask the KMS manager which of them is right',
    fingerprints: witnesses.map(({ place, kid }) => [place, describeKid(kid)]),
  });
}
