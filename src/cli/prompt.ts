import { existsSync, readdirSync } from 'node:fs';
import { homedir } from 'node:os';
import { resolve } from 'node:path';
import { emitKeypressEvents, type Key } from 'node:readline';
import { PassThrough } from 'node:stream';
import { type ErrorCode, KsealError } from '../errors.ts';
import { isFolder } from '../sources/texts.ts';
import { filled, printable } from '../text.ts';
import type { Colour, IO, Output, Terminal } from './io.ts';
import { hideProgress, paint } from './print.ts';

const turn = () => new Promise<void>((next) => setImmediate(next));

const CURSOR_ON = '\x1b[?25h';
const CTRL_C = '\x03';
/** Ignored: a stopped form would leave the terminal without an echo. */
const CTRL_Z = '\x1a';
const PASTE_ON = '\x1b[?2004h';
const PASTE_OFF = '\x1b[?2004l';
const TRIES = 3;
/** Keys that do not type text. */
const UNTYPED = /^[\x00-\x08\x0a-\x1f\x7f]/;
/** The milliseconds without input after which a paste is over. */
const QUIET_MS = 60;

/** An answer to choose from a list. */
export interface Choice<T> {
  readonly value: T;
  readonly label: string;
  /** Shown below the list while the choice is selected. */
  readonly detail?: string;
}

/** Returns the problem with an answer, in words; undefined for a good answer. */
type Check<T> = (answer: T) => string | undefined;

type WithTerminal = Pick<IO, 'openTerminal' | 'onSignal'>;

/**
 * Opens the controlling terminal. A signal ends the question like a terminal that hangs up, so that
 * the modes of the terminal are restored.
 */
function openTerminal(io: WithTerminal): Terminal | undefined {
  const terminal = io.openTerminal();
  if (terminal === undefined) return undefined;
  const ignoreSignals = io.onSignal(() => terminal.input.emit('end'));
  const close = () => {
    ignoreSignals();
    terminal.close();
  };
  return { ...terminal, close };
}

/** Whether there is a controlling terminal, so that questions can be asked. */
export function canAsk(io: IO): boolean {
  const terminal = io.openTerminal();
  terminal?.close();
  return terminal !== undefined;
}

/**
 * Prints lines on the controlling terminal, which is not always stdout or stderr. Long lines are
 * wrapped between words, and indented ones only with `breaksIndented`: a command must stay on one
 * line to be pasted.
 */
export function showOnTerminal(io: IO, text: string, breaksIndented = false): void {
  const terminal = io.openTerminal();
  if (terminal === undefined) return;
  terminal.output.write(`${fitted(text, terminal.output, breaksIndented)}\n`);
  terminal.close();
}

/** Shows an error, and its hint below it, before a question is asked again. */
export function showError(io: IO, { message, hint }: KsealError): void {
  showOnTerminal(io, hint === undefined ? message : `${message}\nhint: ${hint}`);
}

/** Runs `ask` while the terminal does not show what is typed between two questions. */
export async function withoutEcho<T>(io: IO, ask: () => Promise<T>): Promise<T> {
  const terminal = io.openTerminal();
  // Each question returns to the mode that it found.
  terminal?.input.setRawMode?.(true);
  try {
    return await ask();
  } finally {
    terminal?.input.setRawMode?.(false);
    terminal?.close();
  }
}

/**
 * Asks a question whose answer is yes or no; Enter answers `preset`. Lines before the last one are
 * printed above the question. Returns undefined without a terminal. Throws INTERRUPTED.
 */
export function askYesNo(io: IO, question: string, preset = false): Promise<boolean | undefined> {
  return ask(io, question, async (shared, context) => {
    const { default: confirm } = await import('@inquirer/confirm');
    return confirm({ ...shared, default: preset }, context);
  });
}

/**
 * Asks for one of `choices`, with the arrow keys or the first letters of a label. Returns its value;
 * undefined without a terminal. Throws INTERRUPTED.
 */
export function choose<T>(
  io: IO,
  question: string,
  choices: readonly Choice<T>[],
  preset?: T,
): Promise<T | undefined> {
  return ask(io, question, async (shared, context) => {
    const { default: select } = await import('@inquirer/select');
    const given = preset === undefined ? {} : { default: preset };
    return select<T>({ ...shared, ...given, choices: choices.map(listed) }, context);
  });
}

