import { basename, resolve } from 'node:path';
import { isSea } from 'node:sea';
import { type Command, Option } from 'commander';
import type { Config } from '../config/config.ts';
import { KsealError } from '../errors.ts';
import { printable } from '../text.ts';
import { type Shell, shells, wordsIn } from './completion-shells.ts';
import { optionsOf } from './help.ts';
import type { IO } from './io.ts';
import { colourChoices, writeStdout } from './print.ts';

const names = Object.keys(shells);

/** `load` loads another command and adds its arguments and options. */
export function configure(
  command: Command,
  io: IO,
  _exit: (code: number) => void,
  load: (name: string | undefined) => Promise<void>,
): void {
  command
    .argument('[shell]', `the shell to print a script for: ${names.join(', ')}`)
    .addOption(new Option('--words', 'answer the script').hideHelp())
    .action(async (name: string | undefined, { words }: { readonly words?: boolean }) => {
      if (name === undefined) return writeStdout(io, instructions(io));
      const shell = shellNamed(name);
      if (shell === undefined) throw usage(`not one of ${names.join(', ')}`, name);
      return writeStdout(io, words ? await answer(io, shell, command, load) : named(shell.script));
    });
}

function shellNamed(name: string): Shell | undefined {
  const known = name === 'pwsh' ? 'powershell' : name;
  return Object.hasOwn(shells, known) ? shells[known] : undefined;
}

/** A text with the name of the single executable in place of kseal, if it was started by another. */
function named(text: string): string {
  const name = isSea() ? basename(process.argv0, '.exe') : 'kseal';
  // Any other name would have to be quoted.
  return /^[\w.-]+$/.test(name) ? text.replaceAll(/\bkseal\b/g, name) : text;
}

/** Explains how to turn on completion in the shell of the user. Throws USAGE for an unknown one. */
function instructions({ env, stdout }: IO): string {
  // Git Bash on Windows has a path with the extension.
  const name = basename(env.SHELL ?? '', '.exe');
  const shell = stdout.isTTY ? shellNamed(name) : undefined;
  if (shell === undefined) throw usage(`no shell given: use one of ${names.join(', ')}`);
  return `To complete with Tab in ${name}, add this line to ${shell.file}:\n\n  ${named(shell.line)}\n\nThen open a new terminal.\n`;
}

function usage(problem: string, thing?: string): KsealError {
  return new KsealError('USAGE', problem, { thing, hint: 'kseal completion bash' });
}

/** Answers the script of a shell. Never throws, because a shell at work must not be disturbed. */
async function answer(
  io: IO,
  { escapeCharacter, insert }: Shell,
  self: Command,
  load: (name: string | undefined) => Promise<void>,
): Promise<string> {
  try {
    const [line = '', replaced = ''] = (await textOf(io.stdin)).split('\0');
    const { words, isRedirected } = wordsIn(line, escapeCharacter);
    const offer = isRedirected ? files : await offerFor(io, self, load, words);
    const { candidates, kind = 'words', prefix = '' } = offer;
    const typed = (words.at(-1) ?? '').slice(prefix.length);
    const before = wordsIn(line.slice(0, line.length - replaced.length), escapeCharacter);
    const kept = line.endsWith(replaced) ? (before.words.at(-1)?.length ?? 0) : 0;
    const rows = candidates
      // A word that a shell would have to quote is not offered.
      .filter(({ word }) => word.startsWith(typed) && /^[\w@%+=:,./-]+$/.test(word))
      .map(({ word, text = '' }) => `${insert(prefix, word, kept)}\t${printable(text)}\n`);
    const shown = new Set(rows.filter((row) => !row.startsWith('\t')));
    return `${kind}\t${prefix}\n${[...shown].join('')}`;
  } catch {
    return '';
  }
}

/** All of stdin. It is read here, because files.ts would load the readers of manifests. */
async function textOf(stdin: IO['stdin']): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of stdin) chunks.push(chunk);
  return Buffer.concat(chunks).toString('utf8');
}

interface Candidate {
  readonly word: string;
  readonly text?: string | undefined;
}

/** Words, and files or folders, that can be at the cursor. */
interface Offer {
  readonly candidates: readonly Candidate[];
  readonly kind?: 'files' | 'folders';
  /** The beginning of the word at the cursor that the candidates do not include. */
  readonly prefix?: string;
}

const nothing: Offer = { candidates: [] };
const files: Offer = { candidates: [], kind: 'files' };

function choices(words: readonly string[]): Offer {
  return { candidates: words.map((word) => ({ word })) };
}

