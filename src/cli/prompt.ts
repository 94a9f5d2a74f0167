import { emitKeypressEvents, type Key } from 'node:readline';
import { createInterface } from 'node:readline/promises';
import { type ErrorCode, KsealError } from '../errors.ts';
import { printable } from '../text.ts';
import type { IO, Terminal } from './io.ts';

const PASTE_ON = '\x1b[?2004h';
const PASTE_OFF = '\x1b[?2004l';
const TRIES = 3;
/** A paste is over after so many milliseconds without input. */
const QUIET_MS = 60;

/** Asks on the controlling terminal; undefined without a terminal. Throws INTERRUPTED. */
export async function askYesNo(io: IO, question: string): Promise<boolean | undefined> {
  const answer = await askLine(io, `${question} (yes/no)? `);
  return answer === undefined ? undefined : /^y(?:es)?$/i.test(answer);
}

/**
 * Asks on the controlling terminal until the answer is one of `choices` or its first letter;
 * undefined without a terminal. Throws INTERRUPTED.
 */
export async function choose<Choice extends string>(
  io: IO,
  problem: string,
  choices: readonly Choice[],
): Promise<Choice | undefined> {
  const offers = choices.map((choice) => `${choice} (${choice.charAt(0)})`).join(', ');
  const question = `${offers.charAt(0).toUpperCase()}${offers.slice(1)}? `;
  for (let text = `${printable(problem)}\n${question}`; ; text = question) {
    const answer = (await askLine(io, text))?.toLowerCase();
    if (answer === undefined) return undefined;
    const chosen = choices.find((choice) => [choice, choice.charAt(0)].includes(answer));
    if (chosen !== undefined) return chosen;
  }
}

/** Returns a line without the white space around it; undefined without a terminal. */
async function askLine(io: IO, question: string): Promise<string | undefined> {
  const terminal = io.openTerminal();
  if (terminal === undefined) return undefined;
  // readline redraws its prompt at each key press, and cannot redraw several lines.
  const lastLine = question.lastIndexOf('\n') + 1;
  terminal.output.write(question.slice(0, lastLine));
  const lines = createInterface(terminal);
  try {
    const answer = await new Promise<string>((resolve, reject) => {
      const interrupt = () => reject(interrupted());
      for (const event of ['SIGINT', 'close']) lines.on(event, interrupt);
      lines.question(question.slice(lastLine)).then(resolve, interrupt);
    });
    return answer.trim();
  } catch (error) {
    terminal.output.write('\n');
    throw error;
  } finally {
    lines.close();
    terminal.close();
  }
}

function interrupted(): KsealError {
  return new KsealError('INTERRUPTED', 'interrupted');
}

/**
 * Asks for the value of a data key on the controlling terminal: hidden, twice, one line.
 * Throws USAGE without a terminal, VALUE_REFUSED for a paste with line breaks, INTERRUPTED.
 */
export async function promptValue(io: IO, key: string): Promise<string> {
  const terminal = io.openTerminal();
  const thing = `data key "${key}"`;
  if (terminal === undefined) {
    throw new KsealError('USAGE', 'cannot ask for the value without a terminal', {
      thing,
      hint: `pipe the value in with --stdin ${key}`,
    });
  }
  const refusal = badPaste('VALUE_REFUSED', thing, `save it to a file: --from-file ${key}=PATH`);
  try {
    for (let tries = 0; tries < TRIES; tries++) {
      const value = await askHidden(terminal, `Value for "${key}" (not shown): `, refusal);
      if (value === (await askHidden(terminal, 'Repeat the value: ', refusal))) return value;
      if (tries < TRIES - 1) terminal.output.write('The values differ. Try again.\n');
    }
  } finally {
    terminal.close();
  }
  throw new KsealError('VALUE_REFUSED', `the values differed ${TRIES} times`, { thing });
}

/**
 * Asks for the passphrase of a private key file on the controlling terminal, hidden; undefined
 * without a terminal. Throws KEY_INVALID for a paste with line breaks, INTERRUPTED.
 */
export async function promptPassphrase(
  { openTerminal }: Pick<IO, 'openTerminal'>,
  file: string,
  isAgain: boolean,
): Promise<string | undefined> {
  const terminal = openTerminal();
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
  { input, output }: Terminal,
  question: string,
  refusal: KsealError,
): Promise<string> {
  output.write(question);
  input.setRawMode?.(true);
  // Bracketed paste distinguishes a line break in a paste from the Enter key.
  output.write(PASTE_ON);
  try {
    const line = await readLine(input);
    if (line.kind === 'text') return line.text;
    if (line.kind === 'interrupt') throw interrupted();
    await drain(input);
    throw refusal;
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
      const visible =
        text !== undefined && !ctrl && !meta && !/^[\x00-\x08\x0a-\x1f\x7f]/.test(text);
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
