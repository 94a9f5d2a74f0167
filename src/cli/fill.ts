import { createPrivateKey, randomInt, X509Certificate } from 'node:crypto';
import { accessSync, constants, existsSync } from 'node:fs';
import { relative, resolve } from 'node:path';
import type { Command } from 'commander';
import { fileReference, parseReference } from '../config/config.ts';
import { type Diagnostic, errorFor } from '../diagnostic.ts';
import { attemptAll, type ErrorCode, expected, expectedErrors, KsealError } from '../errors.ts';
import { fileError, isSameFile, MAX_MANIFEST, readFile, readRegularFile } from '../fs/read.ts';
import { checkWritable, replaceFiles } from '../fs/write.ts';
import type { Scope } from '../jwe/binding.ts';
import { fingerprintOf } from '../jwe/thumbprint.ts';
import { forbiddenValue } from '../kubernetes/secret.ts';
import { newManifest } from '../manifest/new-manifest.ts';
import { refuseSops } from '../manifest/other-tools.ts';
import { sealedKeysIn, secretAt } from '../manifest/place.ts';
import { decodeManifest, readManifest } from '../manifest/read.ts';
import type { Manifest, SecretDocument } from '../manifest/types.ts';
import { makeUp, mismatchIn, type PemChecks, problemOf, progressOf } from '../request/answer.ts';
import {
  type AskedValue,
  type Format,
  isRequest,
  MAX_VALUE,
  readRequest,
  type SecretRequest,
  type Target,
} from '../request/request.ts';
import { allowedCodes, type NewValue, sealInto } from '../seal/seal.ts';
import { isMismatch, refusalOf, type ValuePolicy } from '../seal/value-warnings.ts';
import { manifestBeside, pathBeside } from '../sources/beside.ts';
import { counted, decodeUtf8, listOf, MAX_LISTED, printable, shellWord } from '../text.ts';
import { readInput, withoutFinalNewline } from './files.ts';
import type { IO } from './io.ts';
import { configOption, type KeyFlags } from './options.ts';
import { say, sayAll } from './print.ts';
import {
  askPath,
  askYesNo,
  canAsk,
  choose,
  promptLines,
  promptValue,
  showOnTerminal,
  withoutEcho,
} from './prompt.ts';
import { showOnce } from './seal-form.ts';
import { pinOf, type Setting, settingsFrom } from './sealing-key.ts';
import { capitalized, type Source, settle, stdinReaders } from './values.ts';

// `kseal fill` is for people who know what the value is, and nothing about Kubernetes: they read
// only the words of the request, which somebody else wrote and which may be hostile.

interface FillFlags extends KeyFlags {
  readonly pin?: string;
}

export function configure(command: Command, io: IO): void {
  const sources: Source[] = [];
  const option = (flags: string, kind: Source['kind'], help: string) =>
    command.option(flags, help, (text) => void sources.push({ kind, text }));
  command.argument('<request>', 'the file of the request');
  option('--from-file <key=path>', 'file', 'read an answer from a file instead of asking');
  option('--stdin <key>', 'stdin', 'read an answer from stdin instead of asking');
  command.option('--pin <kid>', 'the fingerprint that the key must have');
  command
    .option(...configOption)
    .action((path: string, flags: FillFlags) => fill(io, path, flags, sources));
}

async function fill(io: IO, path: string, flags: FillFlags, sources: Source[]): Promise<void> {
  const request = readRequestFile(io, path);
  checkSources(request, sources);
  pinOf(flags.pin);
  const isAsking = canAsk(io);
  if (isAsking) show(io, introduction(request));
  const found = await attemptAll(request.targets, (target) => placeOf(io, path, target));
  refuseTwins(found);
  const form: Form = { io, path, request, types: found.map(({ secret }) => secret.type) };
  const given = await givenAnswers(form, sources);
  const wanted = await wantedValues(form, found, given, isAsking);
  if (!isAsking && wanted.length > 0) throw unanswered(form, wanted, sources);
  const places: KeyedPlace[] = [];
  // Not all errors at once: after no to one key, nobody wants to be asked about the next.
  for (const place of found) {
    const setting = await fitting(place.shown, () => settingOf(io, path, place, flags));
    places.push({ ...place, setting });
  }
  const answers = await withoutEcho(io, () => askAll(form, wanted, given));
  if (answers.size === 0) return say(io, 'note', 'nothing was changed');
  const results = await sealAll(places, request, answers);
  await confirm(form, results, answers, isAsking);
  await replaceFiles(results.map(asReplacement), { makeFolders: true });
  sayAll(
    io,
    'file',
    results.map(({ shown }) => ({ kind: 'note', text: `wrote ${shown}` })),
  );
  const receiver = request.from === undefined ? 'the person who asked' : request.from;
  say(
    io,
    'note',
    `commit ${results.length > 1 ? 'the files, or send them' : 'the file, or send it'} to ${receiver}`,
  );
}

