import { basename, join, relative, resolve, sep } from 'node:path';
import { type Command, Option } from 'commander';
import { locationOf } from '../diagnostic.ts';
import { expected, expectedErrors, KsealError, located, throwAll } from '../errors.ts';
import { statOf } from '../fs/read.ts';
import { refuseExisting, replaceFiles } from '../fs/write.ts';
import { DEFAULT_MAX_SCOPE, type Scope, scopes } from '../jwe/binding.ts';
import type { CompactJwe } from '../jwe/compact.ts';
import { readJwe, readSealedValue } from '../jwe/detect.ts';
import { refuseSops } from '../manifest/other-tools.ts';
import { locationIn } from '../manifest/place.ts';
import { isWithoutSecret, noSecret, selectSecret } from '../manifest/read.ts';
import type { Entry, Manifest } from '../manifest/types.ts';
import { isFolder, manifestsIn } from '../sources/texts.ts';
import { counted, grouped, listOf, MAX_LISTED, shellWord } from '../text.ts';
import {
  type OpenedSecret,
  type OpenedValue,
  type UnsealOptions,
  unsealEntry,
  unsealManifest,
} from '../unseal/manifest.ts';
import { unsealData } from '../unseal/unseal.ts';
import {
  type AdmissionRequest,
  answerText,
  MAX_REVIEW_BYTES,
  readReview,
} from '../webhook/admission-review.ts';
import { review } from '../webhook/review.ts';
import {
  checkOutput,
  readInput,
  readManifestFile,
  refuseInput,
  repeated,
  shownPath,
  withoutFinalNewline,
  writeResult,
  yamlStream,
} from './files.ts';
import type { IO } from './io.ts';
import { givenReferences, type Keys, keysFrom, type OpeningFlags } from './opening-keys.ts';
import { addKeyOptions, commandLine, keyKinds } from './options.ts';
import {
  type Message,
  say,
  sayAll,
  warn,
  warnAbout,
  warning,
  warningsAbout,
  withProgress,
  writeStdout,
} from './print.ts';

interface DecryptFlags extends OpeningFlags {
  readonly file: readonly string[];
  readonly namespace?: string;
  readonly name?: string;
  readonly only?: string;
  readonly raw?: string;
  readonly dataKey?: string;
  readonly review?: boolean;
  readonly maxScope?: Scope;
  readonly output?: string;
  readonly force?: boolean;
}

export function configure(command: Command, io: IO): void {
  const none: readonly string[] = [];
  addKeyOptions(command)
    .argument('[file...]', 'manifests or folders; - is stdin (default)')
    .option('-f, --file <file>', 'a further manifest or folder', repeated, none)
    .option(
      '-k, --key <ref>',
      `a key to open values with: ${keyKinds} (env: KSEAL_DECRYPT_KEY); by default those in .kseal.yaml`,
      repeated,
      none,
    )
    .option('-n, --namespace <name>', 'the namespace of Secrets that name none')
    .option('--name <name>', 'with --only or --raw: the name of the Secret')
    .option('--only <key>', 'open one value and print its exact bytes')
    .option('--raw <file>', 'open a bare JWE that was sealed for --name, -n and --data-key')
    .option('--data-key <key>', 'with --raw: the data key that the JWE was sealed for')
    .option('--review', 'read an AdmissionReview and print what the webhook would answer')
    .addOption(
      new Option(
        '--max-scope <scope>',
        `with --review: the widest scope to open, ${DEFAULT_MAX_SCOPE} by default`,
      ).choices(scopes),
    )
    .option('-o, --output <file>', 'write to this file or folder (mode 0600) instead of stdout')
    .option('--force', 'overwrite an existing output file')
    .option(
      '--accept-unbound',
      'also open values from other tools, which are not bound to a Secret',
    )
    .option('--allow-revoked', 'also open values sealed to a revoked key')
    .action((files: string[], flags: DecryptFlags) => decrypt(io, files, flags));
}

async function decrypt(io: IO, files: readonly string[], flags: DecryptFlags): Promise<void> {
  checkReviewFlags(flags);
  const inputs = inputsOf(io, files, flags);
  if (flags.review || flags.raw !== undefined || flags.only !== undefined)
    return decryptOne(io, inputs, flags);
  return decryptManifests(io, inputs, flags);
}

