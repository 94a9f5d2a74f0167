import { existsSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { type Command, Option } from 'commander';
import type { Config } from '../config/config.ts';
import { REQUEST_MARKER } from '../config/schema.ts';
import { attemptAll, expected, KsealError, located } from '../errors.ts';
import { isFile } from '../fs/read.ts';
import { replaceFiles } from '../fs/write.ts';
import { bindingTo, type Scope, scopes } from '../jwe/binding.ts';
import { compactText } from '../jwe/detect.ts';
import { type Encrypt, encryptAll } from '../jwe/encrypt.ts';
import type { EncryptPool } from '../jwe/encrypt-pool.ts';
import { keyStatuses } from '../keys/key-status.ts';
import { isSecretName, missingKeys, secretLabel } from '../kubernetes/secret.ts';
import { newManifest } from '../manifest/new-manifest.ts';
import { refuseSops } from '../manifest/other-tools.ts';
import { placeOf } from '../manifest/place.ts';
import { isWithoutSecret, matchingSecrets, noSecret, selectSecret } from '../manifest/read.ts';
import type { Manifest } from '../manifest/types.ts';
import {
  allowedCodes,
  bareJwe,
  nestedWarnings,
  type Sealed,
  type SealOptions,
  sealInto,
  startSealing,
} from '../seal/seal.ts';
import type { ValuePolicy } from '../seal/value-warnings.ts';
import { isFolder, manifestsIn } from '../sources/texts.ts';
import { counted, grouped, listOf, shellWord } from '../text.ts';
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
import { addKeyOptions, commandLine, keyKinds, sayScope } from './options.ts';
import { progressOn, say, sayAll, warn, warningsAbout, withProgress } from './print.ts';
import { askYesNo, canAsk } from './prompt.ts';
import {
  knownFrom,
  noKey,
  pinOf,
  type Setting,
  type SettingFlags,
  settingsFrom,
} from './sealing-key.ts';
import {
  type Answers,
  literalKey,
  type ReadOptions,
  readValues,
  type Source,
  type SourceKind,
  sourcePaths,
  stdinReaders,
} from './values.ts';

/** The options of `kseal seal`. */
interface SealFlags extends SettingFlags {
  readonly into?: string | undefined;
  readonly remove: readonly string[];
  readonly file: readonly string[];
  readonly inPlace?: boolean;
  readonly output?: string | undefined;
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
    .action((names: string[], flags: SealFlags, { options }: Command) =>
      dispatch(io, names, { flags, sources }, options),
    );
}

/** The command line for one Secret: as it was typed, or with the answers to what it omits. */
interface Line {
  readonly name?: string | undefined;
  readonly flags: SealFlags;
  readonly sources: readonly Source[];
}

/** Writes a command line that does the same; kseal asks for values that it must not show. */
type WriteLine = (line: Line) => string;

function dispatch(
  io: IO,
  names: readonly string[],
  line: Line,
  options: readonly Option[],
): Promise<void> {
  const { flags, sources } = line;
  const command = (of: Line) => lineOf(of, options);
  const target = checkUsage(io, names, line, command);
  if (target === 'file') return sealFiles(io, [...flags.file, ...names], flags, command);
  if (target === 'jwe') return rewriteJwe(io, flags, sources);
  return sealSecret(io, { ...line, name: names[0] }, command);
}

function lineOf({ name, flags, sources }: Line, options: readonly Option[]): string {
  const given: Readonly<Record<string, unknown>> = { ...flags };
  const isSource = ({ long }: Option) => sourceOptions.some(([its]) => its.startsWith(`${long} `));
  const chosen = options
    .filter((option) => !isSource(option))
    .map((option) => [option.short ?? option.long, given[option.attributeName()]]);
  const values = sources.flatMap(({ kind, text }) => {
    if (kind === 'literal') return ['--prompt', shellWord(text.replace(/=.*/s, ''))];
    return [flagOf(kind), shellWord(text)];
  });
  const target = name === undefined ? [] : [shellWord(name)];
  const command = ['kseal seal', ...target].join(' ');
  return [commandLine(command, Object.fromEntries(chosen)), ...values].join(' ');
}

function flagOf(kind: SourceKind): string {
  const [flags = ''] = sourceOptions.find(([, its]) => its === kind) ?? [];
  return flags.replace(/ .*/, '');
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
  { flags, sources }: Line,
  command: WriteLine,
): SealTarget {
  // Checked first: in `--from-literal KEY VALUE`, what looks like a name is a value.
  for (const { kind, text } of sources) if (kind === 'literal') literalKey(text);
  const target = targetOf(names, flags, sources);
  for (const row of restricted)
    if (row.given(flags) && !row.targets.includes(target)) throw misplaced(row);
  if (target === 'file') checkFiles(flags, sources);
  else checkName(io, names, target, { flags, sources }, command);
  const files = [...flags.file, ...(target === 'file' ? names : []), flags.into ?? ''];
  if (stdinReaders(sources) + files.filter((file) => file === '-').length > 1) {
    throw new KsealError('USAGE', 'only one input can be stdin', {
      hint: 'read the others from files, or with --prompt KEY',
    });
  }
  pinOf(flags.pin);
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
  const isJwe = sources.length === 1 && sources[0]?.kind === 'jwe';
  return names.length === 0 && isJwe ? 'jwe' : 'new';
}

function misplaced({ flag, targets }: Restricted): KsealError {
  const needed = { new: 'a NAME', into: '--into FILE', file: '-f FILE', jwe: '--from-jwe alone' };
  const problem = `${flag} needs ${targets.map((target) => needed[target]).join(' or ')}`;
  return new KsealError('USAGE', problem, { hint: 'kseal seal --help' });
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

function checkName(
  io: IO,
  names: readonly string[],
  target: SealTarget,
  { flags, sources }: Line,
  command: WriteLine,
): void {
  const [name = '', second] = names;
  if (target === 'new' && (/\.(?:ya?ml|json)$/.test(name) || isFile(resolve(io.cwd, name)))) {
    const meant = sources.length > 0 ? { into: name } : { file: [name], inPlace: true };
    throw new KsealError('USAGE', 'is a file, not the name of a Secret', {
      thing: name,
      hint: `did you mean: ${command({ flags: { ...flags, ...meant }, sources })}`,
    });
  }
  if (second !== undefined) {
    throw new KsealError('USAGE', 'only one Secret can be given', {
      hint: 'to seal several files: kseal seal -f FILE -f FILE',
    });
  }
}

/**
 * `kseal seal NAME`, which creates a manifest, or with `--raw` one bare JWE; and `--into FILE`, which
 * changes values of one Secret, in place unless `-o` is given. On a terminal it asks for all that the
 * command line omits.
 */
async function sealSecret(io: IO, given: Line, command: WriteLine): Promise<void> {
  const read = given.flags.into === undefined ? undefined : await readTarget(io, given, command);
  if (read === undefined) checkNew(io, given);
  const missing = missingFacts(io, given, read);
  if (missing.length > 0 && !canAsk(io)) throw incomplete(io, given, missing, command);
  const form = missing.length === 0 ? undefined : await import('./seal-form.ts');
  let line = form === undefined ? given : await completed(io, given, read, form);
  let answers: Answers | undefined;
  for (;;) {
    const { into } = line.flags;
    const manifest =
      read ?? (into === undefined ? newTarget(io, line) : await readTarget(io, line, command));
    const { text, summary, ...used } = await sealValues(io, line, manifest, form, answers);
    const change = await form?.confirmWriting(io, {
      ...summary,
      command: `${folderFor(io, line)}${command(shownLine(line, used.answers))}`,
      changes: { target: line !== given, values: !hasValues(given) },
    });
    if (change === undefined) return writeSecret(io, line, manifest, text, form);
    answers = change === 'values' ? undefined : used.answers;
    if (change === 'target' && form) line = await completed(io, given, read, form);
  }
}

type Form = typeof import('./seal-form.ts');

/** Reads and seals the values of one Secret, or seals the `given` ones. */
async function sealValues(
  io: IO,
  line: Line,
  manifest: Manifest,
  form: Form | undefined,
  given: Answers | undefined,
) {
  const { name, flags, sources } = line;
  const secret = selectSecret(manifest, { name, namespace: flags.namespace });
  const settingFor = settingsFrom(io, flags, { isQuiet: form !== undefined });
  const setting = await settingFor([flags.output, flags.into], needsKey(line));
  const place = placeOf(manifest.path, secret, setting.namespace);
  // Fails before the first prompt if no value can be bound.
  bindingTo(setting.scope, { ...place, key: 'any' });
  if (form === undefined && sources.length > 0) {
    const label = secretLabel({
      ...place,
      name: place.name,
      namespace: place.namespace,
      generateName: secret.generateName,
    });
    sayScope(io, setting.scope, `for Secret ${label}${manifest.path && ` in ${manifest.path}`}`);
  }
  const options = sealOptions(flags, setting);
  const reading = { ...flags, policy: options.policy, type: secret.type };
  const ask = hasValues(line) ? undefined : form?.askValues;
  const answers =
    given ?? (await (ask ? ask(io, secret, reading) : answersOn(io, sources, reading)));
  const { values, labels } = answers;
  if (flags.raw && values.length !== 1) {
    throw new KsealError('USAGE', `--raw takes one value, got ${values.length}`, {
      hint: 'seal them one by one',
    });
  }
  const changes = { values, remove: flags.remove };
  const sealed = await sealInto(manifest, secret, changes, setting.key, options);
  const warnings = [{ ...sealed, path: manifest.path }];
  if (form === undefined) await confirmWarnings(io, warnings);
  const isDoubtful = form !== undefined && sayWarnings(io, warnings).length > 0;
  const removed = flags.remove.map((key) => `${key} (removed)`);
  const summary = { ...setting, place, target: flags, labels: [...labels, ...removed], isDoubtful };
  return { text: sealed.text, answers, summary };
}

/** The values that the command line names. */
async function answersOn(
  io: IO,
  sources: readonly Source[],
  options: ReadOptions,
): Promise<Answers> {
  const values = await readValues(io, sources, options);
  return { values, sources, labels: values.map(({ key }) => key) };
}

/** The line that gives such values, and accepts the warnings that she has accepted. */
function shownLine({ flags, ...line }: Line, { values, sources }: Answers): Line {
  const accepted = values.flatMap((value) => [...(value.accepted ?? [])]);
  return {
    ...line,
    flags: { ...flags, allow: [...new Set([...flags.allow, ...accepted])] },
    sources,
  };
}

/** The command that makes the folder of the output, if it is missing, as the form does. */
function folderFor({ cwd }: IO, { flags: { output = '-' } }: Line): string {
  const folder = dirname(output);
  return existsSync(resolve(cwd, folder)) ? '' : `mkdir -p ${shellWord(folder)} && `;
}

function writeSecret(
  io: IO,
  { flags }: Line,
  { source }: Manifest,
  text: string,
  form: Form | undefined,
): Promise<void> {
  const { into, output, raw } = flags;
  const inPlace = { output: into, force: true, madeFrom: Buffer.from(source) };
  return writeResult(io, raw ? `${bareJwe(text)}\n` : text, {
    ...(into !== undefined && output === undefined ? inPlace : flags),
    confidential: false,
    makeFolders: form !== undefined,
  });
}

/** The facts that a command line may omit, in the order of the error about them. */
const facts = {
  name: 'no name of a Secret',
  namespace: 'no namespace',
  value: 'no value',
  key: 'no key to seal to',
};

type Fact = keyof typeof facts;

/**
 * Returns the facts that neither the command line nor the configuration has. Throws for a manifest
 * that cannot be changed, and without a terminal for one with several Secrets to choose from.
 */
function missingFacts(io: IO, line: Line, read: Manifest | undefined): readonly Fact[] {
  const { name, flags } = line;
  const { namespace, reference, scope } = knownFrom(io, flags)([flags.output, flags.into]);
  const wanted = { name, namespace: flags.namespace };
  const isOpen = read !== undefined && matchingSecrets(read, wanted).length > 1 && canAsk(io);
  const secret = read === undefined || isOpen ? undefined : selectSecret(read, wanted);
  const isMissing: Record<Fact, boolean> = {
    name: read === undefined ? name === undefined : isOpen,
    namespace: scope !== 'cluster-wide' && !isOpen && !(namespace ?? secret?.namespace),
    value: !hasValues(line),
    key: reference === undefined && needsKey(line),
  };
  return (Object.keys(facts) as Fact[]).filter((fact) => isMissing[fact]);
}

/** The error for a command line that omits facts. The hint has them all, and the given options. */
function incomplete(io: IO, line: Line, missing: readonly Fact[], command: WriteLine): KsealError {
  const { config } = knownFrom(io, line.flags)([line.flags.output, line.flags.into]);
  const { problem, name } = noKey(config);
  const problems = missing.map((fact) => (fact === 'key' ? problem : facts[fact]));
  const hidden = isNameDoubtful(line) ? { ...line, name: undefined } : line;
  const hint = command(runnable(io, example(hidden, missing, name)));
  return new KsealError('USAGE', problems.join(', '), { hint });
}

/** A command line with placeholders for the facts that are missing. */
function example({ name, flags, sources }: Line, missing: readonly Fact[], key = 'REF'): Line {
  const placeholder = (fact: Fact, text: string) => (missing.includes(fact) ? text : undefined);
  const isInPlace = flags.into !== undefined || flags.raw === true;
  const isValue = missing.includes('value');
  return {
    name: name ?? (flags.into === undefined || missing.includes('name') ? 'NAME' : undefined),
    flags: {
      ...flags,
      namespace: flags.namespace ?? placeholder('namespace', 'NAMESPACE'),
      key: flags.key ?? placeholder('key', key),
      output: flags.output ?? (isValue && !isInPlace ? `${name ?? 'NAME'}.yaml` : undefined),
    },
    sources: isValue ? exampleSources(flags.type) : sources,
  };
}

/** Returns the line as it runs here. Without a terminal, stdin provides one value. */
function runnable(io: IO, line: Line): Line {
  if (canAsk(io)) return line;
  let isFree = stdinReaders(line.sources) === 0 && line.flags.into !== '-';
  const sources = line.sources.map((source): Source => {
    if (source.kind !== 'prompt' && source.kind !== 'literal') return source;
    const key = source.text.replace(/=.*/s, '');
    const kind = isFree ? 'stdin' : 'file';
    isFree = false;
    return { kind, text: kind === 'stdin' ? key : `${key}=PATH` };
  });
  return { ...line, sources };
}

/** Sources of the values that a type requires; all of them but a password are usually files. */
function exampleSources(type: string | undefined): readonly Source[] {
  const files = missingKeys(type, new Set(['password'])).map(({ key }) => `${key}=PATH`);
  if (files.length === 0) return [{ kind: 'prompt', text: 'password' }];
  return files.map((text) => ({ kind: 'file', text }));
}

/** Asks for the target and the key; returns the line with the answers, or the same if it asked nothing. */
async function completed(
  io: IO,
  line: Line,
  read: Manifest | undefined,
  form: Form,
): Promise<Line> {
  const { name, flags, sources } = line;
  const { key, namespace, into, output } = flags;
  const isNewOnly = restricted.some((row) => row.given(flags) && !row.targets.includes('into'));
  const target = { name, key, namespace, into, output };
  const answers = await form.askTarget(io, target, {
    secrets: read === undefined ? [] : matchingSecrets(read, { name, namespace }),
    needsKey: needsKey(line),
    needsFile: io.stdout.isTTY === true && flags.raw !== true,
    isNewOnly,
    knownFor: (found) => knownFrom(io, { ...flags, ...found })([found.output, found.into]),
  });
  if (answers === target) return line;
  const { name: answered, ...options } = answers;
  return { name: answered, flags: { ...flags, ...options }, sources };
}

/** Checks the name and the output of a new manifest. Throws USAGE, IO or OUTPUT_EXISTS. */
function checkNew(io: IO, { name, flags, sources }: Line): void {
  if (name !== undefined && !isSecretName(name))
    throw noName(isNameDoubtful({ name, flags, sources }) ? 'NAME' : name);
  checkOutput(io, flags, { manifests: [], hint: '', others: [flags.key, ...sourcePaths(sources)] });
}

function newTarget(io: IO, { name = '', flags }: Line): Manifest {
  const { namespace } = knownFrom(io, flags)([flags.output]);
  return newManifest({
    name,
    namespace,
    type: flags.type,
    labels: pairs('--label', flags.label),
    annotations: pairs('--annotation', flags.annotation),
    json: flags.output?.endsWith('.json') ?? false,
  });
}

/** Reads the manifest of `--into`. Throws if it is missing, or cannot be changed. */
async function readTarget(io: IO, given: Line, command: WriteLine): Promise<Manifest> {
  const { flags, sources } = given;
  const path = flags.into ?? '-';
  if (path !== '-' && !existsSync(resolve(io.cwd, path))) {
    const flagsOfNew = { ...flags, into: undefined, remove: [], output: path };
    const created = { ...given, flags: flagsOfNew };
    const { config } = knownFrom(io, flagsOfNew)([path]);
    const missing = missingFacts(io, created, undefined);
    const line = runnable(io, example(created, missing, noKey(config).name));
    throw new KsealError('IO', 'no such file', {
      thing: path,
      hint: `to create it: ${command(line)}`,
    });
  }
  checkOutput(io, flags, {
    manifests: [path],
    hint: 'omit -o: --into writes in place',
    others: [flags.key, ...sourcePaths(sources)],
  });
  const manifest = await readManifestFile(io, path);
  refuseSops(manifest, path, () => sealDecrypted(path, manifest, flags, command));
  return manifest;
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

/** Prints all warnings; returns the codes of those that `--allow` accepts in advance. */
function sayWarnings(
  io: IO,
  files: readonly Pick<SealedFile, 'path' | 'warnings'>[],
): readonly string[] {
  const messages = files.flatMap(({ path, warnings }) => warningsAbout(shownPath(path), warnings));
  sayAll(io, 'warning', messages);
  const codes = files.flatMap(({ warnings }) => warnings.map(({ code }) => code));
  return allowedCodes.filter((code) => codes.includes(code));
}

/**
 * Prints all warnings, before anything is written. If a person has to decide about one, asks on a
 * terminal. Throws VALUE_REFUSED after any answer but yes.
 */
async function confirmWarnings(
  io: IO,
  files: readonly Pick<SealedFile, 'path' | 'warnings'>[],
): Promise<void> {
  const asked = sayWarnings(io, files);
  if (asked.length === 0 || (await askYesNo(io, 'Seal in spite of these warnings?')) !== false)
    return;
  throw new KsealError('VALUE_REFUSED', 'stopped because of the warnings; nothing was written', {
    hint: `correct the values, or accept them: ${asked.map((code) => `--allow ${code}`).join(' ')}`,
  });
}

/** Whether the name may be a value, as in `--from-literal KEY= VALUE`. */
function isNameDoubtful({ sources }: Line): boolean {
  return sources.some(
    ({ kind, text }) => kind === 'literal' && text.indexOf('=') === text.length - 1,
  );
}

function hasValues({ flags, sources }: Line): boolean {
  return sources.length > 0 || flags.remove.length > 0;
}

/** A value from elsewhere is sealed already, and removing one needs no key. */
function needsKey(line: Line): boolean {
  return !hasValues(line) || line.sources.some(({ kind }) => kind !== 'jwe');
}

function noName(name: string): KsealError {
  // The rest is a value, which must not be shown.
  const [, key] = /^([-._a-zA-Z0-9]+)=/.exec(name) ?? [];
  if (key !== undefined) {
    return new KsealError('USAGE', 'not the name of a Secret', {
      thing: `${key}=…`,
      hint: `to type the value: --prompt ${key}`,
    });
  }
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

/** A sealed file. Its nodes take more memory than its text, and are no longer needed. */
interface SealedFile extends Sealed, Pick<Manifest, 'source' | 'nested'> {
  /** As it was typed; `-` is stdin. */
  readonly path: string;
  readonly hasSecret: boolean;
}

/** `kseal seal -f`: seals the plaintext values of manifests, and writes once all are sealed. */
async function sealFiles(
  io: IO,
  arguments_: readonly string[],
  flags: SealFlags,
  command: WriteLine,
): Promise<void> {
  checkOutput(io, flags, {
    manifests: arguments_,
    hint: 'to write back to the same file, use -i',
    others: [flags.key],
  });
  const inputs = arguments_.flatMap((path) => expand(io, path, flags));
  const results = await sealAll(io, inputs, { ...flags, file: arguments_ }, command);
  if (results.every(({ hasSecret }) => !hasSecret)) {
    const nested = results.flatMap((file) => file.nested);
    const marked = results.filter(({ source }) => source.includes(REQUEST_MARKER));
    const { isRequest } = await import('../request/request.ts');
    const request = marked.find(({ source }) => isRequest(source));
    if (request !== undefined) {
      throw new KsealError('MANIFEST_INVALID', 'is a request, not a manifest', {
        thing: request.path,
        hint: `to answer it: kseal fill ${shellWord(request.path)}`,
      });
    }
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
  await warnAboutDeprecated(io, results, { ...flags, file: arguments_ });
}

/** Prints how many values of each file were sealed, and of all files together. */
function sayCounts(io: IO, results: readonly SealedFile[]): void {
  const files = results.filter(({ hasSecret }) => hasSecret);
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

/** The files that are read before the values of the first one are sealed. */
const FILES_AHEAD = 64;

/** Seals every file, and then throws all their errors. */
async function sealAll(
  io: IO,
  inputs: readonly Input[],
  flags: SealFlags,
  command: WriteLine,
): Promise<readonly SealedFile[]> {
  const withKey = (key: string) => command({ flags: { ...flags, key }, sources: [] });
  const settingFor = settingsFrom(io, flags, { withKey });
  const printed = new Set<Scope>();
  const leftAfter = (_: Input, index: number) => inputs.length - index - 1;
  const all = withProgress(io, 'sealed', inputs, leftAfter);
  const { encrypt, end } = encryption();
  const started: (SealedFile | Promise<SealedFile>)[] = [];
  try {
    await attemptAll(all, async ({ path, walked }) => {
      await started.at(-FILES_AHEAD);
      const manifest = await readManifestFile(io, path);
      // Files without a Secret need no key.
      if (walked && isWithoutSecret(manifest)) {
        if (manifest.nested.length > 0) started.push(withoutSecret(path, manifest, flags));
        return;
      }
      refuseSops(manifest, path, () => sealDecrypted(path, manifest, flags, command));
      const setting = await settingFor([flags.output, path]);
      if (!printed.has(setting.scope)) sayScope(io, setting.scope);
      printed.add(setting.scope);
      const options = { ...sealOptions(flags, setting), encrypt };
      const { sealed } = await startSealing(manifest, setting.key, options);
      const file = sealed.then((result) => sealedFile(path, manifest, result));
      // A failure is thrown when the file is awaited.
      file.catch(() => {});
      started.push(file);
    });
    return await Promise.all(started);
  } finally {
    await end();
  }
}

function sealedFile(
  path: string,
  { source, secrets, nested }: Manifest,
  sealed: Sealed,
): SealedFile {
  return { ...sealed, path, source, nested, hasSecret: secrets.length > 0 };
}

/** The number of values that are sealed in less time than it takes to start a thread. */
const FEW_VALUES = 256;

/** Seals the first values in this thread, and all others in worker threads until `end` is called. */
function encryption(): { readonly encrypt: Encrypt; readonly end: () => Promise<void> } {
  let count = 0;
  let pool: Promise<EncryptPool> | undefined;
  return {
    encrypt: async (values, key) => {
      count += values.length;
      if (count <= FEW_VALUES) return encryptAll(values, key);
      pool ??= import('../jwe/encrypt-pool.ts').then(({ newEncryptPool }) => newEncryptPool());
      return (await pool).encrypt(values, key);
    },
    end: async () => (await pool)?.end(),
  };
}

/** Returns the command that seals a decrypted manifest, with the options that were given. */
function sealDecrypted(
  path: string,
  { secrets }: Manifest,
  flags: SealFlags,
  command: WriteLine,
): string {
  const { into, inPlace, ...kept } = flags;
  const isInPlace = path !== '-' && (inPlace || into !== undefined);
  const output = flags.output ?? (isInPlace ? path : undefined);
  // With --into, -n may only have selected the Secret.
  const needsNamespace = secrets.some(({ namespace }) => namespace === undefined);
  return command({
    flags: {
      ...kept,
      file: ['-'],
      remove: [],
      namespace: needsNamespace ? flags.namespace : undefined,
      output,
      force: flags.force || output === path,
    },
    sources: [],
  });
}

/** Warns about values that are still sealed to a deprecated key, with the command that moves them. */
async function warnAboutDeprecated(
  io: IO,
  results: readonly SealedFile[],
  flags: SealFlags,
): Promise<void> {
  const knownOf = knownFrom(io, flags);
  const known = new Map<Config, ReturnType<typeof keyStatuses>>();
  const found: { path: string; names: readonly string[]; to: string | undefined }[] = [];
  for (const { path, keptKids } of results) {
    if (path === '-' || keptKids.length === 0) continue;
    const { config, reference: to } = knownOf([flags.output, path]);
    if (config === undefined) continue;
    const statuses = known.get(config) ?? keyStatuses(config);
    known.set(config, statuses);
    const { of } = await statuses;
    const states = keptKids.map((kid) => of(kid)).filter(({ state }) => state === 'deprecated');
    if (states.length > 0)
      found.push({ path, names: states.map(({ names }) => names[0] ?? ''), to });
  }
  const names = found.flatMap((file) => file.names);
  if (names.length === 0) return;
  const values = `${counted(names.length, 'value')} ${names.length === 1 ? 'is' : 'are'}`;
  const files = found.length === 1 ? (found[0]?.path ?? '') : counted(found.length, 'file');
  const paths = flags.file.filter((path) => path !== '-').map(shellWord);
  const [to = 'NEW', other] = new Set(found.map((file) => file.to));
  warn(io, {
    message: `${files}: ${values} still sealed to deprecated key ${listOf([...new Set(names)])}`,
    hint: commandLine(`to move them: kseal rekey ${paths.join(' ')}`, {
      '--to': other === undefined ? to : 'NEW',
      '--pin': flags.pin,
      '--config': flags.config,
    }),
  });
}

/** Returns a manifest whose only Secrets are inside other objects, which kseal does not edit. */
function withoutSecret(path: string, manifest: Manifest, flags: SealFlags): SealedFile {
  const warnings = nestedWarnings(manifest, policyFrom(flags));
  const kept = { text: manifest.source, warnings, sealed: 0, kept: 0, keptKids: [] };
  return sealedFile(path, manifest, kept);
}

/** Writes all changed files, or none. Throws IO. */
async function writeBack(io: IO, results: readonly SealedFile[]): Promise<void> {
  const changed = results.filter(({ source, text }) => text !== source);
  const replacements = changed.map(({ path, text, source }) => ({
    path: resolve(io.cwd, path),
    shown: path,
    bytes: text,
    madeFrom: source,
  }));
  const progress = await progressOn(io, 'written');
  try {
    await replaceFiles(replacements, { onWritten: progress.step });
  } finally {
    progress.end();
  }
}
