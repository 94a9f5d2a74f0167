import { resolve } from 'node:path';
import { expected, KsealError } from '../errors.ts';
import { isSameFile, MAX_MANIFEST, readFile } from '../fs/read.ts';
import { checkWritable, refuseExisting, writeFile } from '../fs/write.ts';
import { isLabelKey } from '../kubernetes/secret.ts';
import { decodeManifest, readManifest } from '../manifest/read.ts';
import type { Manifest } from '../manifest/types.ts';
import { decodeUtf8 } from '../text.ts';
import type { IO } from './io.ts';
import { say, writeStdout } from './print.ts';

/** Reads a file of at most `limit` bytes, or stdin for `-`. */
export async function readInput(io: IO, path: string, limit = MAX_MANIFEST): Promise<Buffer> {
  return path === '-' ? readStdin(io, limit) : readFile(resolve(io.cwd, path), path, limit);
}

function readStdin(io: IO, limit: number): Promise<Buffer> {
  if (io.stdin.isTTY) {
    throw new KsealError('USAGE', 'stdin is a terminal, which would show what is typed', {
      hint: 'name a file, or pipe the text in',
    });
  }
  const { stdin } = io;
  const chunks: Buffer[] = [];
  let bytes = 0;
  // An async iterator would read the same, but takes two milliseconds to start.
  return new Promise((resolve, reject) => {
    stdin.on('data', (chunk: Buffer) => {
      chunks.push(chunk);
      bytes += chunk.length;
      if (bytes <= limit) return;
      stdin.destroy();
      reject(new KsealError('IO', `larger than ${limit} bytes`, { thing: 'stdin' }));
    });
    stdin.on('end', () => resolve(Buffer.concat(chunks)));
    stdin.on('error', reject);
    stdin.on('close', () => reject(new Error('stdin was closed before its end')));
  });
}

/** The result of `read`; undefined for a file or folder that cannot be read or changed. */
export function ifReadable<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch (thrown) {
    expected(thrown);
    return undefined;
  }
}

/** The name of a file argument in messages. */
export function shownPath(path: string): string {
  return path === '-' ? 'stdin' : path;
}

/** Parses an option that may be repeated, with one argument each. */
export function repeated(text: string, previous: readonly string[]): readonly string[] {
  return [...previous, text];
}

/** Parses the KEY=VALUE arguments of a repeated option. Throws USAGE. */
export function pairs(flag: string, texts: readonly string[]): ReadonlyMap<string, string> {
  return new Map(
    texts.map((text) => {
      const at = text.indexOf('=');
      if (isLabelKey(text.slice(0, Math.max(at, 0))))
        return [text.slice(0, at), text.slice(at + 1)];
      throw new KsealError(
        'USAGE',
        `${flag} must be KEY=VALUE, with a key that Kubernetes allows`,
        {
          hint: `${flag} app=db`,
        },
      );
    }),
  );
}

/** Reads a manifest from a file, or stdin for `-`. Its errors are in `problems`. */
export async function readManifestFile(io: IO, path: string): Promise<Manifest> {
  const shown = shownPath(path);
  return readManifest(decodeManifest(await readInput(io, path), shown), shown);
}

/**
 * The bytes without the LF or CRLF at their end if they are one line. Several lines are a file, which
 * ends with a newline; bytes that are not text may end with 0x0A by chance.
 */
export function withoutFinalNewline(bytes: Buffer): Buffer {
  const end = bytes.at(-2) === 0x0d ? -2 : -1;
  const isLine = bytes.length > 0 && bytes.indexOf(0x0a) === bytes.length - 1 && isText(bytes);
  return isLine ? bytes.subarray(0, end) : bytes;
}

function isText(bytes: Buffer): boolean {
  return !bytes.includes(0) && decodeUtf8(bytes) !== undefined;
}

interface Target {
  /** A file, or `-` for stdout. */
  readonly output?: string | undefined;
  readonly force?: boolean | undefined;
  readonly confidential: boolean;
  /** For a command that edits the output file: its content, as it was read. */
  readonly madeFrom?: Uint8Array | undefined;
  /** Whether to create the folders of the file that are missing. */
  readonly makeFolders?: boolean;
}

interface Inputs {
  /** The input manifests, and the hint if one of them is also the output. */
  readonly manifests: readonly string[];
  readonly hint: string;
  /** Key files and value files. */
  readonly others: readonly (string | undefined)[];
}

/**
 * Checks an output before the first prompt: it is not an input, it can be written, and without
 * --force it does not exist. Throws USAGE, IO or OUTPUT_EXISTS.
 */
export function checkOutput(
  io: IO,
  { output, force }: Pick<Target, 'output' | 'force'>,
  { manifests, hint, others }: Inputs,
): void {
  if (output === undefined || output === '-') return;
  const path = resolve(io.cwd, output);
  refuseInput(io, output, { manifests, hint, others });
  checkWritable(path, output);
  if (!force) refuseExisting(path, output);
}

/** Throws USAGE if an output is also an input. */
export function refuseInput(
  { cwd }: IO,
  output: string,
  { manifests, hint, others }: Inputs,
): void {
  const path = resolve(cwd, output);
  const isOutput = (input: string | undefined) =>
    input !== undefined && input !== '-' && isSameFile(resolve(cwd, input), path);
  if (manifests.some(isOutput))
    throw new KsealError('USAGE', 'is also the input', { thing: output, hint });
  if (others.some(isOutput))
    throw new KsealError('USAGE', 'is also an input of this command', {
      thing: output,
      hint: 'choose another name',
    });
}

/** Joins manifests to one YAML stream. JSON is YAML, so it can be joined as well. */
export function yamlStream(texts: readonly string[]): string {
  const [first = '', ...rest] = texts;
  const parts = [first];
  for (const text of rest) {
    const end = parts.at(-1)?.endsWith('\n') ? '' : '\n';
    const document = text.replace(/^\uFEFF/, '');
    parts.push(`${end}${/^---\s/.test(document) ? '' : '---\n'}${document}`);
  }
  return parts.join('');
}

/** Writes a result to the file of `-o`, or to stdout. */
export async function writeResult(
  io: IO,
  result: string | Uint8Array,
  target: Target,
): Promise<void> {
  const { output, force = false, confidential, madeFrom, makeFolders } = target;
  if (output === undefined || output === '-') return writeStdout(io, result);
  const path = resolve(io.cwd, output);
  const bytes = Buffer.from(result as Uint8Array);
  await writeFile(path, output, bytes, { force, confidential, madeFrom, makeFolders });
  say(io, 'note', `wrote ${output}`);
}
