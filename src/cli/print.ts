import { type Diagnostic, locationOf, type Words } from '../diagnostic.ts';
import { errorsOf, exitCodeOf, KsealError } from '../errors.ts';
import { fileError } from '../fs/read.ts';
import { withoutCredentials } from '../git/errors.ts';
import { counted, MAX_LISTED, printable } from '../text.ts';
import { type Colour, type ColourChoice, type IO, type Output, widthOn } from './io.ts';
import type { Progress } from './progress.ts';

export const colourChoices: readonly ColourChoice[] = ['always', 'never', 'auto'];

/**
 * Takes `--color`, `--color=WHEN` and `--no-color` out of a command line, where they may be
 * anywhere. The last one counts. Throws USAGE.
 */
export function takeColour(argv: readonly string[]): {
  readonly colour: ColourChoice;
  readonly words: readonly string[];
} {
  let colour: ColourChoice = 'auto';
  const end = argv.indexOf('--');
  const words = [...argv];
  const rest = end < 0 ? [] : words.splice(end);
  for (let at = 0; at < words.length; ) {
    const [, option, text] = /^--(color|no-color)(?:=(.*))?$/s.exec(words[at] ?? '') ?? [];
    if (option === undefined) at++;
    else {
      const next = colourChoices.find((choice) => choice === words[at + 1]);
      const isSeparate = option === 'color' && text === undefined && next !== undefined;
      colour = option === 'color' ? chosen(text ?? next ?? 'always') : 'never';
      words.splice(at, isSeparate ? 2 : 1);
    }
  }
  return { colour, words: [...words, ...rest] };
}

function chosen(text: string): ColourChoice {
  const choice = colourChoices.find((candidate) => candidate === text);
  if (choice !== undefined) return choice;
  throw new KsealError('USAGE', `--color must be one of ${colourChoices.join(', ')}`, {
    hint: '--color=never',
  });
}

/** The rules for colours: the first that returns an answer decides. */
const colourRules: readonly ((io: IO, stream: Output) => boolean | undefined)[] = [
  ({ colour = 'auto' }) => (colour === 'auto' ? undefined : colour === 'always'),
  // https://no-color.org
  ({ env }) => (env.NO_COLOR ? false : undefined),
  // https://force-color.org
  ({ env }) => (env.FORCE_COLOR ? !/^(?:0|false)$/.test(env.FORCE_COLOR) : undefined),
  ({ env }) => (env.TERM === 'dumb' ? false : undefined),
  (_, { isTTY = false }) => isTTY,
];

/** Whether text on a stream is coloured. */
export function isColoured(io: IO, stream: Output): boolean {
  for (const rule of colourRules) {
    const answer = rule(io, stream);
    if (answer !== undefined) return answer;
  }
  return false;
}

/** Returns `io` with `--color` and `--debug`, and with functions that colour a text if one is needed. */
export async function withLooks(io: IO, colour: ColourChoice, debug: boolean): Promise<IO> {
  // The streams of `io` are opened when they are first used, and so they must not be copied.
  const shown: IO = Object.create(io, { colour: { value: colour }, debug: { value: debug } });
  if (![io.stdout, io.stderr].some((stream) => isColoured(shown, stream))) return shown;
  return Object.create(shown, { colours: { value: await loadColours() } });
}

/** Loads the functions that colour a text. */
async function loadColours(): Promise<NonNullable<IO['colours']>> {
  const { Chalk } = await import('chalk');
  return new Chalk({ level: 1 });
}

/** Colours `text` if the stream is coloured. */
export function paint(io: IO, stream: Output, colour: Colour, text: string): string {
  const painter = io.colours?.[colour];
  return painter !== undefined && isColoured(io, stream) ? painter(text) : text;
}

type Kind = 'error' | 'warning' | 'hint' | 'note';

const colours = { error: 'red', warning: 'yellow', hint: 'cyan' } as const;