/**
 * Reads and checks a request. Throws IO, or CONFIG_INVALID without the problems of a malformed one,
 * which are in the words of its author.
 */
function readRequestFile(io: IO, path: string): SecretRequest {
  const source = decodeUtf8(readRegularFile(resolve(io.cwd, path), path, MAX_VALUE));
  if (source === undefined || !isRequest(source)) {
    throw new KsealError('CONFIG_INVALID', 'is not a request: it has no line ksealRequest: 1', {
      thing: path,
      hint: 'to write a request: kseal request',
    });
  }
  const { request, problems } = readRequest(source);
  if (request !== undefined) return request;
  const count = problems.length === 0 ? 'nothing in it' : counted(problems.length, 'mistake');
  throw new KsealError('CONFIG_INVALID', `the request has ${count}, so it cannot be answered`, {
    thing: path,
    hint: `tell the person who sent it to you; to list them: kseal verify ${shellWord(path)}`,
  });
}

/** The context of every question. */
interface Form {
  readonly io: IO;
  /** The path of the request, as the user typed it. */
  readonly path: string;
  readonly request: SecretRequest;
  /** The types of the Secrets. */
  readonly types: readonly (string | undefined)[];
}

/** A target, and what is there. */
interface Place {
  readonly target: Target;
  /** The absolute path, and the one that is shown. */
  readonly file: string;
  readonly shown: string;
  readonly isNew: boolean;
  readonly manifest: Manifest;
  readonly secret: SecretDocument;
}

interface KeyedPlace extends Place {
  readonly setting: Setting;
}

/** Throws MANIFEST_INVALID if links lead from two targets to one file. */
function refuseTwins(places: readonly Place[]): void {
  for (const [index, { file, target }] of places.entries()) {
    const twin = places
      .slice(0, index)
      .find((other) => other.file === file || isSameFile(other.file, file));
    if (twin !== undefined) throw broken(target.file, `is the same file as ${twin.target.file}`);
  }
}

/**
 * The request is at fault, and not the person who answers it. The cause is in the words of its
 * author, and so only `--debug` prints it.
 */
function broken(thing: string, problem: string, cause?: unknown): KsealError {
  const debug = cause === undefined ? '' : ', with the reason that --debug prints';
  const hint = `tell the person who sent you the request${debug}`;
  return new KsealError('MANIFEST_INVALID', problem, { thing, hint, cause });
}

/** The errors that the person who answers can do something about. */
const own: readonly ErrorCode[] = [
  ...(['INTERRUPTED', 'KEY_MISMATCH', 'KEY_NOT_FOUND', 'KEY_DENIED'] as const),
  ...(['KEY_CREDENTIALS', 'KEY_UNAVAILABLE', 'KEY_DEADLINE'] as const),
];

/** Runs `action`, and turns the errors of the request or its repository into `broken`. */
async function fitting<T>(shown: string, action: () => Promise<T>): Promise<T> {
  try {
    return await action();
  } catch (thrown) {
    const codes = expectedErrors(thrown).map(({ code }) => code);
    if (codes.some((code) => own.includes(code))) throw thrown;
    const isLarge = codes.includes('VALUE_REFUSED');
    const problem = isLarge
      ? 'has no room for answers of this size'
      : 'cannot be written as the request says';
    throw broken(shown, problem, thrown);
  }
}

/** Finds the file of a target, and everything about it that can fail before the first question. */
async function placeOf(io: IO, path: string, target: Target): Promise<Place> {
  const file = manifestBeside(resolve(io.cwd, path), target.file);
  const shown = relative(io.cwd, file);
  const isNew = !existsSync(file);
  if (isNew) checkWritable(file, shown, true);
  else checkChangeable(file, shown);
  const manifest = isNew ? emptyManifest(target) : existingManifest(file, shown);
  const secret = secretAt(manifest, target);
  if (secret === undefined) throw broken(shown, 'exists, but has no place for these answers');
  return { target, file, shown, isNew, manifest, secret };
}