/** Opens one value or answers one review. */
async function decryptOne(
  io: IO,
  [input, second]: readonly string[],
  flags: DecryptFlags,
): Promise<void> {
  const path = input ?? '-';
  if (second !== undefined || namesFolder(io, path)) {
    const flag = notForMany.find((name) => flags[name] !== undefined);
    throw badFlag(`--${flag} takes one file`);
  }
  checkOutput(io, flags, inputsFor([path], io, flags));
  const keys = keysFor(io, flags, [path]);
  let result: string | Uint8Array;
  if (flags.review) result = await answerReview(io, path, flags, keys);
  else if (flags.raw !== undefined) result = await openRaw(io, path, flags, keys);
  else result = await openOne(io, path, flags, keys);
  await writeResult(io, result, { ...flags, confidential: true });
  // A terminal would continue in the line of the value.
  const isShown = flags.output === undefined && !flags.review && io.stdout.isTTY;
  if (isShown && Buffer.from(result as Uint8Array).at(-1) !== 0x0a) await writeStdout(io, '\n');
}

const notForMany = ['review', 'raw', 'only'] as const;

/** The options for manifests or for the terminal only, which --review does not take. */
const notForReview = ['only', 'raw', 'name', 'namespace', 'dataKey', 'allowRevoked'] as const;

function checkReviewFlags(flags: DecryptFlags): void {
  if (flags.maxScope !== undefined && !flags.review) throw badFlag('--max-scope requires --review');
  const wrong = notForReview.find((name) => flags.review && flags[name] !== undefined);
  if (wrong === undefined) return;
  const flag = wrong.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
  throw badFlag(`--${flag} cannot be used with --review`);
}

/** The paths of the inputs. Throws USAGE for options that do not fit, or without any on a terminal. */
function inputsOf(io: IO, files: readonly string[], flags: DecryptFlags): readonly string[] {
  const { file, raw, name, only, dataKey } = flags;
  const inputs = [...files, ...file, ...(raw === undefined ? [] : [raw])];
  if (raw !== undefined && inputs.length > 1) throw badFlag('--raw takes one file');
  if (raw === undefined && dataKey !== undefined) throw badFlag('--data-key requires --raw FILE');
  if (raw === undefined && only === undefined && name !== undefined)
    throw badFlag('--name requires --only KEY');
  if (raw !== undefined && only !== undefined) throw badFlag('--only cannot be used with --raw');
  if (inputs.includes('') || flags.output === '') throw badFlag('a path is empty');
  if (inputs.filter((path) => path === '-').length > 1) throw badFlag('- can be given only once');
  if ((inputs.length === 0 || inputs.includes('-')) && io.stdin.isTTY)
    throw new KsealError('USAGE', 'no manifest given', { hint: again(['-'], flags, flags.key) });
  return inputs.length > 0 ? inputs : ['-'];
}

/** The files that no output may replace. */
function inputsFor(manifests: readonly string[], io: IO, { key }: DecryptFlags) {
  const hint = 'use another file: plaintext never replaces sealed values';
  return { manifests, hint, others: givenReferences(io, key) };
}

function namesFolder({ cwd }: IO, path: string): boolean {
  return path !== '-' && isFolder(resolve(cwd, path));
}

function badFlag(problem: string): KsealError {
  return new KsealError('USAGE', problem, { hint: 'kseal decrypt --help' });
}

/** A manifest to open. */
interface Input {
  readonly path: string;
  /** It was found in a folder, not named on the command line. */
  readonly walked: boolean;
  /** Its path below the output folder, with which it never leaves that folder. */
  readonly below: string;
}

interface OpenedFile extends Input {
  readonly manifest: Manifest;
  readonly text: string;
  readonly opened: readonly OpenedSecret[];
}