interface TextOptions {
  /** The answer if she presses Enter at once. */
  readonly preset?: string | undefined;
  readonly check?: Check<string>;
}

/** Asks for one line, which is shown. Undefined without a terminal. Throws INTERRUPTED. */
export async function askText(
  io: IO,
  question: string,
  { preset, check = () => undefined }: TextOptions = {},
): Promise<string | undefined> {
  const answer = await ask(io, question, async (shared, context) => {
    const { default: input } = await import('@inquirer/input');
    const given = preset === undefined ? {} : { default: preset };
    const validate = (text: string) => check(text.trim()) ?? true;
    return input({ ...shared, ...given, validate }, context);
  });
  return answer?.trim();
}

/**
 * Asks for one of the choices that `source` returns for the text typed so far. The source may add a
 * choice for the text itself. `help` is shown if there is no choice for a text. Returns
 * undefined without a terminal. Throws INTERRUPTED.
 */
export function search<T>(
  io: IO,
  question: string,
  source: (typed: string) => readonly Choice<T>[],
  check: Check<T> = () => undefined,
  help = 'no choice contains this text',
): Promise<T | undefined> {
  return ask(io, question, async (shared, context) => {
    const { default: searchIn } = await import('@inquirer/search');
    const validate = (answer: T) => check(answer) ?? true;
    const sourceOf = (typed = '') => {
      const choices = source(typed.trim());
      // inquirer shows the message of the error.
      if (choices.length === 0 && typed.trim() !== '') throw new Error(help);
      return choices.map(listed);
    };
    return searchIn<T>({ ...shared, source: sourceOf, validate }, context);
  });
}

/**
 * Asks for the path of an existing file: Tab completes, Enter opens a folder. Undefined without a
 * terminal. Throws INTERRUPTED.
 */
export function askPath(io: IO, question: string): Promise<string | undefined> {
  const problem = (path: string) => {
    if (isFolder(resolve(io.cwd, path))) return 'is a folder: choose a file in it';
    return existsSync(resolve(io.cwd, path)) ? undefined : 'no such file';
  };
  const asChoice = (path: string) => ({ value: path, label: path });
  return search(io, question, (typed) => pathsFor(io, typed).map(asChoice), problem);
}

/** The files and folders that `typed` may become; or else `typed` itself. */
function pathsFor({ cwd, env }: IO, typed: string): readonly string[] {
  const path = typed.replace(/^~(?=\/)/, env.HOME ?? homedir());
  const folder = path.slice(0, path.lastIndexOf('/') + 1);
  const start = path.slice(folder.length);
  const found = entriesOf(resolve(cwd, folder)).filter(
    (entry) => entry.startsWith(start) && (start !== '' || !entry.startsWith('.')),
  );
  return found.length > 0 || typed === '' ? found.map((entry) => `${folder}${entry}`) : [path];
}

function entriesOf(folder: string): readonly string[] {
  try {
    const entries = readdirSync(folder, { withFileTypes: true });
    return entries.map((entry) => (entry.isDirectory() ? `${entry.name}/` : entry.name)).sort();
  } catch {
    return [];
  }
}

const listed = <T>({ value, label, detail }: Choice<T>) => ({
  value,
  name: printable(label),
  ...(detail === undefined ? {} : { description: printableLines(detail) }),
});

function printableLines(text: string): string {
  return text.split('\n').map(printable).join('\n');
}

/**
 * Makes a text printable, and breaks its lines between words. Further lines of an item of a list are
 * indented like the first.
 */
function fitted(text: string, { columns = 80 }: Output, breaksIndented = false): string {
  const lines = text.split('\n').flatMap((given) => {
    const line = printable(given);
    const [start = ''] = /^(?:- | +)/.exec(line) ?? [];
    if (start.startsWith(' ') && !breaksIndented) return line;
    const [first, ...words] = line.slice(start.length).split(' ');
    // The last column stays free: some terminals break a full line twice.
    return filled([`${start}${first}`, ...words], columns - 1, start.length);
  });
  return lines.join('\n');
}