/** Loads the key of a target, which has to be confirmed the first time. */
function settingOf(
  io: IO,
  path: string,
  { target, file }: Place,
  flags: FillFlags,
): Promise<Setting> {
  const { field, namespace, scope } = target;
  const key = keyFor(io, resolve(io.cwd, path), target);
  const given = {
    ...flags,
    isForeign: true,
    namespace,
    ...(key === undefined ? {} : { key }),
    ...(scope === undefined ? {} : { scope }),
    ...(field === undefined ? {} : { stringData: field === 'stringData' }),
  };
  return settingsFrom(io, given, { isQuiet: true })([file]);
}

/** Throws IO unless the file may be changed: replacing it would not need the permission. */
function checkChangeable(file: string, shown: string): void {
  try {
    accessSync(file, constants.W_OK);
  } catch (error) {
    throw fileError(shown, 'write', error);
  }
}

function emptyManifest({ name, namespace, type, file }: Target): Manifest {
  const none = new Map<string, string>();
  const json = file.endsWith('.json');
  return newManifest({ name, namespace, type, labels: none, annotations: none, json });
}

function existingManifest(file: string, shown: string): Manifest {
  try {
    const text = decodeManifest(readRegularFile(file, shown, MAX_MANIFEST), shown);
    const manifest = readManifest(text, shown);
    refuseSops(manifest, shown);
    const [problem] = manifest.problems;
    if (problem === undefined) return manifest;
    throw errorFor(shown, problem);
  } catch (thrown) {
    throw broken(shown, 'exists, but cannot be changed', expected(thrown));
  }
}

/** The key of a target as `-k` takes it: a configured name, or a path from the current folder. */
function keyFor({ cwd }: IO, request: string, { key }: Target): string | undefined {
  if (key === undefined || parseReference(key).kind === 'name') return key;
  return fileReference(relative(cwd, pathBeside(request, key)));
}

/** Marks the words of the request: they may be those of somebody who wants to be trusted. */
function introduction({ title, from, note, values }: SecretRequest): readonly string[] {
  return [
    '',
    `You are asked for ${counted(values.length, 'value')}. The request says:`,
    `  For: ${title}`,
    ...(from === undefined ? [] : [`  From: ${from}`]),
    ...(note === undefined ? [] : [`  Note: ${note}`]),
    'Nobody has checked who wrote this.',
    '',
    'Your answers are encrypted here, on this computer. Ctrl-C stops without writing.',
  ];
}

/**
 * Shows lines. Control characters of the request are escaped, and many spaces become one, so that
 * they do not move its words to a line that seems to be from kseal.
 */
function show(io: IO, lines: readonly string[]): void {
  const shown = lines.map((line) => printable(line).replace(/(?<=\S) +/g, ' '));
  showOnTerminal(io, shown.join('\n'), true);
}

/** A value, and the way in which it was given, which the summary shows. */
interface Answer extends NewValue {
  readonly how: string;
}

/** By data key. */
type Answers = ReadonlyMap<string, Answer>;

/** The data key and the file of an answer on the command line; `-` is stdin. */
function keyAndPath({ kind, text }: Source): readonly [key: string, path: string] {
  const at = text.indexOf('=');
  return kind === 'stdin' ? [text, '-'] : [text.slice(0, Math.max(at, 0)), text.slice(at + 1)];
}

function checkSources({ values }: SecretRequest, sources: readonly Source[]): void {
  const given = new Set<string>();
  for (const source of sources) {
    const [key] = keyAndPath(source);
    const option = source.kind === 'stdin' ? '--stdin' : '--from-file';
    if (given.has(key)) {
      const hint = 'omit one of them';
      throw new KsealError('USAGE', `${key} is given twice`, { thing: option, hint });
    }
    given.add(key);
    if (values.some((asked) => asked.key === key)) continue;
    const form = source.kind === 'stdin' ? '--stdin KEY' : '--from-file KEY=PATH';
    throw new KsealError('USAGE', `${form} needs one of the keys of the request`, {
      hint: `use one of ${listOf(values.map(({ key }) => key))}`,
    });
  }
  if (stdinReaders(sources) < 2) return;
  throw new KsealError('USAGE', 'only one answer can be read from stdin', {
    hint: 'read the others from files: --from-file KEY=PATH',
  });
}