/** Offers what can be at the end of `words`, the command line up to the cursor. */
async function offerFor(
  io: IO,
  self: Command,
  load: (name: string | undefined) => Promise<void>,
  words: readonly string[],
): Promise<Offer> {
  // A shell may include assignments: NO_COLOR=1 kseal seal.
  let rest = words.slice(words.findIndex((word) => !/^\w+=/.test(word)) + 1);
  let command = self.parent ?? self;
  let isHelp = false;
  while (command.commands.length > 0) {
    const at = rest.findIndex((word, index) => !word.startsWith('-') && !isColour(rest, index));
    const name = rest[at];
    if (at === rest.length - 1) return commandsOf(command);
    if (name === undefined) break;
    rest = rest.toSpliced(at, 1);
    if (name === 'help') isHelp = true;
    else {
      const chosen = command.commands.find((candidate) => candidate.name() === name);
      if (chosen === undefined) return nothing;
      // `webhook` adds its own commands when it is loaded.
      if (chosen !== self && command === self.parent) await load(name);
      command = chosen;
    }
  }
  return isHelp ? nothing : offerIn(readLine(io, command, rest));
}

/** Whether a word is the argument of `--color`, which is optional. */
function isColour(words: readonly string[], index: number): boolean {
  const isLast = index === words.length - 1;
  return (
    words[index - 1] === '--color' && (isLast || colourChoices.some((one) => one === words[index]))
  );
}

function commandsOf(command: Command): Offer {
  const visible = command.createHelp().visibleCommands(command);
  return { candidates: visible.map((one) => ({ word: one.name(), text: one.description() })) };
}

/** The words after the name of a command, up to the cursor. */
interface Line {
  readonly io: IO;
  readonly command: Command;
  /** The options before the cursor, with their arguments. */
  readonly given: ReadonlyMap<Option, readonly string[]>;
  readonly operands: readonly string[];
  /** The word at the cursor. */
  readonly typed: string;
  /** The option whose argument is at the cursor, and the part of the word before the argument. */
  readonly option: Option | undefined;
  readonly prefix: string;
  /** Whether an option can be at the cursor. */
  readonly mayBeOption: boolean;
}

/** Reads words as commander does. */
function readLine(io: IO, command: Command, words: readonly string[]): Line {
  const given = new Map<Option, string[]>();
  const operands: string[] = [];
  let pending: Option | undefined;
  let areOptions = true;
  for (const word of words.slice(0, -1)) {
    const owner = ownerOf(word, pending);
    pending = undefined;
    if (owner !== undefined) given.get(owner)?.push(word);
    else if (areOptions && word === '--') areOptions = false;
    else if (!areOptions || !/^-./.test(word)) operands.push(word);
    else {
      for (const { option, argument } of optionsIn(command, word)) {
        given.set(option, [...(given.get(option) ?? []), ...(argument ?? [])]);
        if (takesArgument(option) && argument === undefined) pending = option;
      }
    }
  }
  const typed = words.at(-1) ?? '';
  const owner = ownerOf(typed, pending);
  const mayBeOption = areOptions && owner === undefined;
  const { option, argument: [text] = [] } = (mayBeOption && optionsIn(command, typed).at(-1)) || {};
  return {
    ...{ io, command, given, operands, typed, mayBeOption },
    option: owner ?? (text === undefined ? undefined : option),
    prefix: text === undefined ? '' : typed.slice(0, typed.length - text.length),
  };
}

/** The option before a word, if the word is its argument. */
function ownerOf(word: string, option: Option | undefined): Option | undefined {
  return option?.optional && word.startsWith('-') ? undefined : option;
}

function takesArgument({ required, optional }: Option): boolean {
  return required || optional;
}

interface OptionWord {
  readonly option: Option;
  readonly argument?: readonly [string];
}

/** The options in a word: `--key=prod` and `-kprod` include the argument, and `-ik` is two options. */
function optionsIn(command: Command, word: string): readonly OptionWord[] {
  const named = (flag: string) =>
    optionsOf(command).find((option) => [option.short, option.long].includes(flag));
  const [, long, argument] = /^(--[^=]+)(?:=(.*))?$/s.exec(word) ?? [];
  if (long !== undefined) {
    const option = named(long);
    if (option === undefined) return [];
    return [argument === undefined ? { option } : { option, argument: [argument] }];
  }
  const found: OptionWord[] = [];
  for (let at = 1; at < word.length; at++) {
    const option = word.startsWith('-') ? named(`-${word.charAt(at)}`) : undefined;
    if (option === undefined) break;
    const rest = word.slice(at + 1);
    if (rest !== '' && takesArgument(option)) return [...found, { option, argument: [rest] }];
    found.push({ option });
  }
  return found;
}

