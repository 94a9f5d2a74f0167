import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { KsealError } from '../errors.ts';
import { bindingTo } from '../jwe/binding.ts';
import { compactText } from '../jwe/detect.ts';
import { isSecretName } from '../kubernetes/names.ts';
import { newManifest } from '../manifest/edit.ts';
import { placeIn } from '../manifest/place.ts';
import { readManifest, selectSecret } from '../manifest/read.ts';
import { type Manifest, type SecretDocument, secretLabel } from '../manifest/types.ts';
import { type Sealed, sealInto } from '../seal/seal.ts';
import { shellWord } from '../text.ts';
import { pairs, readInput, readManifestFile } from './input.ts';
import type { IO } from './io.ts';
import { sayScope } from './key.ts';
import { checkOutput, writeResult } from './output.ts';
import { warn } from './print.ts';
import { type SealFlags, sealOptions } from './seal-usage.ts';
import { type Setting, settingsFrom } from './setting.ts';
import { readValues, type Source, sourcePaths } from './values.ts';

/** `kseal seal NAME`: makes a manifest, or with `--raw` one bare JWE. */
export async function sealNew(
  io: IO,
  name: string,
  flags: SealFlags,
  sources: readonly Source[],
): Promise<void> {
  if (!isSecretName(name)) throw noName(name);
  checkOutput(io, flags, { manifests: [], hint: '', others: [flags.key, ...sourcePaths(sources)] });
  const setting = await settingsFrom(io, flags)([flags.output], needsKey(sources));
  const text = newManifest({
    name,
    namespace: setting.namespace,
    type: flags.type,
    labels: pairs('--label', flags.label),
    annotations: pairs('--annotation', flags.annotation),
    json: flags.output?.endsWith('.json') ?? false,
  });
  const manifest = readManifest(text, '');
  const secret = selectSecret(manifest, { name, namespace: undefined });
  const sealed = await sealValues(io, manifest, secret, flags, sources, setting);
  const result = flags.raw ? bareJwe(sealed.text) : sealed.text;
  await writeResult(io, result, { ...flags, confidential: false });
}

/** `kseal seal --into FILE`: changes values of one Secret of a manifest, in place unless `-o` is given. */
export async function sealIntoFile(
  io: IO,
  name: string | undefined,
  flags: SealFlags,
  sources: readonly Source[],
): Promise<void> {
  const path = flags.into ?? '-';
  refuseMissing(io, path);
  checkOutput(io, flags, {
    manifests: [path],
    hint: 'leave -o away: --into writes in place',
    others: [flags.key, ...sourcePaths(sources)],
  });
  const manifest = await readManifestFile(io, path);
  const secret = selectSecret(manifest, { name, namespace: flags.namespace });
  const setting = await settingsFrom(io, flags)([flags.output, path], needsKey(sources));
  const { text } = await sealValues(io, manifest, secret, flags, sources, setting);
  const target = flags.output === undefined ? { output: path, force: true } : flags;
  await writeResult(io, text, { ...target, confidential: false });
}

/** `kseal seal --from-jwe FILE` alone: prints a JWE of another tool in its compact form. */
export async function rewriteJwe(
  io: IO,
  flags: SealFlags,
  [source]: readonly Source[],
): Promise<void> {
  const path = source?.text ?? '-';
  checkOutput(io, flags, { manifests: [path], hint: 'give another name', others: [] });
  const compact = compactText(await readInput(io, path));
  await writeResult(io, `${compact}\n`, { ...flags, confidential: false });
}

/** Says the place and the scope, then reads the values and seals them. */
async function sealValues(
  io: IO,
  manifest: Manifest,
  secret: SecretDocument,
  flags: SealFlags,
  sources: readonly Source[],
  setting: Setting,
): Promise<Sealed> {
  const place = placeIn(manifest.path, secret, setting.namespace);
  // What would make every value fail is said before the first one is asked for.
  bindingTo(setting.scope, { ...place, key: 'any' });
  const label = secretLabel({ ...secret, ...place });
  if (sources.length > 0)
    sayScope(io, setting.scope, `for Secret ${label}${manifest.path && ` in ${manifest.path}`}`);
  const values = await readValues(io, sources, flags);
  if (flags.raw && values.length !== 1) {
    throw new KsealError('USAGE', `--raw prints one value, and ${values.length} are given`, {
      hint: 'seal them one by one',
    });
  }
  const sealed = await sealInto(
    manifest,
    secret,
    { values, remove: flags.remove },
    setting.key,
    sealOptions(flags, setting),
  );
  for (const warning of sealed.warnings) warn(io, warning);
  return sealed;
}

/** The only value of a manifest whose values stand under stringData. */
function bareJwe(text: string): string {
  const octets = readManifest(text, '').secrets[0]?.entries[0]?.octets ?? new Uint8Array();
  return `${Buffer.from(octets).toString('latin1')}\n`;
}

function needsKey(sources: readonly Source[]): boolean {
  return sources.some(({ kind }) => kind !== 'jwe');
}

function refuseMissing(io: IO, path: string): void {
  if (path === '-' || existsSync(resolve(io.cwd, path))) return;
  throw new KsealError('IO', `${path}: no such file to seal into`, {
    hint: `to make it: kseal seal NAME -n NAMESPACE -k REF --prompt KEY -o ${shellWord(path)}`,
  });
}

function noName(name: string): KsealError {
  return new KsealError('USAGE', `${JSON.stringify(name)} cannot be the name of a Secret`, {
    hint: 'use at most 253 lower-case letters, digits, "-" and "."',
  });
}