/** The options that all kinds of questions share. */
interface Shared {
  readonly message: string;
  readonly theme: ReturnType<typeof themeFor>;
}

interface Context extends Pick<Terminal, 'output'> {
  readonly input: NodeJS.ReadableStream;
  readonly signal: AbortSignal;
}

/** Asks one question on the controlling terminal, and leaves the terminal as it was. */
async function ask<T>(
  io: IO,
  question: string,
  run: (shared: Shared, context: Context) => Promise<T>,
): Promise<T | undefined> {
  const terminal = openTerminal(io);
  if (terminal === undefined) return undefined;
  hideProgress(io);
  const { input, output } = terminal;
  const above = question.slice(0, question.lastIndexOf('\n') + 1);
  // inquirer breaks lines within words. It puts a sign of two columns before the question.
  const message = fitted(`? ${question.slice(above.length)}`, output).slice(2);
  const stop = new AbortController();
  const hangUp = () => stop.abort();
  // inquirer neither notices a terminal that is gone, nor ends at Ctrl-D.
  const onKey = (_: unknown, { ctrl, name }: Key) => ctrl && name === 'd' && hangUp();
  const showCursor = () => output.write(CURSOR_ON);
  process.once('exit', showCursor);
  // inquirer would ignore the first, and leave the terminal in raw mode after the others.
  for (const signal of signals) process.on(signal, hangUp);
  try {
    input.setRawMode?.(true);
    await discardTyped(input);
    output.write(above === '' ? '' : `${fitted(above.trimEnd(), output)}\n`);
    const keys = inTurns(input);
    emitKeypressEvents(keys);
    keys.on('keypress', onKey);
    input.once('end', hangUp).once('close', hangUp);
    const shared = { message, theme: themeFor(io, output) };
    return await run(shared, { input: keys, output, signal: stop.signal });
  } catch (error) {
    if (error instanceof Error && endings.includes(error.name)) throw interrupted();
    throw error;
  } finally {
    process.off('exit', showCursor);
    input.setRawMode?.(false);
    for (const signal of signals) process.off(signal, hangUp);
    terminal.close();
  }
}

/**
 * Discards the keys that were typed before the question was there, so that they do not answer it.
 * Throws INTERRUPTED if Ctrl-C is one of them.
 */
async function discardTyped(input: Terminal['input']): Promise<void> {
  const typed: Buffer[] = [];
  const keep = (bytes: Buffer) => typed.push(bytes);
  input.on('data', keep);
  await turn();
  input.off('data', keep).pause();
  if (Buffer.concat(typed).includes(CTRL_C)) throw interrupted();
}

/**
 * The keys one after the other: inquirer loses an Enter that arrives together with the text before
 * it, because it has not listed the choices for that text yet.
 */
function inTurns(input: Terminal['input']): PassThrough {
  const keys = new PassThrough();
  let passed = Promise.resolve();
  input.setEncoding('utf8').on('data', (typed: string) => {
    for (const key of typed.replaceAll(CTRL_Z, '').match(/[^\x00-\x1f\x7f]+|./gs) ?? [])
      passed = passed.then(() => {
        keys.write(key);
        return turn();
      });
  });
  input.resume();
  return keys;
}

const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/** The names of the errors with which inquirer ends at Ctrl-C, and at our signal. */
const endings: readonly string[] = ['ExitPromptError', 'AbortPromptError'];

/** The colours of inquirer, with the rules of kseal for when to use them. */
function themeFor(io: IO, output: Output) {
  const painted = (colour: Colour) => (text: string) => paint(io, output, colour, text);
  const plain = (text: string) => text;
  return {
    prefix: { idle: painted('cyan')('?'), done: painted('green')('✔') },
    style: {
      answer: painted('cyan'),
      message: plain,
      error: (text: string) => painted('red')(`! ${text}`),
      defaultAnswer: (text: string) => `(${text})`,
      help: plain,
      highlight: painted('cyan'),
      description: plain,
      searchTerm: painted('cyan'),
      keysHelpTip: () => '(arrow keys or letters, then Enter)',
    },
  };
}

function interrupted(): KsealError {
  return new KsealError('INTERRUPTED', 'interrupted');
}

