import { resolve } from 'node:path';
import { KsealError } from '../errors.ts';
import { isSameFile } from '../fs/read.ts';
import { checkWritable, refuseExisting, writeFile } from '../fs/write.ts';
import type { IO } from './io.ts';
import { say, writeStdout } from './print.ts';

export interface Target {
  /** A file, or `-` for stdout. */
  readonly output?: string | undefined;
  readonly force?: boolean | undefined;
  readonly confidential: boolean;
}

export interface Inputs {
  /** The manifests that are read, and the hint where one of them is the output too. */
  readonly manifests: readonly string[];
  readonly hint: string;
  /** Whatever else is read: key files and value files. */
  readonly others: readonly (string | undefined)[];
}

/**
 * Checks an output before anything is asked for: it is no input, it can be written, and without
 * --force it does not exist. Throws USAGE, IO or OUTPUT_EXISTS.
 */
export function checkOutput(
  io: IO,
  { output, force }: Pick<Target, 'output' | 'force'>,
  { manifests, hint, others }: Inputs,
): void {
  if (output === undefined || output === '-') return;
  const path = resolve(io.cwd, output);
  const isOutput = (input: string | undefined) =>
    input !== undefined && input !== '-' && isSameFile(resolve(io.cwd, input), path);
  if (manifests.some(isOutput))
    throw new KsealError('USAGE', `${output}: is the input too`, { hint });
  if (others.some(isOutput)) {
    throw new KsealError('USAGE', `${output}: is read as well`, { hint: 'give another name' });
  }
  checkWritable(path, output);
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
