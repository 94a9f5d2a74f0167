import { resolve } from 'node:path';
import { KsealError } from '../errors.ts';
import { isSameFile, readFile } from '../fs/read.ts';
import { checkWritable, refuseExisting, writeFile } from '../fs/write.ts';
import { isLabelKey } from '../kubernetes/names.ts';
import { decodeManifest, readManifest } from '../manifest/read.ts';
import type { Manifest } from '../manifest/types.ts';
import type { IO } from './io.ts';
import { say, writeStdout } from './print.ts';

/** The largest manifest that is read, in bytes: many Secrets of 1 MiB, but not a disk image. */
const MAX_MANIFEST = 32 * 1024 * 1024;

/** Reads a file, or stdin for `-`; at most `limit` bytes. */
export async function readInput(io: IO, path: string, limit = MAX_MANIFEST): Promise<Buffer> {
  return path === '-' ? readStdin(io, limit) : readFile(resolve(io.cwd, path), path, limit);
}

async function readStdin(io: IO, limit: number): Promise<Buffer> {
  if (io.stdin.isTTY) {
    throw new KsealError('USAGE', 'stdin is a terminal, which would show what is typed', {
      hint: 'name a file, or pipe the text in',
    });
  }
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of io.stdin) {
    chunks.push(chunk);
    bytes += chunk.length;
    if (bytes > limit) throw new KsealError('IO', `stdin: larger than ${limit} bytes`);
  }
  return Buffer.concat(chunks);
}

/** How messages call a file argument. */
export function shownPath(path: string): string {
  return path === '-' ? 'stdin' : path;
}

/** For options that may be repeated: each takes one argument, and they are kept in order. */
export function repeated(text: string, previous: readonly string[]): readonly string[] {
  return [...previous, text];
}

/** Reads the arguments of a repeated option that each are KEY=VALUE. Throws USAGE. */
export function pairs(flag: string, texts: readonly string[]): ReadonlyMap<string, string> {
  return new Map(
    texts.map((text) => {
      const at = text.indexOf('=');
      if (isLabelKey(text.slice(0, Math.max(at, 0))))
        return [text.slice(0, at), text.slice(at + 1)];
      throw new KsealError('USAGE', `${flag} takes KEY=VALUE with a key that Kubernetes allows`, {
        hint: `${flag} app=db`,
      });
    }),
  );
}

/** Reads a manifest from a file, or from stdin for `-`. What is wrong with it is in its problems. */
export async function readManifestFile(io: IO, path: string): Promise<Manifest> {
  const shown = shownPath(path);
  return readManifest(decodeManifest(await readInput(io, path), shown), shown);
}

/** The bytes less one LF or CRLF at their end. */
export function withoutFinalNewline(bytes: Buffer): Buffer {
  const newline = /\r?\n$/.exec(bytes.subarray(-2).toString('latin1'))?.[0] ?? '';
  return bytes.subarray(0, bytes.length - newline.length);
}

interface Target {
  /** A file, or `-` for stdout. */
  readonly output?: string | undefined;
  readonly force?: boolean | undefined;
  readonly confidential: boolean;
}

interface Inputs {
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
