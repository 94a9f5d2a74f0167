import { join, resolve } from 'node:path';
import { type Command, Option } from 'commander';
import { CONFIG_NAME, type Config } from '../config/config.ts';
import { REQUEST_MARKER } from '../config/schema.ts';
import { errorFor } from '../diagnostic.ts';
import { expectedErrors, KsealError, throwAll } from '../errors.ts';
import {
  type Inspection,
  inspectBare,
  inspectManifest,
  inspectStrays,
  type ValueState,
} from '../inspect/inspect.ts';
import { notShown, textconv } from '../inspect/textconv.ts';
import { describeBinding } from '../jwe/binding.ts';
import { isSealedInSomeForm } from '../jwe/detect.ts';
import { describeKid, fingerprintOf, parseKid, shortFingerprints } from '../jwe/thumbprint.ts';
import {
  dayOf,
  type KeyFile,
  looksLikeKey,
  parseKey,
  type Validity,
  validityProblem,
} from '../keys/key-file.ts';
import { keyStatuses } from '../keys/key-status.ts';
import { decodeManifest, readManifest } from '../manifest/read.ts';
import { isFolder, type NamedText, textsAtRefs, textsInFiles } from '../sources/texts.ts';
import { counted, decodeUtf8, jsonText, printable, shellWord } from '../text.ts';
import { readInput, repeated, withoutFinalNewline } from './files.ts';
import type { Colour, IO } from './io.ts';
import { configFor, configOption, type KeyFlags } from './options.ts';
import {
  fingerprintLines,
  type Message,
  paint,
  say,
  sayAll,
  warning,
  withProgress,
  writeStdout,
} from './print.ts';
import {
  addTableOption,
  type Column,
  type TableFlags,
  type TableForm,
  tableForm,
  tableOf,
} from './table.ts';

interface InspectFlags extends KeyFlags, TableFlags {
  readonly file: readonly string[];
  readonly ref: readonly string[];
  readonly namespace?: string;
  readonly byKey?: boolean;
  readonly textconv?: boolean;
  readonly json?: boolean;
}

export function configure(command: Command, io: IO): void {
  const none: readonly string[] = [];
  addTableOption(command)
    .argument('[path...]', 'manifests, folders, key files or a bare JWE; - is stdin (default)')
    .option('-f, --file <file>', 'a further path to inspect', repeated, none)
    .option('-n, --namespace <name>', 'the namespace of Secrets that name none')
    .option('--ref <ref>', 'inspect a branch, tag or commit, without a checkout', repeated, none)
    .option('--by-key', 'list the values sealed to each key')
    .option('--textconv', 'print one manifest for git diff, without its values')
    .option(...configOption)
    .addOption(new Option('--json', 'print JSON').conflicts('output'))
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
  const { json = false } = flags;
  const form = tableForm(io, flags);
  const show = flags.byKey ? byKey : byFile;
  await writeStdout(io, show(io, found, names, json ? 'json' : form));
}

async function printTextconv(io: IO, [path, second]: readonly string[]): Promise<void> {
  if (path === undefined || second !== undefined) {
    throw new KsealError('USAGE', '--textconv takes one file', {
      hint: 'kseal inspect --textconv FILE',
    });
  }
  const bytes = await readInput(io, path);
  await writeStdout(io, summarized(bytes));
}

/** Omits the path: git passes a temporary file, whose name would change with every call. */
function summarized(bytes: Uint8Array): string {
  try {
    return textconv(readManifest(decodeManifest(bytes, ''), ''));
  } catch (thrown) {
    const problems = expectedErrors(thrown).map(({ problem }) => problem);
    return notShown(problems.join('; '));
  }
}

/** The values in manifests, and the keys in key files. */
interface Found {
  readonly values: readonly Inspection[];
  readonly keys: readonly (KeyFile & { readonly path: string })[];
}

