import { resolve } from 'node:path';
import { KsealError } from '../errors.ts';
import { isSameFile } from '../files.ts';
import { refuseExisting, writeFile } from '../write-files.ts';
import type { IO } from './io.ts';
import { say, writeStdout } from './print.ts';

export interface Target {
  /** A file, or `-` for stdout. */
  readonly output?: string | undefined;
  readonly force?: boolean | undefined;
  readonly confidential: boolean;
}

/**
 * Checks an output before anything is read or asked for: it is no input, since reading and
 * writing one file is what `-i` is for, and without --force it does not exist.
 * Throws USAGE (with `hint`) or OUTPUT_EXISTS.
 */
export function checkOutput(
  io: IO,
  { output, force }: Pick<Target, 'output' | 'force'>,
  inputs: readonly string[],
  hint: string,
): void {
  if (output === undefined || output === '-') return;
  const path = resolve(io.cwd, output);
  if (inputs.some((input) => input !== '-' && isSameFile(resolve(io.cwd, input), path))) {
    throw new KsealError('USAGE', `${output}: is the input too`, { hint });
  }
  if (!force) refuseExisting(path, output);
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