/** Prints one line on stderr: `kseal: warning: …`, or `kseal: …` for a note. */
export function say(io: IO, kind: Kind, text: string): void {
  const label = kind === 'note' ? '' : `${paint(io, io.stderr, colours[kind], `${kind}:`)} `;
  hideProgress(io);
  // Many messages contain a Git reference, which may hold a password.
  io.stderr.write(`kseal: ${label}${printable(withoutCredentials(text))}\n`);
}

/** Prints a warning with its hint. */
export function warn(io: IO, words: Words): void {
  sayAll(io, 'warning', [warning(words)]);
}

/** One of several messages, with the lines below it and its hint. */
export interface Message {
  readonly kind: Kind;
  readonly text: string;
  readonly below?: readonly string[];
  readonly hint?: string | undefined;
}

/** Returns the message for a warning. */
export function warning({ message, hint }: Words): Message {
  return { kind: 'warning', text: message, hint };
}

/**
 * Prints messages, and a hint that several in a row share only once. More than ten messages are
 * ten lines, and one that counts the others; `--debug` prints all. `noun` is for the count.
 */
export function sayAll(io: IO, noun: string, messages: readonly Message[]): void {
  const shown = io.debug ? messages : firstOf(messages);
  for (const [index, message] of shown.entries()) {
    say(io, message.kind, message.text);
    for (const line of message.below ?? []) io.stderr.write(`${line}\n`);
    if (message.hint !== undefined && hasOwnHint(shown, index)) say(io, 'hint', message.hint);
  }
  const more = messages.length - shown.length;
  if (more > 0) say(io, 'note', `and ${counted(more, `more ${noun}`)}; --debug prints all`);
}

/** All messages up to ten, or else those that fit into ten lines. */
function firstOf(messages: readonly Message[]): readonly Message[] {
  if (messages.length <= MAX_LISTED) return messages;
  for (let count = MAX_LISTED; count > 1; count--) {
    const shown = messages.slice(0, count);
    const hints = shown.filter((_, index) => hasOwnHint(shown, index));
    if (count + hints.length <= MAX_LISTED) return shown;
  }
  return messages.slice(0, 1);
}

function hasOwnHint(messages: readonly Message[], index: number): boolean {
  const hint = messages[index]?.hint;
  return hint !== undefined && hint !== messages[index + 1]?.hint;
}

/** Prints warnings about the manifest `path`. */
export function warnAbout(io: IO, path: string, diagnostics: readonly Diagnostic[]): void {
  sayAll(io, 'warning', warningsAbout(path, diagnostics));
}

/** Returns a message for each warning about the manifest `path`, with its place. */
export function warningsAbout(path: string, diagnostics: readonly Diagnostic[]): Message[] {
  return diagnostics.map((diagnostic) =>
    warning({ ...diagnostic, message: `${locationOf(path, diagnostic)}: ${diagnostic.message}` }),
  );
}

/** Prints each error in `thrown`, with its hint, and returns the exit code. */
export function reportErrors(io: IO, thrown: unknown): number {
  // Every file that needs a bad key or configuration throws the same error, which is printed once.
  const distinct = new Map(errorsOf(thrown).map((error) => [String(error), error]));
  sayAll(
    io,
    'error',
    [...distinct.values()].map((error) => messageOf(io, error)),
  );
  return exitCodeOf(thrown);
}

function messageOf(io: IO, error: unknown): Message {
  if (!(error instanceof KsealError)) return bugMessage(io, error);
  const { hint, cause } = error;
  const causes =
    io.debug && cause !== undefined
      ? [`kseal: caused by ${printable(withoutCredentials(String(cause)))}`]
      : [];
  const { isTTY = false } = io.stderr;
  if (!isTTY || error.fingerprints.length === 0)
    return { kind: 'error', text: error.message, below: causes, hint };
  const lines = fingerprintLines(io, io.stderr, error.fingerprints);
  return { kind: 'error', text: error.headline, below: [...lines, ...causes], hint };
}

/** Returns the kind of an unexpected error, but not its message, which may quote a value. */
function bugMessage({ debug = false }: IO, error: unknown): Message {
  const isError = error instanceof Error;
  return {
    kind: 'error',
    text: `unexpected ${isError ? error.name : 'failure'}: a bug in kseal`,
    below: debug && isError ? [`${error.stack}`] : [],
    hint: debug && isError ? undefined : 'run it again with --debug, and report the output',
  };
}