/** Opens all manifests, and writes them once all are open. Throws all errors at once. */
async function decryptManifests(
  io: IO,
  paths: readonly string[],
  flags: DecryptFlags,
): Promise<void> {
  const folder = outputFolder(io, paths, flags);
  if (folder === undefined) checkOutput(io, flags, inputsFor(paths, io, flags));
  const all = paths.flatMap((path) => inputsAt(io, path, folder));
  const inputs = [...new Map(all.map((input) => [resolve(io.cwd, input.path), input])).values()];
  const keys = keysFor(io, flags, paths);
  const errors: KsealError[] = [];
  const attempt = async <T>(action: () => Promise<T>): Promise<T | undefined> => {
    try {
      return await action();
    } catch (thrown) {
      const found = expectedErrors(thrown);
      if (found.some(({ code }) => code === 'INTERRUPTED')) throw thrown;
      errors.push(...found);
      return undefined;
    }
  };
  const read: (Input & { readonly manifest: Manifest })[] = [];
  const unreadAfter = (_: Input, index: number) => inputs.length - index - 1;
  for await (const input of withProgress(io, 'read', inputs, unreadAfter)) {
    const manifest = await attempt(() => readSealed(io, input));
    if (manifest !== undefined) read.push({ ...input, manifest });
  }
  const unread = errors.length;
  if (folder !== undefined) {
    const check = targetCheck(io, folder, inputs, read, flags);
    for (const input of read) await attempt(async () => check(input));
  }
  if (errors.length > unread) throwAll(errors);
  const results: OpenedFile[] = [];
  const warnings: Message[] = [];
  const leftAfter = (_: Input, index: number) => read.length - index - 1;
  for await (const input of withProgress(io, 'opened', read, leftAfter)) {
    const result = await attempt(() => openManifest(input, keys, warnings));
    if (result !== undefined) results.push({ ...input, ...result });
  }
  sayAll(io, 'warning', warnings);
  throwAll(errors);
  if (results.length === 0) throw nothingSealed(paths);
  await writeOpened(io, results, { folder, count: inputs.length }, flags);
}

/** Writes the opened manifests of `count` files to a folder, a file or stdout. */
async function writeOpened(
  io: IO,
  results: readonly OpenedFile[],
  { folder, count }: { readonly folder: string | undefined; readonly count: number },
  flags: DecryptFlags,
): Promise<void> {
  // For many files the command that keeps what is lost is the same, with FILE.
  const isFew = results.length <= MAX_LISTED;
  const messages = results.map((result) =>
    messagesOn(isFew ? result : { ...result, path: '-' }, flags),
  );
  sayAll(io, 'message', messages.flat());
  const skipped = count - results.length;
  if (skipped > 0)
    say(io, 'note', `skipped ${grouped(skipped)} of ${counted(count, 'file')}: no sealed values`);
  if (folder === undefined) {
    const text = yamlStream(results.map((result) => result.text));
    await writeResult(io, text, { ...flags, confidential: true });
  } else await writeAll(io, folder, results, flags);
  sayApply(io, results, flags);
}

/** The output folder: for several files or a folder, or if the output is one; else undefined. */
function outputFolder(
  io: IO,
  paths: readonly string[],
  { output }: DecryptFlags,
): string | undefined {
  if (output === undefined || output === '-') return undefined;
  const isSingle = paths.length === 1 && !paths.some((path) => namesFolder(io, path));
  if (isSingle && !/[\\/]$/.test(output) && !namesFolder(io, output)) return undefined;
  if (statOf(resolve(io.cwd, output))?.isDirectory() === false)
    throw new KsealError('IO', 'is a file, not a folder', { thing: output, hint: 'name a folder' });
  return output;
}

/** The manifests at a path; those in a folder without those in an output folder within it. */
function inputsAt(io: IO, path: string, folder: string | undefined): readonly Input[] {
  if (!namesFolder(io, path)) {
    if (path === '-' && folder !== undefined)
      throw new KsealError('USAGE', 'stdin has no name for a file in a folder', {
        thing: folder,
        hint: `-o ${shellWord(join(folder, 'FILE.yaml'))}`,
      });
    return [{ path, walked: false, below: placeBelow(io, path, basename(path)) }];
  }
  const top = resolve(io.cwd, path);
  const output = resolve(io.cwd, folder ?? path);
  const isResult = (file: string) =>
    output.startsWith(top + sep) && resolve(io.cwd, file).startsWith(output + sep);
  return manifestsIn(top, path)
    .filter((file) => !isResult(file))
    .map((file) => {
      const own = join(basename(top), relative(top, resolve(io.cwd, file)));
      return { path: file, walked: true, below: placeBelow(io, file, own) };
    });
}