/** The answers on the command line. Throws IO, or VALUE_REFUSED for a bad one. */
async function givenAnswers(form: Form, sources: readonly Source[]): Promise<Answers> {
  const answers = new Map<string, Answer>();
  for (const source of sources) {
    const [key, path] = keyAndPath(source);
    const asked = form.request.values.find((one) => one.key === key);
    if (asked === undefined) continue;
    const read = await readInput(form.io, path, MAX_VALUE);
    // The newline at the end of a file or of the output of echo is not part of one line.
    const bytes = ['text', 'url'].includes(asked.format) ? withoutFinalNewline(read) : read;
    const problem = problemWith(form, asked, bytes);
    if (problem !== undefined) {
      const hint = asked.help ?? 'correct it, or omit the option to be asked';
      const words = `${problem.charAt(0).toLowerCase()}${problem.slice(1)}`.replace(/\.$/, '');
      throw new KsealError('VALUE_REFUSED', words, { thing: asked.label, hint });
    }
    const options = { policy: policyFor(asked), type: undefined };
    answers.set(key, {
      ...(await settle(form.io, { key, bytes }, undefined, options)),
      how: 'given',
    });
  }
  const mismatch = mismatchIn(form.request, answers, pem);
  if (mismatch === undefined) return answers;
  const hint = 'give a certificate and a private key that were made for each other';
  throw new KsealError('VALUE_REFUSED', NO_PAIR, { thing: mismatch.key.label, hint });
}

const NO_PAIR = 'the private key does not belong to the certificate';

const pem: PemChecks = {
  isCertificate: (text) => succeeds(() => new X509Certificate(text)),
  isPrivateKey: (text) => succeeds(() => createPrivateKey(text)),
  isMismatch,
};

function succeeds(action: () => unknown): boolean {
  try {
    action();
    return true;
  } catch {
    return false;
  }
}

/** The problem with an answer, as a sentence; undefined for a good one. */
function problemWith({ types }: Form, asked: AskedValue, bytes: Uint8Array): string | undefined {
  const problem = problemOf(asked, bytes, pem);
  if (problem !== undefined) return problem;
  const refusal = refusalOf({ key: asked.key, bytes }, undefined);
  if (refusal !== undefined) return `It cannot be used: ${refusal.problem}.`;
  const isForbidden = types.some((type) => forbiddenValue(type, asked.key, bytes) !== undefined);
  return isForbidden ? 'It is not a JSON object, a text such as {"auths": {…}}.' : undefined;
}

/** Allows an empty answer if the request does. */
function policyFor({ min }: AskedValue): ValuePolicy {
  return { strict: false, allow: new Set(min === 0 ? ['empty'] : []) };
}

/** The values to ask for: those that a target lacks, and those that are to be replaced. */
async function wantedValues(
  { io, request }: Form,
  places: readonly Place[],
  given: Answers,
  isAsking: boolean,
): Promise<readonly AskedValue[]> {
  const { missing } = progressOf(
    request,
    places.map(({ secret }) => sealedKeysIn(secret)),
  );
  const lacking = new Set(missing.flatMap(({ values }) => values));
  const open = request.values.filter(({ key }) => !given.has(key));
  const known = open.filter((asked) => !lacking.has(asked));
  if (known.length === 0 || !isAsking) return open.filter((asked) => lacking.has(asked));
  const labels = listed(known.map(({ label }) => `  ${label}`));
  show(io, ['', 'Answered already:', ...labels]);
  const replace = await askYesNo(io, 'Do you want to replace these answers?', false);
  return open.filter((asked) => replace || lacking.has(asked));
}

/** At most ten lines, and one that counts the others. */
function listed(lines: readonly string[]): readonly string[] {
  const more = lines.length - MAX_LISTED;
  return more > 0 ? [...lines.slice(0, MAX_LISTED), `  and ${more} more`] : lines;
}

function unanswered(
  { path }: Form,
  wanted: readonly AskedValue[],
  sources: readonly Source[],
): KsealError {
  const labels = listOf(wanted.map(({ label }) => label));
  const given = sources.map(({ kind, text }) =>
    kind === 'stdin' ? `--stdin ${text}` : `--from-file ${shellWord(text)}`,
  );
  const missing = wanted.map(({ key }) => `--from-file ${key}=PATH`);
  return new KsealError('USAGE', `cannot ask without a terminal for: ${labels}`, {
    thing: path,
    hint: ['kseal fill', shellWord(path), ...given, ...missing].join(' '),
  });
}