/**
 * Lines that show fingerprints, in the form of `describeKid`, one under the other on a terminal:
 * eight groups a line with the label after them, or four if the terminal has fewer than 60 columns.
 * `^^^^` is below each group that differs. A single fingerprint has its kid below it, if that fits.
 */
export function fingerprintLines(
  io: IO,
  stream: Output,
  fingerprints: KsealError['fingerprints'],
): readonly string[] {
  const rows = fingerprints.map(([label, text]) => {
    const groups = text.split(' ').slice(0, FINGERPRINT_GROUPS);
    return { label: printable(withoutCredentials(label)), groups };
  });
  const perLine = widthOn(stream) < 60 ? 4 : 8;
  const starts = Array.from({ length: FINGERPRINT_GROUPS / perLine }, (_, at) => at * perLine);
  const kids = fingerprints.map(([, text]) => `  ${text.split(' ').at(-1)}`);
  const blocks = starts.flatMap((start) => {
    const part = rows.map((row) => ({ ...row, groups: row.groups.slice(start, start + perLine) }));
    const marks = part[0]?.groups.map((group, at) =>
      part.every(({ groups }) => groups[at] === group) ? '    ' : '^^^^',
    );
    const marked = marks?.join(' ').trimEnd() ?? '';
    const lines = part.map(({ label, groups }) => `  ${groups.join(' ')}  ${label}`.trimEnd());
    return marked === '' ? lines : [...lines, `  ${paint(io, stream, 'red', marked)}`];
  });
  return kids.length === 1 && perLine === 8 ? [...blocks, ...kids] : blocks;
}

const FINGERPRINT_GROUPS = 16;

/** Prints a fingerprint, in the form of `describeKid`. */
export function sayFingerprint(io: IO, fingerprint: string): void {
  const { isTTY = false } = io.stderr;
  say(io, 'note', `its fingerprint:${isTTY ? '' : ` ${fingerprint}`}`);
  const lines = isTTY ? fingerprintLines(io, io.stderr, [['', fingerprint]]) : [];
  for (const line of lines) io.stderr.write(`${line}\n`);
}

/** The progress of each stream that shows one. */
const running = new WeakMap<Output, Progress>();

/**
 * Shows on a terminal how many files, or other things, are `checked`, or another verb, from the second
 * second on. The caller reports each one, and ends it.
 */
export async function progressOn(io: IO, verb: string, noun = 'file'): Promise<Progress> {
  if (!io.stderr.isTTY || io.env.TERM === 'dumb') return noProgress;
  const { startProgress } = await import('./progress.ts');
  const progress = startProgress(io.stderr, verb, noun);
  running.set(io.stderr, progress);
  return progress;
}

/** Yields `items`, each of which is a `noun`, while it shows the progress; `leftAfter` counts the rest. */
export async function* withProgress<T>(
  io: IO,
  verb: string,
  items: Iterable<T> | AsyncIterable<T>,
  leftAfter: (item: T, index: number) => number,
  noun?: string,
): AsyncGenerator<T> {
  const progress = await progressOn(io, verb, noun);
  let index = 0;
  try {
    for await (const item of items) {
      yield item;
      progress.step(leftAfter(item, index));
      index++;
    }
  } finally {
    progress.end();
  }
}

const noProgress: Progress = { step() {}, hide() {}, end() {} };

/** Clears the line of the progress, which the next step shows again. */
export function hideProgress(io: IO): void {
  running.get(io.stderr)?.hide();
}

/** Writes a result to stdout. A closed pipe is not an error. */
export function writeStdout(io: IO, result: string | Uint8Array): Promise<void> {
  return new Promise((resolve, reject) => {
    io.stdout.write(result, (error) => {
      if (!error || (error as NodeJS.ErrnoException).code === 'EPIPE') resolve();
      else reject(fileError('stdout', 'write', error));
    });
  });
}
