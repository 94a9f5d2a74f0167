import { resolve } from 'node:path';
import { errorsOf, KsealError, shellWord, throwAll } from '../errors.ts';
import type { PublicKey } from '../jwe/encrypt.ts';
import type { Manifest } from '../manifest/manifest.ts';
import { type Sealed, sealManifest } from '../seal.ts';
import { isFolder, manifestsIn } from '../sources/folder.ts';
import { replaceFiles } from '../write-files.ts';
import { noSecret, readManifestFile, shownPath } from './input.ts';
import type { IO } from './io.ts';
import { sayScope, sealingKey } from './key.ts';
import { checkOutput, writeResult } from './output.ts';
import { say, warn } from './print.ts';
import { type SealFlags, sealOptions } from './seal-usage.ts';

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
  checkOutput(io, flags, arguments_, 'to write back to the same file: -i');
  const key = await sealingKey(io, flags.key);
  sayScope(io, flags.scope, `for ${arguments_.map(shownPath).join(', ')}`);
  const paths = arguments_.flatMap((path) => expand(io, path, flags));
  const results = await sealAll(io, paths, key, flags);
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

function expand(io: IO, path: string, { inPlace }: SealFlags): readonly string[] {
  if (path === '-' && inPlace) {
    throw new KsealError('USAGE', '-i cannot write back to stdin', {
      hint: 'leave -i away: the result goes to stdout',
    });
  }
  if (path === '-' || !isFolder(resolve(io.cwd, path))) return [path];
  if (inPlace) return manifestsIn(resolve(io.cwd, path), path);
  throw new KsealError('USAGE', `${path}: is a folder`, {
    hint: `to seal all in it, in place: kseal seal -f ${shellWord(path)} -i`,
  });
}

/** Seals every file, and only then throws what is wrong with any of them. */
async function sealAll(
  io: IO,
  paths: readonly string[],
  key: PublicKey,
  flags: SealFlags,
): Promise<SealedFile[]> {
  const results: SealedFile[] = [];
  const errors: KsealError[] = [];
  for (const path of paths) {
    try {
      const manifest = await readManifestFile(io, path);
      const sealed = await sealManifest(manifest, key, sealOptions(flags, key));
      results.push({ ...sealed, path, manifest });
    } catch (thrown) {
      for (const error of errorsOf(thrown)) {
        if (!(error instanceof KsealError)) throw error;
        errors.push(error);
      }
    }
  }
  throwAll(errors);
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
