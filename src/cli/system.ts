import { closeSync, openSync } from 'node:fs';
import { ReadStream, WriteStream } from 'node:tty';
import type { IO, Terminal } from './io.ts';

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
