import { PassThrough, Writable } from 'node:stream';
import type { Terminal } from '../../src/cli/io.ts';

/** A question that waits for an answer on its own line. */
const PROMPT = /[:?>] $/;

const escapes: Record<string, string> = { '\\': '\\', r: '\r', n: '\n', t: '\t', e: '\x1b' };

/**
 * A line of keystrokes: `\r \n \t \e \\` and `\xHH` stand for what no text file shows. Enter
 * ends it, unless it ends in a control key such as `\x03`.
 */
function keystrokes(line: string): string {
  const keys = line.replace(/\\(?:x([0-9a-f]{2})|(.))/gi, (_, hex, name) =>
    hex === undefined ? (escapes[name] ?? name) : String.fromCharCode(Number.parseInt(hex, 16)),
  );
  return /[\x00-\x08\x0b\x0c\x0e-\x1a]$/.test(keys) ? keys : `${keys}\r`;
}

/**
 * A terminal with a person before it who types the next line at every prompt. Like a real one
 * it echoes what is typed unless raw mode is on. When the lines are used up, it hangs up.
 */
export class ScriptedTerminal {
  readonly #lines: string[];
  readonly #output: Buffer[] = [];
  #closed = 0;
  #opened = 0;
  #raw = false;

  constructor(lines: readonly string[]) {
    this.#lines = [...lines];
  }

  /** Everything the terminal has shown. */
  get shown(): Buffer {
    return Buffer.concat(this.#output);
  }

  /** How many lines nobody asked for. */
  get left(): number {
    return this.#lines.length;
  }

  /** Whether the program left the terminal as it found it. */
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
        this.#output.push(Buffer.from(chunk));
        // By then the program has set its mode and listens, as when a person answers.
        if (PROMPT.test(String(chunk))) setImmediate(() => this.#type(input));
        done();
      },
    });
    const close = () => {
      this.#closed++;
      input.destroy();
      output.destroy();
    };
    return { input, output: Object.assign(output, { isTTY: true }), close };
  }

  #type(input: PassThrough): void {
    const line = this.#lines.shift();
    if (input.destroyed) return;
    if (line === undefined) {
      input.end();
      return;
    }
    const keys = keystrokes(line);
    if (!this.#raw) this.#output.push(Buffer.from(keys.replaceAll('\r', '\r\n')));
    input.write(this.#raw ? keys : keys.replaceAll('\r', '\n'));
  }
}
