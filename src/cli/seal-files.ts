import { resolve } from 'node:path';
import { expectedErrors, KsealError, throwAll } from '../errors.ts';
import { replaceFiles } from '../fs/write.ts';
import type { Scope } from '../jwe/binding.ts';
import type { Manifest } from '../manifest/types.ts';
import { type Sealed, sealManifest } from '../seal/seal.ts';
import { isFolder, manifestsIn } from '../sources/texts.ts';
import { shellWord } from '../text.ts';
import { noSecret, readManifestFile, shownPath } from './input.ts';
import type { IO } from './io.ts';
import { sayScope } from './key.ts';
import { checkOutput, writeResult } from './output.ts';
import { say, warn } from './print.ts';
import { type SealFlags, sealOptions } from './seal-usage.ts';
import { settingsFrom } from './setting.ts';

interface SealedFile extends Sealed {
  readonly path: string;
  readonly manifest: Manifest;
}

/** `kseal seal -f`: seals the plaintext values of manifests. Nothing is written before all are sealed. */
export async function sealFiles(
  io: IO,
  arguments_: readonly string[],
  flags: SealFlags,
): Promise<void> {
  checkOutput(io, flags, {
    manifests: arguments_,
    hint: 'to write back to the same file: -i',
    others: [flags.key],
  });
  const inputs = arguments_.flatMap((path) => expand(io, path, flags));
  const results = await sealAll(io, inputs, flags);
  if (results.every(({ manifest }) => manifest.secrets.length === 0)) {
    throw noSecret(...arguments_);
  }
  for (const { warnings } of results) for (const warning of warnings) warn(io, warning);
  if (flags.inPlace) writeBack(io, results);
  else
    await writeResult(io, join(results.map(({ text }) => text)), { ...flags, confidential: false });
  for (const { path, manifest, sealed, kept } of results) {
    if (manifest.secrets.length === 0) continue;
    const already = kept === 0 ? '' : `, ${kept} sealed already`;
    say(
      io,
      'note',
      `${shownPath(path)}: ${sealed} ${sealed === 1 ? 'value' : 'values'} sealed${already}`,
    );
  }
}

interface Input {
  readonly path: string;
  /** It was found in a folder, not named. */
  readonly walked: boolean;
}

function expand(io: IO, path: string, { inPlace }: SealFlags): readonly Input[] {
  if (path === '-' && inPlace) {
    throw new KsealError('USAGE', '-i cannot write back to stdin', {
      hint: 'leave -i away: the result goes to stdout',
    });
  }
  if (path === '-' || !isFolder(resolve(io.cwd, path))) return [{ path, walked: false }];
  if (inPlace)
    return manifestsIn(resolve(io.cwd, path), path).map((found) => ({ path: found, walked: true }));
  throw new KsealError('USAGE', `${path}: is a folder`, {
    hint: `to seal all in it, in place: kseal seal -f ${shellWord(path)} -i`,
  });
}

/** Seals every file, and only then throws what is wrong with any of them. */
async function sealAll(io: IO, inputs: readonly Input[], flags: SealFlags): Promise<SealedFile[]> {
  const settingFor = settingsFrom(io, flags);
  const said = new Set<Scope>();
  const results: SealedFile[] = [];
  // What is wrong with the key or the configuration is one error, which every file that needs it throws.
  const errors = new Set<KsealError>();
  for (const { path, walked } of inputs) {
    try {
      const found = walked ? await readManifestFile(io, path) : undefined;
      // A folder holds other files too, and those need no key.
      if (found?.secrets.length === 0 && found.problems.length === 0) continue;
      const setting = await settingFor([flags.output, path]);
      if (!said.has(setting.scope)) sayScope(io, setting.scope);
      said.add(setting.scope);
      const manifest = found ?? (await readManifestFile(io, path));
      const sealed = await sealManifest(manifest, setting.key, sealOptions(flags, setting));
      results.push({ ...sealed, path, manifest });
    } catch (thrown) {
      for (const error of expectedErrors(thrown)) {
        if (error.code === 'INTERRUPTED') throw error;
        errors.add(error);
      }
    }
  }
  throwAll([...errors]);
  return results;
}

/** All files or none; one that is unchanged is not touched. */
function writeBack(io: IO, results: readonly SealedFile[]): void {
  const changed = results.filter(({ manifest, text }) => text !== manifest.source);
  replaceFiles(
    changed.map(({ path, text }) => ({
      path: resolve(io.cwd, path),
      shown: path,
      octets: Buffer.from(text),
    })),
  );
}

/** One YAML stream of several: JSON is YAML, so this works for it too. */
function join(texts: readonly string[]): string {
  const [first = '', ...rest] = texts;
  return rest.reduce((stream, text) => {
    const end = stream.endsWith('\n') ? '' : '\n';
    const document = text.replace(/^\uFEFF/, '');
    return `${stream}${end}${/^---\s/.test(document) ? '' : '---\n'}${document}`;
  }, first);
}
