import { resolve } from 'node:path';
import { KsealError } from '../errors.ts';
import { isSameFile, writeFile } from '../files.ts';
import type { IO } from './io.ts';
import { say, writeStdout } from './print.ts';

export interface Target {
  /** A file, or `-` for stdout. */
  readonly output?: string | undefined;
  readonly force?: boolean | undefined;
  readonly confidential: boolean;
}

/** Refuses an output that is one of the inputs: reading and writing one file is what `-i` is for. */
export function refuseSameFile(
  io: IO,
  output: string | undefined,
  inputs: readonly string[],
  hint: string,
): void {
  if (output === undefined || output === '-') return;
  const path = resolve(io.cwd, output);
  if (inputs.some((input) => input !== '-' && isSameFile(resolve(io.cwd, input), path))) {
    throw new KsealError('USAGE', `${output}: is the input too`, { hint });
  }
}

/** Writes a finished result to the file that `-o` names, or to stdout. */
export async function writeResult(
  io: IO,
  result: string | Uint8Array,
  target: Target,
): Promise<void> {
  const { output, force = false, confidential } = target;
  if (output === undefined || output === '-') return writeStdout(io, result);
  writeFile(resolve(io.cwd, output), output, Buffer.from(result as Uint8Array), {
    force,
    confidential,
  });
  say(io, 'note', `wrote ${output}`);
}
