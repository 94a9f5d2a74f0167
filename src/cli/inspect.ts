import { resolve } from 'node:path';
import type { Command } from 'commander';
import { expectedErrors, KsealError, throwAll } from '../errors.ts';
import type { LocalGit } from '../git/objects.ts';
import { type Inspection, inspectBare, inspectManifest } from '../inspect.ts';
import { looksFlattened } from '../jwe/flattened.ts';
import { looksSealed } from '../jwe/looks-sealed.ts';
import { checkedKey, type KeyFile } from '../keys/file.ts';
import { looksLikeKey, readKeyText } from '../keys/pem.ts';
import { decodeManifest } from '../manifest/decode.ts';
import { problemError } from '../manifest/problem.ts';
import { readManifest } from '../manifest/read.ts';
import { isFolder } from '../sources/folder.ts';
import { type NamedText, textsAtRef, textsInFiles } from '../sources/texts.ts';
import { textconv } from '../textconv.ts';
import { configFor, type KeyFlags } from './context.ts';
import { once, readInput, repeated, shownPath } from './input.ts';
import { byKey, keyNames, printedInspection } from './inspect-text.ts';
import type { IO } from './io.ts';
import { warn, writeStdout } from './print.ts';

export interface InspectFlags extends KeyFlags {
  readonly file: readonly string[];
  readonly ref: readonly string[];
  readonly namespace?: string;
  readonly byKey?: boolean;
  readonly textconv?: boolean;
  readonly json?: boolean;
}

/** What was found: values of manifests, and keys that were given as files. */
export interface Found {
  readonly values: readonly Inspection[];
  readonly keys: readonly (KeyFile & { readonly path: string })[];
}

export function configure(command: Command, io: IO): void {
  const none: readonly string[] = [];
  command
    .argument('[path...]', 'manifests, folders, key files, or a bare JWE; - or nothing is stdin')
    .option('-f, --file <file>', 'a further path', repeated, none)
    .option('-n, --namespace <name>', 'the namespace of manifests that name none', once)
    .option(
      '--ref <ref>',
      'look at a branch, tag or commit, without checking it out',
      repeated,
      none,
    )
    .option('--by-key', 'list what is sealed to each key')
    .option('--textconv', 'print one manifest for git diff, without its values')
    .option(
      '--config <file>',
      'the configuration, in place of the .kseal.yaml above (KSEAL_CONFIG)',
    )
    .option('--json', 'print JSON')
    .action((paths: string[], flags: InspectFlags) =>
      inspect(io, [...paths, ...flags.file], flags),
    );
}

async function inspect(io: IO, paths: readonly string[], flags: InspectFlags): Promise<void> {
  if (flags.textconv) return printTextconv(io, paths);
  const found = await findAll(io, paths, flags);
  const names = keyNames(configFor(io, flags, paths[0]));
  const print = flags.byKey ? byKey : printedInspection;
  await writeStdout(io, print(io, found, names, flags.json ?? false));
}

async function printTextconv(io: IO, [path, second]: readonly string[]): Promise<void> {
  if (path === undefined || second !== undefined) {
    throw new KsealError('USAGE', '--textconv takes one file', {
      hint: 'kseal inspect --textconv db.yaml',
    });
  }
  const octets = await readInput(io, path);
  try {
    await writeStdout(io, textconv(readManifest(decodeManifest(octets, path), path)));
  } catch (thrown) {
    // What is no text is shown to git as it is.
    expectedErrors(thrown);
    await writeStdout(io, octets);
  }
}

async function findAll(io: IO, paths: readonly string[], flags: InspectFlags): Promise<Found> {
  const results: Found[] = [];
  for await (const { text, walked } of textsFor(io, paths, flags)) {
    try {
      results.push(await inspectText(text, flags.namespace));
    } catch (thrown) {
      // One template in a folder must not hide the rest; a file that was named must be readable.
      if (!walked) throw thrown;
      for (const { message, hint } of expectedErrors(thrown))
        warn(io, { message: `not inspected: ${message}`, hint });
    }
  }
  return {
    values: results.flatMap(({ values }) => values),
    keys: results.flatMap(({ keys }) => keys),
  };
}

async function* textsFor(
  io: IO,
  paths: readonly string[],
  { ref }: InspectFlags,
): AsyncGenerator<{ text: NamedText; walked: boolean }> {
  const git: LocalGit = { folder: io.cwd, env: io.env };
  for (const name of ref) {
    for await (const text of textsAtRef(git, name, paths)) yield { text, walked: true };
  }
  if (ref.length > 0) return;
  if (paths.length === 0 && io.stdin.isTTY)
    throw new KsealError('USAGE', 'nothing to inspect', { hint: 'kseal inspect .' });
  for (const path of paths.length > 0 ? paths : ['-']) {
    if (path === '-')
      yield {
        text: { path: 'stdin', file: resolve(io.cwd, 'stdin'), content: await readInput(io, '-') },
        walked: false,
      };
    else
      for await (const text of textsInFiles(io.cwd, [path]))
        yield { text, walked: isFolder(resolve(io.cwd, path)) };
  }
}

async function inspectText(
  { path, content }: NamedText,
  namespace: string | undefined,
): Promise<Found> {
  if (content instanceof KsealError) throw content;
  const shown = shownPath(path);
  if (looksLikeKey(content)) {
    return {
      values: [],
      keys: [{ path: shown, ...(await checkedKey(readKeyText(content, shown), shown)) }],
    };
  }
  if (looksSealed(content) || looksFlattened(content)) {
    const end = content.at(-1) === 0x0a ? content.length - 1 : content.length;
    return { values: [inspectBare(content.subarray(0, end), shown)], keys: [] };
  }
  const manifest = readManifest(decodeManifest(content, shown), shown);
  throwAll(manifest.problems.map((problem) => problemError(shown, problem)));
  return { values: inspectManifest(manifest, namespace), keys: [] };
}
