import { closeSync, openSync } from 'node:fs';
import type { Readable, Writable } from 'node:stream';
import { ReadStream, WriteStream } from 'node:tty';

interface Input extends Readable {
  isTTY?: boolean;
  setRawMode?(raw: boolean): unknown;
}

export interface Output extends Writable {
  isTTY?: boolean;
  /** The width of a terminal. */
  columns?: number;
}

/** The width of a terminal in columns; a pipe and a file have no limit. */
export function widthOn({ isTTY = false, columns }: Output): number {
  return isTTY ? columns || 80 : Number.POSITIVE_INFINITY;
}

export type Colour = 'red' | 'yellow' | 'cyan' | 'green';

/** The choices of `--color`. */
export type ColourChoice = 'always' | 'never' | 'auto';

/** The controlling terminal. Prompts use it, because stdin and stdout may be redirected. */
export interface Terminal {
  readonly input: Input;
  readonly output: Output;
  close(): void;
}

/** The environment of a command, except for files. */
export interface IO {
  readonly stdin: Input;
  readonly stdout: Output;
  readonly stderr: Output;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** The folder that relative paths start from; absolute. */
  readonly cwd: string;
  /** Opens the controlling terminal, if there is one. */
  readonly openTerminal: () => Terminal | undefined;
  /** Calls `listener` for SIGTERM and SIGINT instead of ending; returns a function to stop that. */
  readonly onSignal: (listener: (signal: string) => void) => () => void;
  /** Calls `listener` for an uncaught error instead of ending; returns a function to stop that. */
  readonly onUncaught: (listener: (error: unknown) => void) => () => void;
  /** `--color`. */
  readonly colour?: ColourChoice;
  /** Functions that colour a text; loaded if a stream is shown in colour. */
  readonly colours?: Readonly<Record<Colour, (text: string) => string>>;
  /** `--debug`: print causes of errors, and messages in full. */
  readonly debug?: boolean;
  /** Called with the error of a command before it is printed; for tests. */
  readonly onError?: (thrown: unknown) => void;
}

/** The environment of this process. A stream is opened when it is first used. */
export function systemIO(): IO {
  return {
    get stdin() {
      return process.stdin;
    },
    get stdout() {
      return process.stdout;
    },
    get stderr() {
      return process.stderr;
    },
    env: process.env,
    cwd: process.cwd(),
    openTerminal,
    onSignal,
    onUncaught,
  };
}

const signals = ['SIGTERM', 'SIGINT'] as const;

function onSignal(listener: (signal: string) => void): () => void {
  for (const signal of signals) process.on(signal, listener);
  return () => {
    for (const signal of signals) process.off(signal, listener);
  };
}

/** Node turns an unhandled rejection into an uncaught exception, too. */
function onUncaught(listener: (error: unknown) => void): () => void {
  process.on('uncaughtException', listener);
  return () => process.off('uncaughtException', listener);
}

const devices =
  process.platform === 'win32' ? ['\\\\.\\CONIN$', '\\\\.\\CONOUT$'] : ['/dev/tty', '/dev/tty'];

function openTerminal(): Terminal | undefined {
  let files: number[] = [];
  try {
    for (const device of devices) files = [...files, openSync(device, 'r+')];
    const [inFile = -1, outFile = -1] = files;
    const input = new ReadStream(inFile);
    const output = new WriteStream(outFile);
    return {
      input,
      output,
      close() {
        input.destroy();
        output.destroy();
      },
    };
  } catch {
    for (const file of files) closeSync(file);
    return undefined;
  }
}

declare const KSEAL_VERSION: string;

/** From package.json, inserted by the build. */
export const version: string = KSEAL_VERSION;