/** A question for a secret value. */
export interface Hidden {
  /** The question without a colon, such as `Value for "password"`. */
  readonly question: string;
  /** For errors: the thing that is asked for. */
  readonly thing: string;
  /** The hint if there is no terminal, and the one for a paste of several lines. */
  readonly hints: { readonly noTerminal: string; readonly severalLines: string };
  readonly check?: Check<string>;
}

/**
 * Asks for a value on the controlling terminal: hidden, twice, one line. Throws USAGE without a
 * terminal, VALUE_REFUSED for a paste with line breaks, INTERRUPTED.
 */
export async function promptValue(
  io: IO,
  { question, thing, hints, check = () => undefined }: Hidden,
): Promise<string> {
  const refusal = badPaste('VALUE_REFUSED', thing, hints.severalLines);
  const terminal = terminalFor(io, thing, hints.noTerminal);
  const { output } = terminal;
  try {
    for (let differed = 0; differed < TRIES; ) {
      const value = await askHidden(terminal, `${printable(question)} (not shown): `, refusal);
      const problem = check(value);
      if (problem !== undefined) {
        output.write(`${printable(problem)}\n`);
        continue;
      }
      if (value === (await askHidden(terminal, 'Repeat the value: ', refusal))) return value;
      differed++;
      if (differed < TRIES) output.write('The values differ. Try again.\n');
    }
  } finally {
    terminal.close();
  }
  throw new KsealError('VALUE_REFUSED', `the values differed ${TRIES} times`, { thing });
}

/**
 * Asks for several lines on the controlling terminal, hidden; an empty line or Ctrl-D ends them, but
 * an empty line in a paste does not. Each line ends with LF, unless there is only one. Throws USAGE
 * without a terminal, INTERRUPTED.
 */
export async function promptLines(
  io: IO,
  { question, thing, hints }: Omit<Hidden, 'check'>,
): Promise<string> {
  const terminal = terminalFor(io, thing, hints.noTerminal);
  const explained = `${printable(question)} (not shown; an empty line ends it):\n`;
  try {
    const lines = await hidden(terminal, explained, (input) => readLines(input));
    if (lines === undefined) throw interrupted();
    return lines.length === 1 ? (lines[0] ?? '') : lines.map((line) => `${line}\n`).join('');
  } finally {
    terminal.close();
  }
}

function terminalFor(io: IO, thing: string, hint: string): Terminal {
  const terminal = openTerminal(io);
  if (terminal !== undefined) return terminal;
  throw new KsealError('USAGE', 'cannot ask for the value without a terminal', { thing, hint });
}

/**
 * Asks for the passphrase of a private key file on the controlling terminal, hidden; undefined
 * without a terminal. Throws KEY_INVALID for a paste with line breaks, INTERRUPTED.
 */
export async function promptPassphrase(
  io: WithTerminal,
  file: string,
  isAgain: boolean,
): Promise<string | undefined> {
  const terminal = openTerminal(io);
  if (terminal === undefined) return undefined;
  try {
    if (isAgain) terminal.output.write('Wrong passphrase. Try again.\n');
    const question = `Passphrase for ${printable(file)} (not shown): `;
    return await askHidden(terminal, question, badPaste('KEY_INVALID', file, 'type it instead'));
  } finally {
    terminal.close();
  }
}

function badPaste(code: ErrorCode, thing: string, hint: string): KsealError {
  const problem = 'the pasted text has several lines or control characters';
  return new KsealError(code, problem, { thing, hint });
}

/** Asks one question without echoing the answer. Throws `refusal` for a bad paste, or INTERRUPTED. */
async function askHidden(
  terminal: Terminal,
  question: string,
  refusal: KsealError,
): Promise<string> {
  return hidden(terminal, question, async (input) => {
    const line = await readLine(input);
    if (line.kind === 'text') return line.text;
    if (line.kind === 'interrupt') throw interrupted();
    await drain(input);
    throw refusal;
  });
}

/** Prints a question, and reads the answer without an echo. */
async function hidden<T>(
  { input, output }: Terminal,
  question: string,
  read: (input: Terminal['input']) => Promise<T>,
): Promise<T> {
  // Before the question, so that not even the first key is echoed.
  input.setRawMode?.(true);
  await discardTyped(input);
  // Bracketed paste distinguishes a line break in a paste from the Enter key.
  output.write(`${PASTE_ON}${question}`);
  try {
    return await read(input);
  } finally {
    output.write(`${PASTE_OFF}\n`);
    input.setRawMode?.(false);
    input.pause();
  }
}