/** The path relative to the current folder, or `outside` for a file that is not below it. */
function placeBelow({ cwd }: IO, path: string, outside: string): string {
  const way = relative(cwd, resolve(cwd, path));
  return way.startsWith('..') || resolve(way) === way ? outside : way;
}

/** Reads a manifest; undefined for a file in a folder that has nothing to open. */
async function readSealed(io: IO, { path, walked }: Input): Promise<Manifest | undefined> {
  const manifest = await readManifestFile(io, path);
  const isSound = manifest.problems.length === 0 && manifest.nested.length === 0;
  if (walked && (isWithoutSecret(manifest) || (isSound && !holdsSealed(manifest))))
    return undefined;
  refuseSops(manifest, path);
  return manifest;
}

/** The sound sealed values of Secrets, or only those of one data key. */
function sealedIn({ secrets }: Pick<Manifest, 'secrets'>, key?: string): readonly CompactJwe[] {
  return secrets.flatMap(({ entries }) =>
    entries.flatMap((entry) => {
      if (key !== undefined && entry.key !== key) return [];
      const jwe = readEntry(entry);
      return jwe === undefined || jwe === 'damaged' ? [] : jwe;
    }),
  );
}

function holdsSealed({ secrets }: Manifest): boolean {
  return secrets.some(({ entries }) => entries.some((entry) => readEntry(entry) !== undefined));
}

/** Opening a damaged value reports its defect. */
function readEntry({ bytes }: Entry): CompactJwe | 'damaged' | undefined {
  try {
    return readSealedValue(bytes);
  } catch {
    return 'damaged';
  }
}

/** Opens one manifest; adds its warnings to those of the others. */
async function openManifest(
  { path, manifest }: Input & { readonly manifest: Manifest },
  keys: DecryptKeys,
  all: Message[],
): Promise<Pick<OpenedFile, 'text' | 'opened'>> {
  const { text, warnings, opened } = await keys.open(path, sealedIn(manifest), (options) =>
    unsealManifest(manifest, options),
  );
  all.push(...warningsAbout(manifest.path, warnings));
  if (manifest.secrets.length === 0) throw noSecret([shownPath(path)], manifest.nested);
  return { text, opened };
}

function messagesOn({ path, manifest, opened }: OpenedFile, flags: DecryptFlags): Message[] {
  if (opened.length === 0) return [warning({ message: `${manifest.path}: no sealed values` })];
  return [...moves(manifest, opened), ...losses(path, manifest, opened, flags)];
}

/** Not printed for a pipe: its reader is unknown, and may be kseal seal. */
function sayApply(io: IO, results: readonly OpenedFile[], { output }: DecryptFlags): void {
  if (output === undefined || output === '-') return;
  if (results.every(({ opened }) => opened.length === 0)) return;
  say(
    io,
    'note',
    'kubectl apply keeps this plaintext in an annotation; kubectl create and apply --server-side do not',
  );
}

function nothingSealed(paths: readonly string[]): KsealError {
  return new KsealError('MANIFEST_INVALID', 'no file with sealed values found', {
    thing: paths.join(', '),
    hint: `to see what is there: kseal inspect ${paths.map(shellWord).join(' ')}`,
  });
}

const targetIn = (folder: string, { below }: Input) => join(folder, below);

/**
 * Returns the check of one input of `opened`, before any key is used: its file in the output folder
 * is not one of `inputs`, not the output of another one, and without --force does not exist.
 */
