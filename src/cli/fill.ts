import { createPrivateKey, randomInt, X509Certificate } from 'node:crypto';
import { existsSync } from 'node:fs';
import { relative, resolve } from 'node:path';
import type { Command } from 'commander';
import { fileReference, parseReference } from '../config/config.ts';
import type { Diagnostic } from '../diagnostic.ts';
import { attemptAll, expected, KsealError, throwAll } from '../errors.ts';
import { isSameFile, readRegularFile } from '../fs/read.ts';
import { checkWritable, replaceFiles } from '../fs/write.ts';
import type { Scope } from '../jwe/binding.ts';
import { fingerprintOf } from '../jwe/thumbprint.ts';
import { forbiddenValue } from '../kubernetes/secret.ts';
import { newManifest } from '../manifest/edit.ts';
import { refuseSops } from '../manifest/other-tools.ts';
import { sealedKeysIn, secretAt } from '../manifest/place.ts';
import { readManifest } from '../manifest/read.ts';
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
import { isMismatch } from '../seal/value-warnings.ts';
import { pathBeside } from '../sources/beside.ts';
import { decodeUtf8, printable, shellWord } from '../text.ts';
import { readInput, readManifestFile } from './files.ts';
import type { IO } from './io.ts';
import { configOption, type KeyFlags } from './options.ts';
import { say, sayAll, warningsAbout } from './print.ts';
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
import { type Setting, settingsFrom } from './sealing-key.ts';
import { capitalized, readValues, type Source, settle, stdinReaders } from './values.ts';

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
  const isAsking = canAsk(io);
  if (isAsking) show(io, introduction(request));
  const found = await attemptAll(request.targets, (target) => placeOf(io, path, target));
  refuseTwins(found);
  const form: Form = { io, path, request, types: found.map(({ secret }) => secret.type) };
  const given = await givenAnswers(form, sources);
  const wanted = await wantedValues(form, found, given, isAsking);
  if (!isAsking && wanted.length > 0) throw unanswered(form, wanted, sources);
  const places = await attemptAll(found, async (place) => ({
    ...place,
    setting: await settingOf(io, path, place, flags),
  }));
  const answers = await withoutEcho(io, () => askAll(form, wanted, given));
  if (answers.size === 0) return say(io, 'note', 'nothing was changed');
  const results = await sealAll(places, request, answers);
  await confirm(form, results, answers, isAsking);
  replaceFiles(results.map(asReplacement), { makeFolders: true });
  for (const { shown } of results) say(io, 'note', `wrote ${shown}`);
  const receiver = request.from === undefined ? 'the person who asked' : request.from;
  say(
    io,
    'note',
    `commit ${results.length > 1 ? 'the files, or send them' : 'the file, or send it'} to ${receiver}`,
  );
}

/** Reads and checks a request. Throws IO, or CONFIG_INVALID for each of its problems. */
function readRequestFile(io: IO, path: string): SecretRequest {
  const source = decodeUtf8(readRegularFile(resolve(io.cwd, path), path, MAX_VALUE));
  if (source === undefined || !isRequest(source)) {
    throw new KsealError('CONFIG_INVALID', 'is not a request: it has no line ksealRequest: 1', {
      thing: path,
      hint: 'to write a request: kseal request',
    });
  }
  const { request, problems } = readRequest(source);
  throwAll(
    problems.map(({ position: { line, column }, message, hint }) => {
      const thing = `${path}:${line}:${column}`;
      return new KsealError('CONFIG_INVALID', message, { thing, hint });
    }),
  );
  if (request !== undefined) return request;
  throw new KsealError('CONFIG_INVALID', 'is empty', { thing: path });
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
  for (const [index, { file, shown }] of places.entries()) {
    const twin = places.slice(0, index).find((other) => isSameFile(other.file, file));
    if (twin !== undefined) throw broken(shown, `is the same file as ${twin.shown}`);
  }
}

/** The request is at fault, and not the person who answers it. */
function broken(thing: string, problem: string, cause?: unknown): KsealError {
  const hint = 'tell the person who sent you the request';
  return new KsealError('MANIFEST_INVALID', problem, { thing, hint, cause });
}

/** Finds the file of a target, and everything about it that can fail before the first question. */
async function placeOf(io: IO, path: string, target: Target): Promise<Place> {
  const file = pathBeside(resolve(io.cwd, path), target.file);
  const shown = relative(io.cwd, file);
  const isNew = !existsSync(file);
  if (isNew) checkWritable(file, shown, true);
  const manifest = isNew ? emptyManifest(target) : await existingManifest(io, shown);
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
  const own = {
    ...flags,
    isForeign: true,
    namespace,
    ...(key === undefined ? {} : { key }),
    ...(scope === undefined ? {} : { scope }),
    ...(field === undefined ? {} : { stringData: field === 'stringData' }),
  };
  return settingsFrom(io, own, { isQuiet: true })([file]);
}

function emptyManifest({ name, namespace, type, file }: Target): Manifest {
  const none = new Map<string, string>();
  const json = file.endsWith('.json');
  return readManifest(
    newManifest({ name, namespace, type, labels: none, annotations: none, json }),
    '',
  );
}

async function existingManifest(io: IO, shown: string): Promise<Manifest> {
  try {
    const manifest = await readManifestFile(io, shown);
    refuseSops(manifest, shown);
    const [problem] = manifest.problems;
    if (problem === undefined) return manifest;
    throw new KsealError('MANIFEST_INVALID', problem.message, { thing: shown });
  } catch (thrown) {
    throw broken(shown, 'exists, but cannot be changed', expected(thrown));
  }
}

