import { basename } from 'node:path';
import { KsealError } from '../errors.ts';
import { MAX_VALUE_BYTES } from '../jwe/compact.ts';
import { isDataKey } from '../kubernetes/secret.ts';
import { readEnvFile } from '../seal/env-file.ts';
import type { NewValue } from '../seal/seal.ts';
import { readInput, withoutFinalNewline } from './files.ts';
import type { IO } from './io.ts';
import { say, warn } from './print.ts';
import { promptValue } from './prompt.ts';

export type SourceKind = 'prompt' | 'stdin' | 'file' | 'env-file' | 'literal' | 'jwe';

/** A value source on the command line: the kind of option, and its argument. */
export interface Source {
  readonly kind: SourceKind;
  readonly text: string;
}

interface ReadOptions {
  readonly keepNewline?: boolean;
  readonly allowEmpty?: boolean;
}

type Reader = (io: IO, text: string, options: ReadOptions) => Promise<readonly NewValue[]>;

const readers: Record<SourceKind, Reader> = {
  prompt: async (io, key, options) => [
    plain(key, notEmpty(key, Buffer.from(await promptValue(io, key)), options)),
  ],
  stdin: async (io, key, options) => [
    plain(key, notEmpty(key, await readStdinValue(io, key, options), options)),
  ],
  file: async (io, text) => {
    const { key, path } = keyAndPath(text);
    return [plain(key, await readInput(io, path))];
  },
  'env-file': async (io, path) =>
    readEnvFile(await readInput(io, path), path).map(([key, value]) =>
      plain(key, Buffer.from(value)),
    ),
  literal: async (io, text) => {
    warn(io, {
      message:
        '--from-literal: other users of this machine and your shell history can see the value',
      hint: 'enter it at a prompt instead: --prompt KEY',
    });
    return [plain(literalKey(text), Buffer.from(text.slice(text.indexOf('=') + 1)))];
  },
  jwe: async (io, text) => {
    const { key, path } = keyAndPath(text);
    return [{ key, bytes: await readInput(io, path, 2 * MAX_VALUE_BYTES), jweFile: path }];
  },
};

/** Reads all values, in order. Throws USAGE, IO or VALUE_REFUSED. */
export async function readValues(
  io: IO,
  sources: readonly Source[],
  options: ReadOptions,
): Promise<NewValue[]> {
  const values: NewValue[] = [];
  for (const { kind, text } of sources) values.push(...(await readers[kind](io, text, options)));
  const seen = new Set<string>();
  for (const { key } of values) {
    if (!isDataKey(key)) throw illegalKey(key);
    if (seen.has(key)) throw new KsealError('USAGE', `data key "${key}" is given twice`);
    seen.add(key);
  }
  return values;
}

/** The files that the sources name. */
export function sourcePaths(sources: readonly Source[]): readonly string[] {
  return sources.flatMap(({ kind, text }) => {
    if (kind === 'env-file') return [text];
    return kind === 'file' || kind === 'jwe' ? [keyAndPath(text).path] : [];
  });
}

/** The number of sources that read stdin. */
export function stdinReaders(sources: readonly Source[]): number {
  return sources.filter(
    ({ kind, text }) =>
      kind === 'stdin' || (kind !== 'literal' && kind !== 'prompt' && /(^|=)-$/.test(text)),
  ).length;
}

function plain(key: string, bytes: Uint8Array): NewValue {
  return { key, bytes };
}

async function readStdinValue(io: IO, key: string, { keepNewline }: ReadOptions): Promise<Buffer> {
  if (io.stdin.isTTY) {
    throw new KsealError('USAGE', 'stdin is a terminal, which would show the value', {
      thing: `--stdin ${key}`,
      hint: `--prompt ${key}`,
    });
  }
  const bytes = await readInput(io, '-');
  const value = keepNewline ? bytes : withoutFinalNewline(bytes);
  if (value.length < bytes.length)
    say(io, 'note', `data key "${key}": removed the newline at the end (--keep-newline keeps it)`);
  return value;
}

function notEmpty(key: string, bytes: Buffer, { allowEmpty }: ReadOptions): Buffer {
  if (bytes.length > 0 || allowEmpty) return bytes;
  throw new KsealError('VALUE_REFUSED', 'the value is empty', {
    thing: `data key "${key}"`,
    hint: 'if this is intended, add --allow-empty',
  });
}

/** Parses `[KEY=]PATH`. As in kubectl, the default data key is the name of the file. */
function keyAndPath(text: string): { key: string; path: string } {
  const at = text.indexOf('=');
  return at < 0
    ? { key: basename(text), path: text }
    : { key: text.slice(0, at), path: text.slice(at + 1) };
}

function literalKey(text: string): string {
  const at = text.indexOf('=');
  if (at > 0) return text.slice(0, at);
  throw new KsealError('USAGE', '--from-literal must be KEY=VALUE', {
    hint: 'enter the value at a prompt instead: --prompt KEY',
  });
}

function illegalKey(key: string): KsealError {
  const thing = key.length > 253 ? 'data key of more than 253 characters' : `data key "${key}"`;
  return new KsealError(
    'USAGE',
    'must consist of letters, digits, "-", "_" and ".", and not begin with ".."',
    { thing, hint: 'name it: --from-file KEY=PATH' },
  );
}