function targetCheck(
  io: IO,
  folder: string,
  inputs: readonly Input[],
  opened: readonly Input[],
  flags: DecryptFlags,
): (input: Input) => void {
  const idOf = (path: string) => {
    const stats = statOf(resolve(io.cwd, path));
    return stats && `${stats.dev} ${stats.ino}`;
  };
  // Looked up, because comparing each of thousands of files with each other takes minutes.
  const pathsById = new Map(inputs.map(({ path }) => [idOf(path), path]));
  const pathsBelow = new Map<string, string[]>();
  for (const { below, path } of opened)
    pathsBelow.set(below, [...(pathsBelow.get(below) ?? []), path]);
  return (input) => {
    const target = targetIn(folder, input);
    const id = idOf(target);
    const same = id === undefined ? undefined : pathsById.get(id);
    refuseInput(io, target, inputsFor(same === undefined ? [] : [same], io, flags));
    const twin = pathsBelow.get(input.below)?.find((path) => path !== input.path);
    if (twin !== undefined)
      throw new KsealError('USAGE', `also the output of ${twin}`, {
        thing: target,
        hint: 'run kseal decrypt once for each',
      });
    if (!flags.force) refuseExisting(resolve(io.cwd, target), target);
  };
}

/** Writes all files, or none. Throws IO. */
async function writeAll(
  io: IO,
  folder: string,
  results: readonly OpenedFile[],
  { force = false }: DecryptFlags,
): Promise<void> {
  const files = new Map(results.map((result) => [targetIn(folder, result), result.text]));
  await replaceFiles(
    [...files].map(([shown, text]) => ({
      path: resolve(io.cwd, shown),
      shown,
      bytes: Buffer.from(text),
      confidential: true,
      isNew: !force,
    })),
    { makeFolders: true },
  );
  say(io, 'note', `wrote ${counted(files.size, 'file')} to ${folder}`);
}

async function openOne(
  io: IO,
  path: string,
  flags: DecryptFlags,
  keys: DecryptKeys,
): Promise<Uint8Array> {
  const manifest = await readManifestFile(io, path);
  refuseSops(manifest, path);
  const { only = '', name, namespace } = flags;
  const secret = selectSecret(manifest, { name, namespace });
  const sealed = sealedIn({ secrets: [secret] }, only);
  const { bytes, warnings } = await keys.open(path, sealed, (options) =>
    unsealEntry(manifest, secret, only, options),
  );
  warnAbout(io, manifest.path, warnings);
  return bytes;
}

function moves({ path }: Manifest, opened: readonly OpenedSecret[]): Message[] {
  return opened.flatMap(({ secret, values }) =>
    values
      .filter(({ moved }) => moved)
      .map(({ entry }) => {
        const where = locationOf(path, locationIn(secret, entry));
        const text = `${where}: moved to data, because stringData holds only UTF-8 text`;
        return { kind: 'note', text };
      }),
  );
}

/**
 * Returns what is lost if the result is sealed again without further options, namely scopes wider
 * than strict and the field stringData, and the command that seals to another key and keeps it.
 */
function losses(
  path: string,
  manifest: Manifest,
  opened: readonly OpenedSecret[],
  flags: DecryptFlags,
): Message[] {
  const hasWide = opened.some(({ values }) => values.some((value) => scopeOf(value) !== 'strict'));
  const notes = opened.flatMap((one): string[] => {
    const where = locationOf(manifest.path, locationIn(one.secret));
    const note = (values: readonly OpenedValue[], how: string) => {
      const names = listOf(values.map(({ entry }) => `"${entry.key}"`));
      const keys = values.length === 1 ? `data key ${names} was` : `data keys ${names} were`;
      return values.length === 0 ? [] : [`${where}: ${keys} sealed ${how}`];
    };
    const sealedFor = (scope: string) => one.values.filter((value) => value.scope === scope);
    return [
      ...(hasWide ? scopes.flatMap((scope) => note(sealedFor(scope), scope)) : []),
      ...(becomesData(one) ? note(one.values, 'under stringData') : []),
    ];
  });
  const hint = `to change only the key: ${rekeyCommand(path, flags)}`;
  return notes.map((text) => ({ kind: 'note', text, hint }));
}

/** Whether seal renames stringData, as it does in a Secret without data. */
function becomesData({ secret, values }: OpenedSecret): boolean {
  return (
    !secret.fields.has('data') &&
    values.every(({ entry, moved }) => entry.field === 'stringData' && !moved)
  );
}

/** The scope that a value of another tool gets is strict. */
const scopeOf = ({ scope = 'strict' }: OpenedValue): string => scope;

const fileWord = (path: string) => (path === '-' ? 'FILE' : shellWord(path));

