import { join, resolve } from 'node:path';
import type { Command } from 'commander';
import { CONFIG_NAME } from '../config/config.ts';
import { expectedErrors, KsealError, throwAll } from '../errors.ts';
import {
  type Inspection,
  inspectBare,
  inspectManifest,
  inspectStrays,
} from '../inspect/inspect.ts';
import { notShown, textconv } from '../inspect/textconv.ts';
import { isSealedInSomeForm } from '../jwe/detect.ts';
import { checkedKey, looksLikeKey, readKeyText } from '../keys/key-file.ts';
import { decodeManifest, readManifest } from '../manifest/read.ts';
import { problemError } from '../manifest/types.ts';
import { isFolder, type NamedText, textsAtRefs, textsInFiles } from '../sources/texts.ts';
import { configFor, type KeyFlags } from './context.ts';
import { readInput, repeated, withoutFinalNewline } from './input.ts';
import { byKey, type Found, keyNames, printedInspection } from './inspect-text.ts';
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

export function configure(command: Command, io: IO): void {
  const none: readonly string[] = [];
  command
    .argument('[path...]', 'manifests, folders, key files, or a bare JWE; - or nothing is stdin')
    .option('-f, --file <file>', 'a further path', repeated, none)
    .option('-n, --namespace <name>', 'the namespace of manifests that name none')
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
  const [first] = paths;
  const isWithin = first !== undefined && isFolder(resolve(io.cwd, first));
  const config = configFor(io, flags, isWithin ? join(first, CONFIG_NAME) : first);
  const names = await keyNames(config);
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
  await writeStdout(io, readable(octets));
}

/** The path is left out: git gives a temporary file, whose name would change with every call. */
function readable(octets: Uint8Array): string {
  try {
    return textconv(readManifest(decodeManifest(octets, 'it'), ''));
  } catch (thrown) {
    return notShown(
      expectedErrors(thrown)
        .map(({ message }) => message)
        .join('; '),
    );
  }
}

async function findAll(io: IO, paths: readonly string[], flags: InspectFlags): Promise<Found> {
  const values: Inspection[] = [];
  const keys: Found['keys'][number][] = [];
  for await (const text of textsFor(io, paths, flags)) {
    try {
      const found = await inspectText(text, flags);
      for (const value of found.values) values.push(value);
      keys.push(...found.keys);
      throwAll(found.problems ?? []);
    } catch (thrown) {
      // One template in a folder must not hide the rest; a file that was named must be readable.
      if (!text.walked) throw thrown;
      const [{ message, hint } = {}] = expectedErrors(thrown);
      warn(io, { message: `not inspected: ${message}`, hint });
    }
  }
  return { values, keys };
}

function textsFor(
  io: IO,
  paths: readonly string[],
  { ref }: InspectFlags,
): AsyncGenerator<NamedText> {
  if (ref.length > 0) return textsAtRefs({ folder: io.cwd, env: io.env }, ref, paths);
  if (paths.length === 0 && io.stdin.isTTY)
    throw new KsealError('USAGE', 'nothing to inspect', { hint: 'kseal inspect .' });
  return textsInFiles(io.cwd, paths.length > 0 ? paths : ['-'], () => readInput(io, '-'));
}

async function inspectText(
  { path: shown, content }: NamedText,
  { namespace, byKey: anywhere }: InspectFlags,
): Promise<Found & { readonly problems?: readonly KsealError[] }> {
  if (content instanceof KsealError) throw content;
  if (looksLikeKey(content)) {
    return {
      values: [],
      keys: [{ path: shown, ...(await checkedKey(readKeyText(content, shown), shown)) }],
    };
  }
  if (isSealedInSomeForm(content)) {
    const value = withoutFinalNewline(Buffer.from(content));
    return { values: [inspectBare(value, shown)], keys: [] };
  }
  const manifest = readManifest(decodeManifest(content, shown), shown);
  const problems = manifest.problems.map((problem) => problemError(shown, problem));
  if (!anywhere) throwAll(problems);
  const values = inspectManifest(manifest, namespace);
  return {
    values: anywhere ? [...values, ...inspectStrays(manifest)] : values,
    keys: [],
    problems,
  };
}