/** The options that can still be given. */
function optionsLeft({ command, given, typed }: Line): Offer {
  const candidates = optionsOf(command)
    .filter((option) => !given.has(option) || isRepeatable(option))
    .flatMap(({ short, long, description: text }) => {
      // A short name is offered only if it is typed already, so that Tab confirms it.
      const word = short === typed ? short : (long ?? short);
      return word === undefined ? [] : { word, text };
    });
  return { candidates };
}

function isRepeatable({ long, defaultValue }: Option): boolean {
  return Array.isArray(defaultValue) || valueSources.includes(`${long}`);
}

/** The value sources of `seal` may be repeated although they do not start with a list. */
const valueSources = ['--prompt', '--from-file', '--from-env-file', '--from-literal', '--from-jwe'];

async function offerIn(line: Line): Promise<Offer> {
  const { command, operands, typed, option, prefix, mayBeOption } = line;
  if (option !== undefined) {
    const [, value] = /[<[](.*)[>\]]$/.exec(option.flags) ?? [];
    const source = sources[`${option.long}`] ?? sources[`<${value}>`];
    const offer = await offerOf(option.argChoices, source, line);
    return { ...offer, prefix: prefix + (offer.prefix ?? '') };
  }
  if (mayBeOption && typed.startsWith('-')) return optionsLeft(line);
  const declared = command.registeredArguments;
  const argument = declared[operands.length] ?? declared.find(({ variadic }) => variadic);
  const offer = await offerOf(argument?.argChoices, sources[`${argument?.name()}`], line);
  const isEmpty = offer.kind === undefined && offer.candidates.length === 0;
  return isEmpty && mayBeOption && typed === '' ? optionsLeft(line) : offer;
}

async function offerOf(
  words: readonly string[] | undefined,
  source: Source | undefined,
  line: Line,
): Promise<Offer> {
  return words === undefined ? ((await source?.(line)) ?? nothing) : choices(words);
}

type Source = (line: Line) => Offer | Promise<Offer>;

/** By the name of an option, of what an option takes, or of an argument. */
const sources: Readonly<Record<string, Source>> = {
  '<file>': () => files,
  '<path>': () => files,
  '<prefix>': () => files,
  '<glob>': () => files,
  '<dir>': () => ({ ...files, kind: 'folders' }),
  shell: () => choices(names),
  file: () => files,
  path: () => files,
  request: () => files,
  '--from-file': fileAfterKey,
  '--from-jwe': fileAfterKey,
  '--key': keyReferences,
  '--fail-if-kid': keyNames,
  source: async (line) => {
    if (isGiven(line, '--check')) return keyNames(line);
    return line.operands.length > 0 ? nothing : keyReferences(line);
  },
  '--namespace': namespaces,
  '<namespace>': namespaces,
  '--name': secretNames,
  name: (line) => {
    if (isGiven(line, '--file')) return files;
    return line.operands.length > 0 ? nothing : secretNames(line);
  },
  '<key>': dataKeys,
  '<type>': async () => choices((await import('../kubernetes/secret.ts')).secretTypes),
  '<id>': async () => choices((await import('../seal/seal.ts')).allowedCodes),
  '<rule>': explained,
};

/** The first argument of an option before the cursor. */
function argumentOf({ given }: Line, long: string): string | undefined {
  return [...given].find(([option]) => option.long === long)?.[1][0];
}

function isGiven({ given }: Line, long: string): boolean {
  return [...given.keys()].some((option) => option.long === long);
}

/** A path, or KEY=PATH. */
function fileAfterKey({ typed, prefix }: Line): Offer {
  const [key = ''] = /^[-._a-zA-Z0-9]+=/.exec(typed.slice(prefix.length)) ?? [];
  return { ...files, prefix: key };
}

async function explained(): Promise<Offer> {
  const { rules } = await import('../verify/rules/index.ts');
  return { candidates: rules.map(({ id, summary }) => ({ word: id, text: summary })) };
}

/**
 * The configuration for the file that is written or read, or else for the current folder; undefined
 * if it has errors.
 */
async function configOf(line: Line): Promise<Config | undefined> {
  const { configFor } = await import('./options.ts');
  const config = argumentOf(line, '--config');
  const output = argumentOf(line, '--output') ?? inputOf(line);
  try {
    return configFor(line.io, config === undefined ? {} : { config }, output);
  } catch {
    return undefined;
  }
}