type Line = { kind: 'text'; text: string } | { kind: 'interrupt' } | { kind: 'unfit' };

/** Reads keys until Enter. Keys that arrive together with Enter are a paste of several lines. */
function readLine(input: Terminal['input']): Promise<Line> {
  return new Promise((resolve) => {
    let characters: string[] = [];
    let state: 'typing' | 'pasting' | 'entered' = 'typing';
    let unfit = false;
    const finish = (line: Line) => {
      input.off('keypress', onKey);
      for (const event of ['end', 'close']) input.off(event, hangUp);
      resolve(line);
    };
    const hangUp = () => finish({ kind: 'interrupt' });
    const settle = () =>
      finish(unfit ? { kind: 'unfit' } : { kind: 'text', text: characters.join('') });
    const onKey = (text: string | undefined, { name, ctrl, meta }: Key) => {
      const visible = text !== undefined && !ctrl && !meta && !UNTYPED.test(text);
      if (ctrl && (name === 'c' || name === 'd')) hangUp();
      else if (name === 'paste-start') state = 'pasting';
      else if (name === 'paste-end') {
        state = 'typing';
        if (unfit) settle();
      } else if (state !== 'typing' && !visible) unfit = true;
      else if (state === 'entered') unfit = true;
      else if (name === 'return' || name === 'enter') {
        state = 'entered';
        setImmediate(settle);
      } else if (name === 'backspace') characters.pop();
      else if (ctrl && name === 'u') characters = [];
      else if (visible) characters.push(text);
    };
    emitKeypressEvents(input);
    input.on('keypress', onKey);
    for (const event of ['end', 'close']) input.on(event, hangUp);
    input.resume();
  });
}

/**
 * Reads lines until an empty one or Ctrl-D; undefined after Ctrl-C. An empty line that is followed
 * by further keys at once is part of a paste.
 */
function readLines(input: Terminal['input']): Promise<readonly string[] | undefined> {
  return new Promise((resolve) => {
    const lines: string[] = [];
    let line = '';
    let isPasting = false;
    let last: string | undefined;
    let ending: NodeJS.Immediate | undefined;
    const finish = (result: readonly string[] | undefined) => {
      input.off('keypress', onKey);
      for (const event of ['end', 'close']) input.off(event, hangUp);
      resolve(result);
    };
    const hangUp = () => finish(undefined);
    const end = () => finish(line === '' ? lines : [...lines, line]);
    const breakLine = () => {
      if (line === '' && !isPasting) ending = setImmediate(end);
      else {
        lines.push(line);
        line = '';
      }
    };
    const onKey = (text: string | undefined, { name, ctrl, meta }: Key) => {
      if (ending !== undefined) {
        clearImmediate(ending);
        ending = undefined;
        lines.push('');
      }
      if (ctrl && name === 'c') hangUp();
      else if (ctrl && name === 'd') end();
      else if (name === 'paste-start' || name === 'paste-end') isPasting = name === 'paste-start';
      // CRLF is one line break, of which the second key has the name enter.
      else if (name === 'return' || (name === 'enter' && last !== 'return')) breakLine();
      else if (name === 'backspace') line = [...line].slice(0, -1).join('');
      else if (ctrl && name === 'u') line = '';
      else if (name !== 'enter' && text !== undefined && !ctrl && !meta && !UNTYPED.test(text))
        line += text;
      last = name;
    };
    emitKeypressEvents(input);
    input.on('keypress', onKey);
    for (const event of ['end', 'close']) input.on(event, hangUp);
    input.resume();
  });
}

/** Discards the rest of a refused paste, which would otherwise go to the shell. */
function drain(input: Terminal['input']): Promise<void> {
  return new Promise((resolve) => {
    const stop = () => {
      input.off('data', restart);
      resolve();
    };
    const timer = setTimeout(stop, QUIET_MS);
    const restart = () => timer.refresh();
    input.on('data', restart);
  });
}
