import { existsSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { type Command, Option } from 'commander';
import type { Config } from '../config/config.ts';
import { expected, expectedErrors, KsealError, located, throwAll } from '../errors.ts';
import { isFile } from '../fs/read.ts';
import { replaceFiles } from '../fs/write.ts';
import { bindingTo, type Scope, scopes } from '../jwe/binding.ts';
import { compactText } from '../jwe/detect.ts';
import { keyStatuses } from '../keys/key-status.ts';
import { isSecretName, secretLabel } from '../kubernetes/secret.ts';
import { newManifest } from '../manifest/edit.ts';
import { refuseSops } from '../manifest/other-tools.ts';
import { placeOf } from '../manifest/place.ts';
import { isWithoutSecret, noSecret, readManifest, selectSecret } from '../manifest/read.ts';
import type { Manifest, SecretDocument } from '../manifest/types.ts';
import {
  allowedCodes,
  nestedWarnings,
  type Sealed,
  type SealOptions,
  sealInto,
  sealManifest,
} from '../seal/seal.ts';
import type { ValuePolicy } from '../seal/value-warnings.ts';
import { isFolder, manifestsIn } from '../sources/texts.ts';
import { counted, grouped, shellWord } from '../text.ts';
import {
  checkOutput,
  pairs,
  readInput,
  readManifestFile,
  repeated,
  shownPath,
  writeResult,
  yamlStream,
} from './files.ts';
import type { IO } from './io.ts';
import { addKeyOptions, commandLine, configFinder, keyKinds, sayScope } from './options.ts';
import { progressOn, say, sayAll, warn, warningsAbout, withProgress } from './print.ts';
import { askYesNo } from './prompt.ts';
import { type Setting, type SettingFlags, settingsFrom } from './sealing-key.ts';
import { readValues, type Source, type SourceKind, sourcePaths, stdinReaders } from './values.ts';

/** The options of `kseal seal`. */
interface SealFlags extends SettingFlags {
  readonly into?: string;
  readonly remove: readonly string[];
  readonly file: readonly string[];
  readonly inPlace?: boolean;
  readonly output?: string;
  readonly force?: boolean;
  readonly type?: string;
  readonly label: readonly string[];
  readonly annotation: readonly string[];
  readonly raw?: boolean;
  readonly keepNewline?: boolean;
  readonly allowEmpty?: boolean;
  readonly strict?: boolean;
  readonly allow: readonly string[];
}

/** The sources of values. */
const sourceOptions: readonly (readonly [flags: string, kind: SourceKind, help: string])[] = [
  ['--prompt <key>', 'prompt', 'ask for the value on the terminal, without showing it'],
  ['--stdin <key>', 'stdin', 'read from stdin; one line loses its final newline'],
  ['--from-file <path>', 'file', 'read a file, byte for byte; KEY=PATH sets the data key'],
  ['--from-env-file <path>', 'env-file', 'read KEY=VALUE lines, without quoting or expansion'],
  [
    '--from-literal <key=value>',
    'literal',
    'take the value from the command line, where other users can see it',
  ],
  [
    '--from-jwe <path>',
    'jwe',
    'read a JWE from another tool, compact or JSON; KEY=PATH sets the data key',
  ],
];

export function configure(command: Command, io: IO): void {
  addKeyOptions(addSealOptions(command, io));
}

function addSealOptions(command: Command, io: IO): Command {
  const none: readonly string[] = [];
  const sources: Source[] = [];
  command
    .argument('[name...]', 'the name of the Secret, or with -f more files')
    .option('-n, --namespace <name>', 'the namespace of the Secret')
    .option('-k, --key <ref>', `public key: ${keyKinds} (env: KSEAL_SEAL_KEY)`)
    .option('--pin <kid>', 'the fingerprint that the key must have')
    .option('--into <file>', 'add, replace or remove values of this manifest')
    .option('--remove <key>', 'with --into: remove a data key', repeated, none)
    .option('-f, --file <file>', 'seal the values of this manifest; - is stdin', repeated, none)
    .option('-i, --in-place', 'with -f: write to the same files, including those in folders')
    .option('-o, --output <file>', 'write to this file instead of stdout')
    .option('--force', 'overwrite an existing output file');
  for (const [flags, kind, help] of sourceOptions) {
    command.option(flags, help, (text) => void sources.push({ kind, text }));
  }
  return command
    .addOption(
      new Option('--scope <scope>', 'where the values can be opened, strict by default').choices(
        scopes,
      ),
    )
    .option('--string-data', 'write values under stringData, not as base64 under data')
    .option('--type <type>', 'the type of a new Secret')
    .option('--label <key=value>', 'a label of a new Secret', repeated, none)
    .option('--annotation <key=value>', 'an annotation of a new Secret', repeated, none)
    .option('--raw', 'print the bare JWE of one value, not a manifest')
    .option('--keep-newline', 'with --stdin: keep the final newline of one line')
    .option('--allow-empty', 'with --stdin or --prompt: allow an empty value')
    .option('--strict', 'treat warnings about values as errors')
    .option('--allow <id>', `suppress a warning: ${allowedCodes.join(', ')}`, repeated, none)
    .action((names: string[], flags: SealFlags) => dispatch(io, names, flags, sources));
}

function dispatch(io: IO, names: string[], flags: SealFlags, sources: Source[]): Promise<void> {
  const target = checkUsage(io, names, flags, sources);
  const [name] = names;
  if (target === 'file') return sealFiles(io, [...flags.file, ...names], flags);
  if (target === 'into') return sealIntoFile(io, name, flags, sources);
  return name === undefined ? rewriteJwe(io, flags, sources) : sealNew(io, name, flags, sources);
}

/** The target: a new manifest, an existing one, the values in files, or a bare JWE. */
type SealTarget = 'new' | 'into' | 'file' | 'jwe';

interface Restricted {
  readonly flag: string;
  readonly given: (flags: SealFlags) => boolean;
  readonly targets: readonly SealTarget[];
}

/** The options that only some targets allow. */
const restricted: readonly Restricted[] = [
  { flag: '--remove', given: ({ remove }) => remove.length > 0, targets: ['into'] },
  { flag: '--in-place', given: ({ inPlace }) => inPlace === true, targets: ['file'] },
  { flag: '--type', given: ({ type }) => type !== undefined, targets: ['new'] },
  { flag: '--label', given: ({ label }) => label.length > 0, targets: ['new'] },
  { flag: '--annotation', given: ({ annotation }) => annotation.length > 0, targets: ['new'] },
  { flag: '--raw', given: ({ raw }) => raw === true, targets: ['new', 'jwe'] },
];

/** Returns the target, and checks that the other options fit it. Throws USAGE. */
function checkUsage(
  io: IO,
  names: readonly string[],
  flags: SealFlags,
  sources: readonly Source[],
): SealTarget {
  const target = targetOf(names, flags, sources);
  for (const { flag, given, targets } of restricted) {
    if (given(flags) && !targets.includes(target)) throw misplaced(flag, target);
  }
  if (target === 'file') checkFiles(flags, sources);
  else checkValues(io, names, target, flags, sources);
  const files = [...flags.file, ...(target === 'file' ? names : []), flags.into ?? ''];
  if (stdinReaders(sources) + files.filter((file) => file === '-').length > 1) {
    throw new KsealError('USAGE', 'only one input can be stdin', {
      hint: 'read the others from files, or with --prompt KEY',
    });
  }
  for (const id of flags.allow.filter((text) => !allowedCodes.includes(text))) {
    throw new KsealError('USAGE', `--allow ${id}: no such warning`, {
      hint: `use one of ${allowedCodes.join(', ')}`,
    });
  }
  return target;
}

function targetOf(
  names: readonly string[],
  { file, into }: SealFlags,
  sources: readonly Source[],
): SealTarget {
  if (file.length > 0 && into !== undefined) {
    throw new KsealError('USAGE', '-f and --into are mutually exclusive', {
      hint: 'use -f to seal the values in a file, --into to add a value to it',
    });
  }
  if (file.length > 0) return 'file';
  if (into !== undefined) return 'into';
  if (names.length > 0) return 'new';
  if (sources.length === 1 && sources[0]?.kind === 'jwe') return 'jwe';
  throw new KsealError('USAGE', 'no NAME, --into FILE or -f FILE given', {
    hint: 'kseal seal NAME -n NAMESPACE -k REF --prompt KEY',
  });
}

function misplaced(flag: string, target: SealTarget): KsealError {
  const meant = { new: 'a NAME', into: '--into', file: '-f', jwe: '--from-jwe alone' }[target];
  return new KsealError('USAGE', `${flag} cannot be combined with ${meant}`, {
    hint: 'kseal seal --help',
  });
}

function checkFiles({ inPlace, output }: SealFlags, sources: readonly Source[]): void {
  if (sources.length > 0) {
    throw new KsealError('USAGE', '-f cannot be combined with new values', {
      hint: 'to add a value to a manifest: kseal seal --into FILE -k REF --prompt KEY',
    });
  }
  if (inPlace && output !== undefined) {
    throw new KsealError('USAGE', '-i and -o are mutually exclusive', {
      hint: 'omit one of them',
    });
  }
}

function checkValues(
  io: IO,
  names: readonly string[],
  target: SealTarget,
  flags: SealFlags,
  sources: readonly Source[],
): void {
  const [name = '', second] = names;
  if (target === 'new' && (/\.(?:ya?ml|json)$/.test(name) || isFile(resolve(io.cwd, name)))) {
    const line =
      sources.length > 0
        ? `kseal seal --into ${shellWord(name)}`
        : `kseal seal -f ${shellWord(name)} -i`;
    throw new KsealError('USAGE', 'is a file, not the name of a Secret', {
      thing: name,
      hint: `did you mean: ${line}`,
    });
  }
  if (second !== undefined) {
    throw new KsealError('USAGE', 'only one Secret can be given', {
      hint: 'to seal several files: kseal seal -f FILE -f FILE',
    });
  }
  if (sources.length === 0 && flags.remove.length === 0) {
    throw new KsealError('USAGE', 'no value given', {
      hint: 'to type it on the terminal: --prompt password',
    });
  }
}

/** `kseal seal NAME`: creates a manifest, or with `--raw` one bare JWE. */
async function sealNew(
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

/** `kseal seal --into FILE`: changes values of one Secret, in place unless `-o` is given. */
async function sealIntoFile(
  io: IO,
  name: string | undefined,
  flags: SealFlags,
  sources: readonly Source[],
): Promise<void> {
  const path = flags.into ?? '-';
  refuseMissing(io, path);
  checkOutput(io, flags, {
    manifests: [path],
    hint: 'omit -o: --into writes in place',
    others: [flags.key, ...sourcePaths(sources)],
  });
  const manifest = await readManifestFile(io, path);
  refuseSops(manifest, path, sealDecrypted(path, manifest, flags));
  const secret = selectSecret(manifest, { name, namespace: flags.namespace });
  const setting = await settingsFrom(io, flags)([flags.output, path], needsKey(sources));
  const { text } = await sealValues(io, manifest, secret, flags, sources, setting);
  const inPlace = { output: path, force: true, madeFrom: Buffer.from(manifest.source) };
  const target = flags.output === undefined ? inPlace : flags;
  await writeResult(io, text, { ...target, confidential: false });
}

/** `kseal seal --from-jwe FILE`: prints a JWE from another tool in compact form. */
async function rewriteJwe(io: IO, flags: SealFlags, [source]: readonly Source[]): Promise<void> {
  const path = source?.text ?? '-';
  checkOutput(io, flags, { manifests: [path], hint: 'choose another name', others: [] });
  const bytes = await readInput(io, path);
  const command = 'kseal seal NAME -n NAMESPACE -k NEW --stdin KEY --keep-newline';
  let compact: string;
  try {
    compact = compactText(bytes, { file: path, command });
  } catch (error) {
    throw located(shownPath(path), expected(error));
  }
  await writeResult(io, `${compact}\n`, { ...flags, confidential: false });
}

/** Prints the Secret and the scope, then reads and seals the values. */
async function sealValues(
  io: IO,
  manifest: Manifest,
  secret: SecretDocument,
  flags: SealFlags,
  sources: readonly Source[],
  setting: Setting,
): Promise<Sealed> {
  const place = placeOf(manifest.path, secret, setting.namespace);
  // Fails before the first prompt if no value can be bound.
  bindingTo(setting.scope, { ...place, key: 'any' });
  const label = secretLabel({ ...secret, ...place });
  if (sources.length > 0)
    sayScope(io, setting.scope, `for Secret ${label}${manifest.path && ` in ${manifest.path}`}`);
  const options = sealOptions(flags, setting);
  const values = await readValues(io, sources, {
    ...flags,
    policy: options.policy,
    type: secret.type,
  });
  if (flags.raw && values.length !== 1) {
    throw new KsealError('USAGE', `--raw takes one value, got ${values.length}`, {
      hint: 'seal them one by one',
    });
  }
  const sealed = await sealInto(
    manifest,
    secret,
    { values, remove: flags.remove },
    setting.key,
    options,
  );
  await confirmWarnings(io, [{ manifest, ...sealed }]);
  return sealed;
}

/**
 * Prints all warnings, before anything is written. If a person has to decide about one, which is what
 * `--allow` does in advance, asks on a terminal. Throws VALUE_REFUSED after any answer but yes.
 */
async function confirmWarnings(
  io: IO,
  files: readonly Pick<SealedFile, 'manifest' | 'warnings'>[],
): Promise<void> {
  const messages = files.flatMap(({ manifest, warnings }) =>
    warningsAbout(manifest.path, warnings),
  );
  sayAll(io, 'warning', messages);
  const codes = files.flatMap(({ warnings }) => warnings.map(({ code }) => code));
  const asked = allowedCodes.filter((code) => codes.includes(code));
  if (asked.length === 0 || (await askYesNo(io, 'Seal in spite of these warnings')) !== false)
    return;
  throw new KsealError('VALUE_REFUSED', 'stopped because of the warnings; nothing was written', {
    hint: `correct the values, or accept them: ${asked.map((code) => `--allow ${code}`).join(' ')}`,
  });
}

/** Returns the only value of a manifest, which is under stringData. */
function bareJwe(text: string): string {
  const bytes = readManifest(text, '').secrets[0]?.entries[0]?.bytes ?? new Uint8Array();
  return `${Buffer.from(bytes).toString('latin1')}\n`;
}

function needsKey(sources: readonly Source[]): boolean {
  return sources.some(({ kind }) => kind !== 'jwe');
}

function refuseMissing(io: IO, path: string): void {
  if (path === '-' || existsSync(resolve(io.cwd, path))) return;
  throw new KsealError('IO', 'no such file', {
    thing: path,
    hint: `to create it: kseal seal NAME -n NAMESPACE -k REF --prompt KEY -o ${shellWord(path)}`,
  });
}

function noName(name: string): KsealError {
  return new KsealError('USAGE', 'invalid name for a Secret', {
    thing: name || '""',
    hint: 'use at most 253 lower-case letters, digits, "-" and "."',
  });
}

function sealOptions(flags: SealFlags, setting: Setting): SealOptions {
  return {
    ...setting,
    stringData: setting.stringData || flags.raw === true,
    policy: policyFrom(flags),
    given: commandLine('', { '-k': flags.key, '--pin': flags.pin, '--config': flags.config }),
  };
}

function policyFrom({ strict = false, allow, allowEmpty }: SealFlags): ValuePolicy {
  return { strict, allow: new Set([...allow, ...(allowEmpty ? ['empty'] : [])]) };
}

interface SealedFile extends Sealed {
  readonly path: string;
  readonly manifest: Manifest;
}

/** `kseal seal -f`: seals the plaintext values of manifests, and writes once all are sealed. */
async function sealFiles(io: IO, arguments_: readonly string[], flags: SealFlags): Promise<void> {
  checkOutput(io, flags, {
    manifests: arguments_,
    hint: 'to write back to the same file, use -i',
    others: [flags.key],
  });
  const inputs = arguments_.flatMap((path) => expand(io, path, flags));
  const results = await sealAll(io, inputs, flags);
  if (results.every(({ manifest }) => manifest.secrets.length === 0)) {
    const nested = results.flatMap(({ manifest }) => manifest.nested);
    throw noSecret(arguments_.map(shownPath), nested);
  }
  await confirmWarnings(io, results);
  if (flags.inPlace) await writeBack(io, results);
  else
    await writeResult(io, yamlStream(results.map(({ text }) => text)), {
      ...flags,
      confidential: false,
    });
  sayCounts(io, results);
  await warnAboutDeprecated(io, results, flags);
}

/** Prints how many values of each file were sealed, and of all files together. */
function sayCounts(io: IO, results: readonly SealedFile[]): void {
  const files = results.filter(({ manifest }) => manifest.secrets.length > 0);
  const countsOf = ({ sealed, kept }: Pick<SealedFile, 'sealed' | 'kept'>) =>
    `${counted(sealed, 'value')} sealed${kept === 0 ? '' : `, ${grouped(kept)} already sealed`}`;
  const notes = files.map((file) => `${shownPath(file.path)}: ${countsOf(file)}`);
  sayAll(
    io,
    'file',
    notes.map((text) => ({ kind: 'note', text })),
  );
  if (files.length < 2) return;
  const sum = (name: 'sealed' | 'kept') => files.reduce((total, file) => total + file[name], 0);
  const totals = countsOf({ sealed: sum('sealed'), kept: sum('kept') });
  say(io, 'note', `${counted(files.length, 'file')}: ${totals}`);
}

interface Input {
  readonly path: string;
  /** It was found in a folder, not named on the command line. */
  readonly walked: boolean;
}

function expand(io: IO, path: string, { inPlace }: SealFlags): readonly Input[] {
  if (path === '-' && inPlace) {
    throw new KsealError('USAGE', '-i cannot write back to stdin', {
      hint: 'omit -i to print the result',
    });
  }
  if (path === '-' || !isFolder(resolve(io.cwd, path))) return [{ path, walked: false }];
  if (inPlace)
    return manifestsIn(resolve(io.cwd, path), path).map((found) => ({ path: found, walked: true }));
  throw new KsealError('USAGE', 'is a folder', {
    thing: path,
    hint: `to seal all files in it in place: kseal seal -f ${shellWord(path)} -i`,
  });
}

/** Seals every file, and then throws all their errors. */
async function sealAll(io: IO, inputs: readonly Input[], flags: SealFlags): Promise<SealedFile[]> {
  const settingFor = settingsFrom(io, flags);
  const printed = new Set<Scope>();
  const results: SealedFile[] = [];
  const errors: KsealError[] = [];
  const leftAfter = (_: Input, index: number) => inputs.length - index - 1;
  for await (const { path, walked } of withProgress(io, 'sealed', inputs, leftAfter)) {
    try {
      const found = walked ? await readManifestFile(io, path) : undefined;
      // Files without a Secret need no key.
      if (found !== undefined && isWithoutSecret(found)) {
        if (found.nested.length > 0) results.push({ ...withoutSecret(found, flags), path });
        continue;
      }
      const manifest = found ?? (await readManifestFile(io, path));
      refuseSops(manifest, path, sealDecrypted(path, manifest, flags));
      const setting = await settingFor([flags.output, path]);
      if (!printed.has(setting.scope)) sayScope(io, setting.scope);
      printed.add(setting.scope);
      const sealed = await sealManifest(manifest, setting.key, sealOptions(flags, setting));
      results.push({ ...sealed, path, manifest });
    } catch (thrown) {
      for (const error of expectedErrors(thrown)) {
        if (error.code === 'INTERRUPTED') throw error;
        errors.push(error);
      }
    }
  }
  throwAll(errors);
  return results;
}

/** Returns the command that seals a decrypted manifest, with the options that were given. */
function sealDecrypted(path: string, { secrets }: Manifest, flags: SealFlags): string {
  const isInPlace = path !== '-' && (flags.inPlace || flags.into !== undefined);
  const output = flags.output ?? (isInPlace ? path : undefined);
  // With --into, -n may only have selected the Secret.
  const needsNamespace = secrets.some(({ namespace }) => namespace === undefined);
  return commandLine('kseal seal -f -', {
    '-k': flags.key,
    '--pin': flags.pin,
    '-n': needsNamespace ? flags.namespace : undefined,
    '--scope': flags.scope,
    '--config': flags.config,
    '-o': output,
    '--string-data': flags.stringData,
    '--force': flags.force || output === path,
  });
}

/** Warns about values that are still sealed to a deprecated key, with the command that moves them. */
async function warnAboutDeprecated(
  io: IO,
  results: readonly SealedFile[],
  flags: SealFlags,
): Promise<void> {
  const find = configFinder(io, flags);
  const known = new Map<Config, ReturnType<typeof keyStatuses>>();
  const found: { readonly path: string; readonly names: readonly string[] }[] = [];
  for (const { path, keptKids } of results) {
    if (path === '-' || keptKids.length === 0) continue;
    const config = find(dirname(resolve(io.cwd, path)));
    if (config === undefined) continue;
    const statuses = known.get(config) ?? keyStatuses(config);
    known.set(config, statuses);
    const { of } = await statuses;
    const states = keptKids.map((kid) => of(kid)).filter(({ state }) => state === 'deprecated');
    if (states.length > 0) found.push({ path, names: states.map(({ names }) => names[0] ?? '') });
  }
  const names = found.flatMap((file) => file.names);
  if (names.length === 0) return;
  const values = names.length === 1 ? '1 value is' : `${names.length} values are`;
  const files = found.length === 1 ? (found[0]?.path ?? '') : `${found.length} files`;
  warn(io, {
    message: `${files}: ${values} still sealed to deprecated key ${[...new Set(names)].join(', ')}`,
    hint: `to seal them again: ${sealAgain(
      found.map(({ path }) => path),
      flags,
    )}`,
  });
}

const MAX_LISTED = 10;

/** A command for one file, a loop for a few, and one with FILE for many. */
function sealAgain(paths: readonly string[], flags: SealFlags): string {
  const shared = { '-n': flags.namespace, '--config': flags.config };
  const open = commandLine('kseal decrypt FILE', shared);
  const seal = commandLine('kseal seal -f -', { '-k': flags.key, '--pin': flags.pin, ...shared });
  const command = `${open} | ${seal} -o FILE --force`;
  const [path = '', second] = paths.map(shellWord);
  if (second === undefined) return command.replaceAll('FILE', () => path);
  if (paths.length > MAX_LISTED) return `for each file, ${command}`;
  const inLoop = command.replaceAll('FILE', '"$$file"');
  return `for file in ${paths.map(shellWord).join(' ')}; do ${inLoop}; done`;
}

/** Returns a manifest whose only Secrets are inside other objects, which kseal does not edit. */
function withoutSecret(manifest: Manifest, flags: SealFlags): Omit<SealedFile, 'path'> {
  const warnings = nestedWarnings(manifest, policyFrom(flags));
  return { text: manifest.source, warnings, sealed: 0, kept: 0, keptKids: [], manifest };
}

/** Writes all changed files, or none. Throws IO. */
async function writeBack(io: IO, results: readonly SealedFile[]): Promise<void> {
  const changed = results.filter(({ manifest, text }) => text !== manifest.source);
  const replacements = changed.map(({ path, text, manifest }) => ({
    path: resolve(io.cwd, path),
    shown: path,
    bytes: Buffer.from(text),
    madeFrom: Buffer.from(manifest.source),
  }));
  const progress = await progressOn(io, 'written');
  try {
    replaceFiles(replacements, { onWritten: progress.step });
  } finally {
    progress.end();
  }
}
