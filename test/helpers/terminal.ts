import { PassThrough, Writable } from 'node:stream';
import type { Terminal } from '../../src/cli/io.ts';

/** The end of a prompt. */
const PROMPT = /[:?>] $/;

const escapes: Record<string, string> = { '\\': '\\', r: '\r', n: '\n', t: '\t', e: '\x1b' };

/**
 * The keystrokes of a line, with the escapes `\r \n \t \e \\` and `\xHH`. Enter is added unless
 * the line ends with a control key such as `\x03`.
 */
function keystrokes(line: string): string {
  const keys = line.replace(/\\(?:x([0-9a-f]{2})|(.))/gi, (_, hex, name) =>
    hex === undefined ? (escapes[name] ?? name) : String.fromCharCode(Number.parseInt(hex, 16)),
  );
  return /[\x00-\x08\x0b\x0c\x0e-\x1a]$/.test(keys) ? keys : `${keys}\r`;
}

/**
 * A terminal that types the next line at every prompt. Like a real one it echoes the input unless
 * it is in raw mode. After the last line it hangs up.
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

  /** All output on the terminal. */
  get shown(): Buffer {
    return Buffer.concat(this.#output);
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
        this.#output.push(Buffer.from(chunk));
        // Later, when the program has set the mode and listens.
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