/** Asks for all values, until each is good and the private keys fit the certificates. */
async function askAll(form: Form, wanted: readonly AskedValue[], given: Answers): Promise<Answers> {
  const answers = new Map(given);
  const ask = async (asked: AskedValue, place: string) => {
    answers.set(asked.key, await askFor(form, asked, place));
  };
  for (const [index, asked] of wanted.entries()) {
    await ask(asked, `${index + 1} of ${wanted.length}`);
    const mismatch = () => mismatchIn(form.request, answers, pem);
    for (let wrong = mismatch(); wrong !== undefined; wrong = mismatch()) {
      const choices = [wrong.key, wrong.certificate].map((value) => ({
        value,
        label: value.label,
      }));
      const question = `The private key does not belong to the certificate.\nWhich one do you want to give again?`;
      const again = await choose(form.io, question, choices);
      if (again === undefined) break;
      await ask(again, 'Again');
    }
  }
  return answers;
}

interface Reading {
  readonly bytes: Uint8Array;
  readonly how: string;
}

/** A way to give an answer. */
interface Way {
  readonly label: string;
  readonly again: string;
  /** Nobody is asked about defects, because the answer is made up as the request wants it. */
  readonly isSafe?: true;
  readonly read: (form: Form, asked: AskedValue) => Promise<Reading>;
}

const hints = {
  noTerminal: 'run it in a terminal',
  severalLines: 'give one line',
};

const typed: Way = {
  label: 'Type it',
  again: 'Type it again',
  read: async (form, asked) => {
    const check = (text: string) => problemWith(form, asked, Buffer.from(text));
    const question = { question: 'Your answer', thing: asked.label, hints, check };
    return { bytes: Buffer.from(await promptValue(form.io, question)), how: 'typed' };
  },
};

const pasted: Way = {
  label: 'Type or paste it here',
  again: 'Type or paste it again',
  read: async ({ io }, asked) => {
    const question = { question: 'Your answer', thing: asked.label, hints };
    const text = await promptLines(io, question);
    // A file in PEM ends with a newline, even if it has only one line.
    const isPem = asked.format.startsWith('pem-') && text !== '' && !text.endsWith('\n');
    return { bytes: Buffer.from(isPem ? `${text}\n` : text), how: 'typed' };
  },
};

const fromFile: Way = {
  label: 'Take it from a file',
  again: 'Take another file',
  read: async ({ io }) => {
    const path = (await askPath(io, 'Which file is it in?')) ?? '';
    return { bytes: readFile(resolve(io.cwd, path), path, MAX_VALUE), how: `from ${path}` };
  },
};

const madeUp: Way = {
  label: 'Let kseal make one up',
  again: 'Make up another one',
  isSafe: true,
  read: async (form, asked) => {
    const text = madeUpFor(form, asked);
    if (await askYesNo(form.io, 'Show it once, so that you can keep a copy?', true))
      await showOnce(form.io, text);
    return { bytes: Buffer.from(text), how: 'made up' };
  },
};

const MADE_UP_TRIES = 1000;

function madeUpFor(form: Form, asked: AskedValue): string {
  for (let tries = 0; tries < MADE_UP_TRIES; tries++) {
    const text = makeUp(asked, (below) => randomInt(below));
    if (problemWith(form, asked, Buffer.from(text)) === undefined) return text;
  }
  throw new KsealError('VALUE_REFUSED', 'it cannot be made up');
}

const ways: Readonly<Record<Format, readonly Way[]>> = {
  text: [typed],
  url: [typed],
  lines: [pasted, fromFile],
  json: [pasted, fromFile],
  'pem-certificate': [fromFile, pasted],
  'pem-private-key': [fromFile, pasted],
  file: [fromFile],
};

/** Asks for one value, again and again until the answer is good. Throws INTERRUPTED. */
async function askFor(form: Form, asked: AskedValue, place: string): Promise<Answer> {
  const { io } = form;
  const heading = [
    '',
    `${place}: ${asked.label}`,
    ...(asked.help === undefined ? [] : [asked.help]),
  ];
  show(io, heading);
  const possible = [...ways[asked.format], ...(asked.generate === undefined ? [] : [madeUp])];
  for (;;) {
    const choices = possible.map((way) => ({ value: way, label: way.label }));
    const [only = typed, second] = possible;
    const way =
      second === undefined ? only : await choose(io, 'How do you want to give it?', choices);
    const answer = way && (await answerBy(way, form, asked));
    if (answer !== undefined) return answer;
  }
}

