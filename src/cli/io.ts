import type { Readable, Writable } from 'node:stream';

export interface Input extends Readable {
  isTTY?: boolean;
  setRawMode?(raw: boolean): unknown;
}

export interface Output extends Writable {
  isTTY?: boolean;
}

/** The controlling terminal: prompts use it, so that stdin and stdout may be redirected. */
export interface Terminal {
  readonly input: Input;
  readonly output: Output;
  close(): void;
}

/** Everything a command touches of its surroundings besides files. */
export interface IO {
  readonly stdin: Input;
  readonly stdout: Output;
  readonly stderr: Output;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** The folder that relative paths start from; absolute. */
  readonly cwd: string;
  /** Opens the controlling terminal; undefined where there is none. */
  readonly openTerminal: () => Terminal | undefined;
  /** Has `listener` hear of SIGTERM and SIGINT in place of the end that they mean; returns the undoing. */
  readonly onSignal: (listener: (signal: string) => void) => () => void;
  /** Has `listener` hear of an error that nothing caught, in place of the end that it means; returns the undoing. */
  readonly onUncaught: (listener: (error: unknown) => void) => () => void;
  /** Hears of what a command threw before it is printed; for tests. */
  readonly onError?: (thrown: unknown) => void;
}