async function findAll(io: IO, paths: readonly string[], flags: InspectFlags): Promise<Found> {
  const values: Inspection[] = [];
  const keys: Found['keys'][number][] = [];
  const skipped: Message[] = [];
  const texts = textsFor(io, paths, flags);
  for await (const text of withProgress(io, 'inspected', texts, ({ left }) => left)) {
    if (text.walked && text.isKeyFile) continue;
    try {
      const found = await inspectText(text, flags);
      if (!text.walked) await noteRequest(io, text);
      for (const value of found.values) values.push(value);
      keys.push(...found.keys);
      throwAll(found.problems);
    } catch (thrown) {
      // A template in a folder must not hide the rest, but a path on the command line must be valid.
      if (!text.walked) throw thrown;
      const [{ message, hint } = {}] = expectedErrors(thrown);
      skipped.push(warning({ message: `not inspected: ${message}`, hint }));
    }
  }
  sayAll(io, 'warning', skipped);
  return { values, keys };
}

/** Says that a text is a secret request, which has no values, and what it is for. */
async function noteRequest(io: IO, { path, content }: NamedText): Promise<void> {
  const source = content instanceof KsealError ? undefined : decodeUtf8(content);
  if (!source?.includes(REQUEST_MARKER)) return;
  const { isRequest } = await import('../request/request.ts');
  if (isRequest(source))
    say(io, 'note', `${path}: a request for values; to answer it: kseal fill ${shellWord(path)}`);
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
  { path, content }: NamedText,
  { namespace, byKey: withStrays }: InspectFlags,
): Promise<Found & { readonly problems: readonly KsealError[] }> {
  if (content instanceof KsealError) throw content;
  if (looksLikeKey(content)) {
    return { values: [], keys: [{ path, ...(await parseKey(content, path)) }], problems: [] };
  }
  if (isSealedInSomeForm(content)) {
    const value = withoutFinalNewline(Buffer.from(content));
    return { values: [inspectBare(value, path)], keys: [], problems: [] };
  }
  const manifest = readManifest(decodeManifest(content, path), path);
  const problems = manifest.problems.map((problem) => errorFor(path, problem));
  if (!withStrays) throwAll(problems);
  const values = inspectManifest(manifest, namespace);
  const strays = withStrays ? inspectStrays(manifest) : [];
  return { values: [...values, ...strays], keys: [], problems };
}

/** The names that the configuration gives to keys, by kid. */
type KeyNames = ReadonlyMap<string, string>;

async function keyNames(config: Config | undefined): Promise<KeyNames> {
  if (config === undefined) return new Map();
  const { kids, of } = await keyStatuses(config);
  return new Map(kids.map((kid) => [kid, of(kid).names[0] ?? '']));
}

const NO_KID = '(no kid)';

const colours: Record<ValueState, Colour> = {
  sealed: 'green',
  unbound: 'yellow',
  misplaced: 'red',
  damaged: 'red',
  foreign: 'green',
  plaintext: 'red',
};

const INDENT = '  ';

const placeColumns: readonly Column<Inspection>[] = [
  { title: 'FILE', cell: ({ path, line }) => `${path}:${line}` },
  { title: 'SECRET', cell: ({ secret }) => secret },
  { title: 'DATA KEY', cell: ({ key }) => key ?? '' },
];