/** Reads one answer and asks about its defects. For a bad one, shows the problem; undefined. */
async function answerBy(way: Way, form: Form, asked: AskedValue): Promise<Answer | undefined> {
  const { io } = form;
  let reading = await readBy(way, form, asked);
  if (reading === undefined) return undefined;
  let value: NewValue = { key: asked.key, bytes: reading.bytes };
  if (!way.isSafe) {
    const read = async () => {
      do reading = await readBy(way, form, asked);
      while (reading === undefined);
      return reading.bytes;
    };
    const retry = { label: way.again, read };
    value = await settle(io, value, retry, { policy: policyFor(asked), type: undefined });
  }
  // Repairing a defect may have changed the length.
  const problem = problemWith(form, asked, value.bytes);
  if (problem === undefined) return { ...value, how: reading?.how ?? '' };
  show(io, [problem]);
  return undefined;
}

/** Reads one answer. If it is not what is asked for, shows the problem; undefined. */
async function readBy(way: Way, form: Form, asked: AskedValue): Promise<Reading | undefined> {
  let problem: string | undefined;
  try {
    const reading = await way.read(form, asked);
    problem = problemWith(form, asked, reading.bytes);
    if (problem === undefined) return reading;
  } catch (thrown) {
    const error = expected(thrown);
    if (error.code !== 'VALUE_REFUSED' && error.code !== 'IO') throw thrown;
    problem = `${capitalized(error.problem)}.`;
  }
  show(form.io, [problem]);
  return undefined;
}

interface Result extends KeyedPlace {
  readonly text: string;
  readonly warnings: readonly Diagnostic[];
}

/** Seals the answers for every target. Throws VALUE_REFUSED, and writes nothing. */
async function sealAll(
  places: readonly KeyedPlace[],
  { values }: SecretRequest,
  answers: Answers,
): Promise<readonly Result[]> {
  const newValues = values.flatMap(({ key }) => answers.get(key) ?? []);
  return Promise.all(
    places.map(async (place) => {
      const { shown, manifest, secret, setting } = place;
      const policy = { strict: false, allow: new Set<string>() };
      const changes = { values: newValues, remove: [] };
      const sealed = await fitting(shown, () =>
        sealInto(manifest, secret, changes, setting.key, { ...setting, policy }),
      );
      // The others are for the author of the request.
      const warnings = sealed.warnings.filter(({ code }) => allowedCodes.includes(code));
      return { ...place, text: sealed.text, warnings };
    }),
  );
}

/** Says where answers can be opened. */
const opens: Record<Scope, (target: Target) => string> = {
  strict: ({ namespace, name }) => `opens only as ${name} of ${namespace}`,
  'namespace-wide': ({ namespace }) => `opens anywhere in ${namespace}`,
  'cluster-wide': () => 'opens anywhere',
};

/** Shows what is about to be written, and asks whether to. Throws INTERRUPTED after no. */
async function confirm(
  { io, path, request: { values } }: Form,
  results: readonly Result[],
  answers: Answers,
  isAsking: boolean,
): Promise<void> {
  const notes = results.flatMap(({ shown, warnings }) =>
    warnings.map(({ key, message }) => {
      const asked = values.find((one) => one.key === key);
      return `${asked?.label ?? shown}: ${message}`;
    }),
  );
  const different = [...new Set(notes)];
  if (!isAsking) {
    const messages = different.map((text) => ({ kind: 'warning', text }) as const);
    return sayAll(io, 'warning', messages);
  }
  show(io, [
    '',
    'To be written:',
    ...listed(
      values.flatMap(({ key, label }) => {
        const answer = answers.get(key);
        return answer === undefined ? [] : `- ${label} (${answer.how})`;
      }),
    ),
    'Encrypted into:',
    ...results.flatMap(({ shown, isNew, target, setting: { key, title, scope } }) => [
      `- ${shown} (${isNew ? 'new' : 'changed'}), ${opens[scope](target)}`,
      `  Key: ${title} ${fingerprintOf(key?.kid ?? '')}`,
    ]),
    ...different.map((note) => `Note on ${note}.`),
  ]);
  if (await askYesNo(io, 'Write it?', true)) return;
  const hint = `kseal fill ${shellWord(path)}`;
  throw new KsealError('INTERRUPTED', 'nothing was written', { hint });
}

function asReplacement({ file, shown, isNew, manifest, text }: Result) {
  const madeFrom = isNew ? undefined : Buffer.from(manifest.source);
  return { path: file, shown, bytes: Buffer.from(text), isNew, madeFrom };
}