async function keyNames(line: Line): Promise<Offer> {
  const keys = (await configOf(line))?.keys ?? [];
  const candidates = [...keys].map(([word, { title, state }]) => ({
    word,
    text: [title, state].filter(Boolean).join(', '),
  }));
  return { candidates };
}

/** Names of configured keys and files, or after the scheme of a provider the configured sources. */
async function keyReferences(line: Line): Promise<Offer> {
  // A key that is configured already needs no configuration.
  if (line.command.name() === 'init') return files;
  if (!/^[a-z+]{2,}:/.test(line.typed.slice(line.prefix.length)))
    return { ...(await keyNames(line)), kind: 'files' };
  const keys = (await configOf(line))?.keys ?? [];
  return choices([...keys].flatMap(([, { source }]) => source ?? []));
}

async function namespaces(line: Line): Promise<Offer> {
  const rules = (await configOf(line))?.rules ?? [];
  const secrets = await secretsIn(line);
  return choices([...rules, ...secrets].flatMap(({ namespace }) => namespace ?? []));
}

async function secretNames(line: Line): Promise<Offer> {
  return choices((await secretsIn(line)).flatMap(({ name }) => name ?? []));
}

/** The data keys of the chosen Secrets, and for a new value also those that their type requires. */
async function dataKeys(line: Line): Promise<Offer> {
  const { missingKeys } = await import('../kubernetes/secret.ts');
  const type = argumentOf(line, '--type');
  const isNew = ['--prompt', '--stdin'].includes(`${line.option?.long}`);
  const secrets = [...(await secretsIn(line)), { type, keys: [] }];
  const keys = secrets.flatMap((secret) => [
    ...secret.keys,
    ...(isNew ? missingKeys(secret.type, new Set(secret.keys)).map(({ key }) => key) : []),
  ]);
  const used = [...line.given].flatMap(([{ flags }, words]) =>
    flags.endsWith('<key>') ? words : [],
  );
  return choices(keys.filter((key) => !used.includes(key)));
}

/** A Secret in the file of the command line, or the place of a bare JWE. */
interface FoundSecret {
  readonly name?: string | undefined;
  readonly namespace?: string | undefined;
  readonly type?: string | undefined;
  readonly keys: readonly string[];
}

/** A larger file takes too long to read between two keys. */
const MAX_BYTES = 1024 * 1024;

/** The file whose Secrets are meant. */
function inputOf(line: Line): string | undefined {
  const named = ['--into', '--raw', '--file'].map((long) => argumentOf(line, long));
  return [...named, line.operands[0]].find((path) => path !== undefined);
}

/** The Secrets that the options before the cursor select; none if the file cannot be read. */
async function secretsIn(line: Line): Promise<readonly FoundSecret[]> {
  const path = inputOf(line);
  return path === undefined ? [] : readSecrets(line, path).catch(() => []);
}

async function readSecrets(line: Line, shown: string): Promise<readonly FoundSecret[]> {
  const { readRegularFile } = await import('../fs/read.ts');
  const { cwd, env } = line.io;
  const path = resolve(cwd, shown.replace(/^~(?=\/)/, env.HOME ?? '~'));
  const bytes = readRegularFile(path, shown, MAX_BYTES);
  if (argumentOf(line, '--raw') !== undefined) {
    const { withoutFinalNewline } = await import('./files.ts');
    const { readJwe } = await import('../jwe/detect.ts');
    const { binding } = readJwe(withoutFinalNewline(bytes), shown).header;
    if (binding === undefined) return [];
    return [{ ...binding, keys: 'key' in binding ? [binding.key] : [] }];
  }
  if (line.command.name() === 'fill') {
    const { readRequest } = await import('../request/request.ts');
    const { request } = readRequest(bytes.toString('utf8'));
    return [{ keys: request?.values.map(({ key }) => key) ?? [] }];
  }
  const { decodeManifest, readManifest } = await import('../manifest/read.ts');
  const { secrets } = readManifest(decodeManifest(bytes, shown), shown);
  const name = isGiven(line, '--into') ? line.operands[0] : argumentOf(line, '--name');
  const namespace = argumentOf(line, '--namespace');
  return secrets
    .filter((secret) => name === undefined || secret.name === name)
    .filter((secret) => namespace === undefined || (secret.namespace ?? namespace) === namespace)
    .map(({ entries, ...secret }) => ({ ...secret, keys: entries.map(({ key }) => key) }));
}