/** The command that opens a whole file with the keys that were given. */
function commandFor(paths: readonly string[], flags: DecryptFlags, keys = flags.key): string {
  const command = flags.raw === undefined ? 'kseal decrypt' : 'kseal decrypt --raw';
  const line = [command, ...paths.map(fileWord)].join(' ');
  return commandLine(line, { '-k': keys, ...openingOptions(flags) });
}

/** The command that moves the values of a file to another key. */
function rekeyCommand(path: string, flags: DecryptFlags): string {
  const keys = { '--to': 'NEW', '--from': flags.key };
  return commandLine(`kseal rekey ${fileWord(path)}`, { ...keys, ...openingOptions(flags) });
}

function openingOptions(flags: DecryptFlags) {
  return {
    '--config': flags.config,
    '--kms-endpoint': flags.kmsEndpoint,
    '--verify-signature': flags.verifySignature,
    '--accept-unbound': flags.acceptUnbound,
    '--allow-revoked': flags.allowRevoked,
  };
}

/** The command that was typed, with other keys. */
function again(paths: readonly string[], flags: DecryptFlags, keys: readonly string[]): string {
  return commandLine(commandFor(paths, flags, keys), {
    '--review': flags.review,
    '--only': flags.only,
    '--data-key': flags.dataKey,
    '--name': flags.name,
    '-n': flags.namespace,
    '--max-scope': flags.maxScope,
    '-o': flags.output,
    '--force': flags.force,
  });
}

async function openRaw(
  io: IO,
  path: string,
  { namespace, name, dataKey = '' }: DecryptFlags,
  keys: DecryptKeys,
): Promise<Uint8Array> {
  const bytes = withoutFinalNewline(await readInput(io, path));
  const jwe = readRaw(bytes, path);
  const { opened, warnings } = await keys.open(path, [jwe], async ({ keyring, policy }) => {
    const result = await unsealData({
      place: { namespace, name },
      data: new Map([[dataKey, bytes]]),
      read: () => jwe,
      keyring,
      policy,
    });
    const [error] = result.errors.values();
    if (error !== undefined) throw located(shownPath(path), error);
    return result;
  });
  for (const message of warnings.values()) warn(io, { message: `${shownPath(path)}: ${message}` });
  const plaintext = opened.get(dataKey);
  if (plaintext === undefined) throw new Error('a JWE was neither opened nor refused');
  return plaintext;
}

function readRaw(bytes: Uint8Array, path: string): CompactJwe {
  try {
    return readJwe(bytes, path);
  } catch (error) {
    throw located(shownPath(path), expected(error));
  }
}

/** Returns the webhook's answer to an AdmissionReview, byte for byte. */
async function answerReview(
  io: IO,
  path: string,
  flags: DecryptFlags,
  keys: DecryptKeys,
): Promise<string> {
  const { acceptUnbound = false, maxScope = DEFAULT_MAX_SCOPE } = flags;
  const keyring = await keys.given();
  const request = await readNamed(await readInput(io, path, MAX_REVIEW_BYTES), shownPath(path));
  const acceptsUnbound = () => acceptUnbound;
  const context = { keyring, isKeyringComplete: true, acceptsUnbound, maxScope };
  return answerText((await review(request, context)).response);
}

async function readNamed(bytes: Uint8Array, shown: string): Promise<AdmissionRequest> {
  try {
    return await readReview(bytes);
  } catch (error) {
    throw located(shown, expected(error));
  }
}

interface DecryptKeys extends Pick<Keys, 'given'> {
  /** Calls `unseal` with the keys for the values `sealed` of the file `path`. */
  readonly open: <T>(
    path: string,
    sealed: readonly CompactJwe[],
    unseal: (options: UnsealOptions) => Promise<T>,
  ) => Promise<T>;
}

function keysFor(io: IO, flags: DecryptFlags, paths: readonly string[]): DecryptKeys {
  const commandWith = (key: string) => again(paths, flags, [...flags.key, key]);
  const { given, find } = keysFrom(io, flags, paths, commandWith);
  return {
    given,
    open: async (path, sealed, unseal) => {
      const { keyring, policy, explain } = await find(path, sealed);
      try {
        return await unseal({ keyring, policy, namespace: flags.namespace });
      } catch (thrown) {
        throw await explain(thrown);
      }
    },
  };
}
