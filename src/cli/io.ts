import { closeSync, openSync } from 'node:fs';
import type { Readable, Writable } from 'node:stream';
import { ReadStream, WriteStream } from 'node:tty';

interface Input extends Readable {
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

/** The surroundings of the running process. Streams are opened when they are first used. */
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

/** Node makes such an exception of a promise that nobody caught, too. */
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

/** The version of package.json, put in when kseal is built. */
export const version: string = KSEAL_VERSION;