/** The key of a target as `-k` takes it: a configured name, or a path from the current folder. */
function keyFor({ cwd }: IO, request: string, { key }: Target): string | undefined {
  if (key === undefined || parseReference(key).kind === 'name') return key;
  return fileReference(relative(cwd, pathBeside(request, key)));
}

function introduction({ title, from, note, values }: SecretRequest): readonly string[] {
  const count = values.length === 1 ? 'one value' : `${values.length} values`;
  return [
    '',
    title,
    `${from ?? 'Somebody'} asks you for ${count}.`,
    ...(note === undefined ? [] : [`"${note}"`]),
    '',
    'Your answers are encrypted here, on this computer. Ctrl-C stops without writing.',
  ];
}

/** Shows lines. Control characters of the request are escaped. */
function show(io: IO, lines: readonly string[]): void {
  showOnTerminal(io, lines.map(printable).join('\n'), true);
}

/** A value that was given, and how, for the summary. */
interface Answer extends NewValue {
  readonly how: string;
}

/** By data key. */
type Answers = ReadonlyMap<string, Answer>;

function checkSources({ values }: SecretRequest, sources: readonly Source[]): void {
  for (const { kind, text } of sources) {
    const key = kind === 'stdin' ? text : text.slice(0, Math.max(text.indexOf('='), 0));
    if (values.some((asked) => asked.key === key)) continue;
    const option = kind === 'stdin' ? '--stdin KEY' : '--from-file KEY=PATH';
    throw new KsealError('USAGE', `${option} needs one of the keys of the request`, {
      hint: `use one of ${values.map(({ key }) => key).join(', ')}`,
    });
  }
  if (stdinReaders(sources) < 2) return;
  throw new KsealError('USAGE', 'only one answer can be read from stdin', {
    hint: 'read the others from files: --from-file KEY=PATH',
  });
}

/** The answers on the command line. Throws VALUE_REFUSED for a bad one. */
async function givenAnswers(form: Form, sources: readonly Source[]): Promise<Answers> {
  const policy = { strict: false, allow: new Set<string>() };
  const values = await readValues(form.io, sources, { policy, type: undefined });
  const answers = new Map<string, Answer>();
  for (const value of values) {
    const asked = form.request.values.find(({ key }) => key === value.key);
    const problem = asked && problemWith(form, asked, value.bytes);
    if (asked !== undefined && problem !== undefined) {
      const hint = asked.help ?? 'correct it, or omit the option to be asked';
      const words = `${problem.charAt(0).toLowerCase()}${problem.slice(1)}`.replace(/\.$/, '');
      throw new KsealError('VALUE_REFUSED', words, { thing: asked.label, hint });
    }
    answers.set(value.key, { ...value, how: 'given' });
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
  const isForbidden = types.some((type) => forbiddenValue(type, asked.key, bytes) !== undefined);
  return isForbidden ? 'It is not a JSON object, a text such as {"auths": {…}}.' : undefined;
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
  const labels = known.map(({ label }) => `  ${label}`);
  show(io, ['', 'Answered already:', ...labels]);
  const replace = await askYesNo(io, 'Do you want to replace these answers?', false);
  return open.filter((asked) => replace || lacking.has(asked));
}

function unanswered(
  { path }: Form,
  wanted: readonly AskedValue[],
  sources: readonly Source[],
): KsealError {
  const labels = wanted.map(({ label }) => label).join(', ');
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
    return { bytes: await readInput(io, path, MAX_VALUE), how: `from ${path}` };
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
  throw broken(asked.label, 'cannot be made up: hardly any text is allowed');
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
    const allow = new Set(asked.min === 0 ? ['empty'] : []);
    const read = async () => {
      do reading = await readBy(way, form, asked);
      while (reading === undefined);
      return reading.bytes;
    };
    const retry = { label: way.again, read };
    value = await settle(io, value, retry, { policy: { strict: false, allow }, type: undefined });
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
      const { manifest, secret, setting } = place;
      const policy = { strict: false, allow: new Set<string>() };
      const changes = { values: newValues, remove: [] };
      const sealed = await sealInto(manifest, secret, changes, setting.key, { ...setting, policy });
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
  if (!isAsking) {
    const messages = results.flatMap(({ shown, warnings }) => warningsAbout(shown, warnings));
    sayAll(io, 'warning', messages);
    return;
  }
  const notes = results.flatMap(({ shown, warnings }) =>
    warnings.map(({ message }) => `Note on ${shown}: ${message}.`),
  );
  show(io, [
    '',
    'To be written:',
    ...values.flatMap(({ key, label }) => {
      const answer = answers.get(key);
      return answer === undefined ? [] : `- ${label} (${answer.how})`;
    }),
    'Encrypted into:',
    ...results.flatMap(({ shown, isNew, target, setting: { key, title, scope } }) => [
      `- ${shown} (${isNew ? 'new' : 'changed'}), ${opens[scope](target)}`,
      `  Key: ${title} ${fingerprintOf(key?.kid ?? '')}`,
    ]),
    ...notes,
  ]);
  if (await askYesNo(io, 'Write it?', true)) return;
  const hint = `kseal fill ${shellWord(path)}`;
  throw new KsealError('INTERRUPTED', 'nothing was written', { hint });
}

function asReplacement({ file, shown, isNew, manifest, text }: Result) {
  const madeFrom = isNew ? undefined : Buffer.from(manifest.source);
  return { path: file, shown, bytes: Buffer.from(text), isNew, madeFrom };
}
