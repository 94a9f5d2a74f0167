import { Readable, Writable } from 'node:stream';
import type { IO } from '../../src/cli/io.ts';
import { ScriptedTerminal } from './terminal.ts';

/** A stream that keeps its input. */
export class Capture extends Writable {
  readonly #chunks: Buffer[] = [];

  override _write(chunk: Buffer | string, _: BufferEncoding, done: () => void): void {
    this.#chunks.push(Buffer.from(chunk));
    done();
  }

  get bytes(): Buffer {
    return Buffer.concat(this.#chunks);
  }

  get text(): string {
    return this.bytes.toString('utf8');
  }
}

export interface Surroundings {
  readonly cwd: string;
  readonly stdin?: Buffer | undefined;
  readonly env?: Readonly<Record<string, string>>;
  /** Lines to type at the prompts of a terminal; without them IO has no terminal. */
  readonly typed?: readonly string[] | undefined;
}

export interface TestIO extends IO {
  readonly stdout: Capture;
  readonly stderr: Capture;
  readonly terminal: ScriptedTerminal | undefined;
  /** Sends a signal to a command that listens for it. */
  signal: (name: string) => void;
  /** The error of the command, if any. */
  thrown: unknown;
}

/** An IO for tests. */
export function testIO({ cwd, stdin, env = {}, typed }: Surroundings): TestIO {
  const terminal = typed === undefined ? undefined : new ScriptedTerminal(typed);
  const input = Readable.from(stdin === undefined || stdin.length === 0 ? [] : [stdin]);
  const listeners = new Set<(signal: string) => void>();
  const io: TestIO = {
    // Without a pipe the terminal is stdin.
    stdin: Object.assign(input, { isTTY: terminal !== undefined && stdin === undefined }),
    stdout: new Capture(),
    stderr: new Capture(),
    env,
    cwd,
    terminal,
    thrown: undefined,
    onSignal: (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    signal: (name) => {
      for (const listener of listeners) listener(name);
    },
    onUncaught: () => () => {},
    openTerminal: () => terminal?.open(),
    onError: (thrown) => {
      io.thrown = thrown;
    },
  };
  return io;
}
