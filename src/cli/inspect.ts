import { resolve } from 'node:path';
import type { Command } from 'commander';
import { KsealError, throwAll } from '../errors.ts';
import { type Inspection, inspectBare, inspectManifest } from '../inspect.ts';
import { looksFlattened } from '../jwe/flattened.ts';
import { describeKid } from '../jwe/kid.ts';
import { looksSealed } from '../jwe/looks-sealed.ts';
import { checkedKey, type KeyFile } from '../keys/file.ts';
import { looksLikeKey, readKeyText } from '../keys/pem.ts';
import { decodeManifest } from '../manifest/decode.ts';
import { problemError } from '../manifest/problem.ts';
import { readManifest } from '../manifest/read.ts';
import { isFolder, manifestsIn } from '../sources/folder.ts';
import { readInput, repeated, shownPath, withoutFinalNewline } from './input.ts';
import { inspectionTable } from './inspect-table.ts';
import type { IO } from './io.ts';
import { printable, say, writeStdout } from './print.ts';

interface InspectFlags {
  readonly file: readonly string[];
  readonly namespace?: string;
  readonly json?: boolean;
}

type Found =
  | { readonly values: readonly Inspection[] }
  | { readonly path: string; readonly key: KeyFile };

export function configure(command: Command, io: IO): void {
  command
    .argument('[path...]', 'manifests, folders, key files, or a bare JWE; - or nothing is stdin')
    .option('-f, --file <file>', 'a further path', repeated, [])
    .option('-n, --namespace <name>', 'the namespace of manifests that name none')
    .option('--json', 'print JSON')
    .action((paths: string[], flags: InspectFlags) =>
      inspect(io, [...paths, ...flags.file], flags),
    );
}

async function inspect(io: IO, given: readonly string[], flags: InspectFlags): Promise<void> {
  if (given.length === 0 && io.stdin.isTTY) {
    throw new KsealError('USAGE', 'nothing to inspect', { hint: 'kseal inspect .' });
  }
  const paths = (given.length > 0 ? given : ['-']).flatMap((path) =>
    isFolder(resolve(io.cwd, path)) ? manifestsIn(resolve(io.cwd, path), path) : [path],
  );
  const found: Found[] = [];
  for (const path of paths) found.push(await inspectPath(io, path, flags.namespace));
  await writeStdout(io, flags.json ? asJson(found) : asText(io, found));
}

async function inspectPath(io: IO, path: string, namespace: string | undefined): Promise<Found> {
  const octets = await readInput(io, path);
  const shown = shownPath(path);
  if (looksLikeKey(octets))
    return { path: shown, key: await checkedKey(readKeyText(octets, shown), shown) };
  if (looksSealed(octets) || looksFlattened(octets)) {
    return { values: [inspectBare(withoutFinalNewline(octets), shown)] };
  }
  const manifest = readManifest(decodeManifest(octets, shown), shown);
  throwAll(manifest.problems.map((problem) => problemError(shown, problem)));
  return { values: inspectManifest(manifest, namespace) };
}

function asJson(found: readonly Found[]): string {
  const values = found.flatMap((item) => ('values' in item ? item.values : []));
  const keys = found.flatMap((item) =>
    'values' in item ? [] : [{ path: item.path, ...keyFacts(item.key) }],
  );
  return `${JSON.stringify({ values, keys }, null, 2)}\n`;
}

function keyFacts({ kind, form, bits, kid }: KeyFile) {
  return { kind, form, bits, kid, fingerprint: describeKid(kid) };
}

function asText(io: IO, found: readonly Found[]): string {
  const values = found.flatMap((item) => ('values' in item ? item.values : []));
  const keys = found.flatMap((item) =>
    'values' in item
      ? []
      : `${printable(item.path)}: ${item.key.kind} key, ${item.key.form}, RSA-${item.key.bits}, ${describeKid(item.key.kid)}\n`,
  );
  if (values.length === 0 && keys.length === 0) say(io, 'note', 'no Secret found');
  return keys.join('') + (values.length > 0 ? inspectionTable(io, values) : '');
}
