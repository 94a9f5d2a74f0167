import { PassThrough, Writable } from 'node:stream';
import { setImmediate as turn } from 'node:timers/promises';
import { stripVTControlCharacters } from 'node:util';
import type { Terminal } from '../../src/cli/io.ts';

/** kseal asks for hidden input: it turns on bracketed paste. */
const HIDDEN = '\x1b[?2004h';
/** inquirer has drawn a question, with the cursor behind it; and it has got the answer. */
const DRAWN = /\x1b\[\d+G$/;
const ANSWERED = '\x1b[?25h';
/** Wide enough that no line is wrapped. */
const WIDE = 1000;
/** One key, which may be an escape sequence. */
const KEY = /\x1b\[[\d;]*[A-Za-z~]|./gsu;

const escapes: Record<string, string> = { '\\': '\\', r: '\r', n: '\n', t: '\t', e: '\x1b' };

/**
 * The keystrokes of a line, with the escapes `\r \n \t \e \\` and `\xHH`. Enter is added unless
 * the line ends with a control key such as `\x03`.
 */
export function keystrokes(line: string): string {
  const keys = line.replace(/\\(?:x([0-9a-f]{2})|(.))/gi, (_, hex, name) =>
    hex === undefined ? (escapes[name] ?? name) : String.fromCharCode(Number.parseInt(hex, 16)),
  );
  return /[\x00-\x08\x0b\x0c\x0e-\x1a]$/.test(keys) ? keys : `${keys}\r`;
}

/**
 * A terminal that types the next line at every question: at once where input is hidden, so that the
 * line may be a paste, or else key by key. After the last line it hangs up.
 */
export class ScriptedTerminal {
  #isAsked = false;
  #questions = 0;
  readonly #lines: string[];
  readonly #output: Buffer[] = [];
  #closed = 0;
  #opened = 0;
  #raw = false;

  constructor(lines: readonly string[]) {
    this.#lines = [...lines];
  }

  /** All output on the terminal, without escape sequences. */
  get shown(): Buffer {
    return Buffer.from(stripVTControlCharacters(Buffer.concat(this.#output).toString()));
  }

  /** The number of lines that were not typed. */
  get left(): number {
    return this.#lines.length;
  }

  /** Whether the program closed the terminal and left raw mode. */
  get restored(): boolean {
    return !this.#raw && this.#opened === this.#closed;
  }

  open(): Terminal {
    this.#opened++;
    const input = Object.assign(new PassThrough(), {
      isTTY: true,
      setRawMode: (raw: boolean) => {
        this.#raw = raw;
      },
    });
    const output = new Writable({
      decodeStrings: false,
      write: (chunk, _, done) => {
        const text = String(chunk);
        this.#output.push(Buffer.from(chunk));
        // Later, when the program has set the mode and listens.
        if (text.includes(HIDDEN)) setImmediate(() => this.#type(input, (keys) => [keys]));
        if (text.includes(ANSWERED)) this.#isAsked = false;
        else if (DRAWN.test(text) && !this.#isAsked) {
          this.#isAsked = true;
          this.#questions++;
          setImmediate(() => this.#type(input, (keys) => keys.match(KEY) ?? []));
        }
        done();
      },
    });
    const close = () => {
      this.#closed++;
      this.#isAsked = false;
      input.destroy();
      output.destroy();
    };
    return { input, output: Object.assign(output, { isTTY: true, columns: WIDE }), close };
  }

  async #type(input: PassThrough, split: (keys: string) => readonly string[]): Promise<void> {
    const line = this.#lines.shift();
    const question = this.#questions;
    if (input.destroyed) return;
    if (line === undefined) {
      input.end();
      return;
    }
    for (const keys of split(keystrokes(line))) {
      if (input.destroyed) return;
      if (!this.#raw) this.#output.push(Buffer.from(keys.replaceAll('\r', '\r\n')));
      input.write(this.#raw ? keys : keys.replaceAll('\r', '\n'));
      // inquirer draws what was typed before the next key comes.
      await turn();
    }
    await turn();
    // A wrong answer: the same question is still there.
    if (this.#isAsked && question === this.#questions && !input.destroyed)
      await this.#type(input, split);
  }
}