/** A line for each key file, then a table of the values. */
function byFile(
  io: IO,
  { values, keys }: Found,
  names: KeyNames,
  form: TableForm | 'json',
): string {
  const nameOf = ({ kid }: Inspection) => names.get(kid ?? '');
  if (form === 'json') {
    return jsonText({
      values: values.map((value) => ({ ...value, keyName: nameOf(value) })),
      keys: keys.map(({ path, kind, form, bits, kid, validity }) => {
        const dates = validity && { validFrom: validity.from, validTo: validity.to };
        return { path, kind, form, bits, kid, fingerprint: describeKid(kid), ...dates };
      }),
    });
  }
  const lines = keys.map(({ path, kind, form, bits, kid, validity }) => {
    const facts = [`${printable(path)}: ${kind} key`, form, `RSA-${bits}`];
    if (!io.stdout.isTTY) return `${[...facts, describeKid(kid)].join(', ')}${datesOf(validity)}\n`;
    const fingerprint = fingerprintLines(io, io.stdout, [['', describeKid(kid)]]);
    return [`${facts.join(', ')}${datesOf(validity)}`, ...fingerprint, ''].join('\n');
  });
  if (values.length === 0 && keys.length === 0) say(io, 'note', 'no Secret with values found');
  const short = shortFingerprints(values.flatMap(({ kid = [] }) => kid));
  const columns: readonly Column<Inspection>[] = [
    ...placeColumns,
    {
      title: 'STATE',
      cell: ({ state }) => state,
      paint: ({ state }, padded) => paint(io, io.stdout, colours[state], padded),
    },
    { title: 'OPENS IN', cell: opensIn, prose: true },
    {
      title: 'BYTES',
      cell: ({ plaintextOctets: size }) => size?.join(' to ') ?? '',
      only: 'wide',
    },
    { title: 'BITS', cell: ({ keyBits }) => String(keyBits ?? ''), only: 'wide' },
    {
      title: 'KEY',
      cell: (value) => nameOf(value) ?? keyOf(value, short),
      only: 'narrow',
    },
    { title: 'NAME', cell: (value) => nameOf(value) ?? '', only: 'wide' },
    { title: 'FINGERPRINT', cell: (value) => keyOf(value, fingerprintOf), only: 'wide' },
    { title: 'KID', cell: (value) => keyOf(value, String), only: 'wide' },
  ];
  return lines.join('') + (values.length > 0 ? tableOf(values, columns, form) : '');
}

/** The key of a sealed value in one form; another tool may have named it by any text. */
function keyOf({ keyBits, kid }: Inspection, shown: (kid: string) => string): string {
  if (keyBits === undefined) return '';
  return kid === undefined ? NO_KID : shownKid(kid, shown);
}

function shownKid(kid: string, shown: (kid: string) => string): string {
  return parseKid(kid) === undefined ? kid : shown(kid);
}

function datesOf(validity: Validity | undefined): string {
  if (validity === undefined) return '';
  const problem = validityProblem(validity);
  const days = `, valid from ${dayOf(validity.from)} to ${dayOf(validity.to)}`;
  return problem === undefined ? days : `${days} (${problem})`;
}

function opensIn({ key, state, binding, reason }: Inspection): string {
  if (reason !== undefined) return reason;
  if (state === 'unbound') return 'anywhere that accepts unbound values';
  if (binding === undefined) return '';
  const here = key !== undefined && state === 'sealed' && binding.scope === 'strict';
  return `${here ? 'here only' : describeBinding(binding)} (${binding.scope})`;
}

/** The values that would be lost with each key; configured keys without values are included. */
function byKey(_: IO, { values }: Found, names: KeyNames, form: TableForm | 'json'): string {
  const groups = new Map<string, Inspection[]>([...names.keys()].map((kid) => [kid, []]));
  for (const value of values.filter(({ keyBits }) => keyBits !== undefined)) {
    const kid = value.kid ?? NO_KID;
    const group = groups.get(kid);
    if (group === undefined) groups.set(kid, [value]);
    else group.push(value);
  }
  const sorted = [...groups].sort(([a], [b]) => (a < b ? -1 : 1));
  if (form === 'json') {
    return jsonText({
      keys: sorted.map(([kid, group]) => ({
        kid: kid === NO_KID ? null : kid,
        name: names.get(kid) ?? null,
        values: group,
      })),
    });
  }
  if (sorted.length === 0) return 'no sealed value found\n';
  const short = shortFingerprints(groups.keys());
  const blocks = sorted.map(([kid, group]) => {
    const name = names.get(kid);
    const key = shownKid(kid, form.wide ? describeKid : short);
    const rows = tableOf(group, placeColumns, { ...form, width: form.width - INDENT.length });
    const table = group.length === 0 ? '' : rows.replace(/^(?=.)/gm, INDENT);
    const heading = name ? `${name}, ${key}` : key;
    return `${printable(heading)}: ${counted(group.length, 'value')}\n${table}`;
  });
  return blocks.join('\n');
}
