import { basename } from 'node:path';
import { KsealError } from '../errors.ts';
import { MAX_VALUE_BYTES } from '../jwe/compact.ts';
import { isDataKey } from '../kubernetes/secret.ts';
import { readEnvFile } from '../seal/env-file.ts';
import type { NewValue } from '../seal/seal.ts';
import { refusalOf, underPolicy, type ValuePolicy, warningsAbout } from '../seal/value-warnings.ts';
import { readInput, withoutFinalNewline } from './files.ts';
import type { IO } from './io.ts';
import { say, warn } from './print.ts';
import { choose, type Hidden, promptValue, withoutEcho } from './prompt.ts';

export type SourceKind = 'prompt' | 'stdin' | 'file' | 'env-file' | 'literal' | 'jwe';

/** A value source on the command line: the kind of option, and its argument. */
export interface Source {
  readonly kind: SourceKind;
  readonly text: string;
}

export interface ReadOptions {
  readonly keepNewline?: boolean;
  readonly allowEmpty?: boolean;
  /** Only one value is sealed. */
  readonly raw?: boolean;
  readonly policy: ValuePolicy;
  /** The type of the Secret. */
  readonly type: string | undefined;
}

/** Values, and where they come from. */
export interface Answers {
  readonly values: readonly NewValue[];
  /** The sources that give such values without a question. */
  readonly sources: readonly Source[];
  /** Says how each value was given, such as `password (typed)`. */
  readonly labels: readonly string[];
}

type Reader = (io: IO, text: string, options: ReadOptions) => Promise<readonly NewValue[]>;

const readers: Record<SourceKind, Reader> = {
  prompt: async (io, key) => [plain(key, Buffer.from(await promptValue(io, hiddenFor(key))))],
  stdin: async (io, key, options) => [plain(key, await readStdinValue(io, key, options))],
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

/**
 * Reads all values, in order, and asks about the warnings of each on a terminal. Throws USAGE, IO,
 * VALUE_REFUSED or INTERRUPTED.
 */
export async function readValues(
  io: IO,
  sources: readonly Source[],
  options: ReadOptions,
): Promise<NewValue[]> {
  const keys = new Set<string>();
  // Checked first, so that nobody types a value in vain.
  for (const source of sources) {
    if (source.kind !== 'env-file') claim(keys, keyOf(source));
  }
  const isTyped = sources.every(({ kind }) => kind === 'prompt');
  const read = () => readInOrder(io, sources, options, keys);
  return isTyped ? withoutEcho(io, read) : read();
}

async function readInOrder(
  io: IO,
  sources: readonly Source[],
  options: ReadOptions,
  keys: Set<string>,
): Promise<NewValue[]> {
  const values: NewValue[] = [];
  for (const { kind, text } of sources) {
    const read = () => readers[kind](io, text, options);
    for (const value of await read()) {
      if (kind === 'env-file') claim(keys, value.key);
      const again = async () => (await read())[0]?.bytes ?? value.bytes;
      const retry = kind === 'prompt' ? { label: 'Type it again', read: again } : undefined;
      values.push(await settle(io, value, retry, options));
    }
  }
  if (values.length > 0 || sources.length === 0) return values;
  throw new KsealError('VALUE_REFUSED', 'no value', {
    thing: sources.map((source) => source.text).join(', '),
    hint: 'put KEY=VALUE lines into it',
  });
}

/** Throws USAGE for a data key that Kubernetes forbids, or that is given twice. */
function claim(keys: Set<string>, key: string): void {
  if (!isDataKey(key)) throw illegalKey(key);
  if (keys.has(key)) throw new KsealError('USAGE', `data key "${key}" is given twice`);
  keys.add(key);
}

function keyOf({ kind, text }: Source): string {
  if (kind === 'literal') return literalKey(text);
  return kind === 'prompt' || kind === 'stdin' ? text : keyAndPath(text).key;
}

/** How a value that was just given can be given again, such as "Type it again". */
interface Retry {
  readonly label: string;
  readonly read: () => Promise<Uint8Array>;
}

/**
 * Asks about one warning after another until those that remain are accepted. Without a terminal the
 * value stays as it is. Throws VALUE_REFUSED or INTERRUPTED.
 */
export async function settle(
  io: IO,
  value: NewValue,
  retry: Retry | undefined,
  { policy, type }: ReadOptions,
): Promise<NewValue> {
  const { strict } = policy;
  // Without a way to correct the value, `seal` reports it as an error.
  if (value.jweFile !== undefined || (strict && retry === undefined)) return value;
  const thing = `data key "${value.key}"`;
  let { bytes } = value;
  const accepted = new Set<string>();
  for (;;) {
    const current = { ...value, bytes, accepted };
    const refusal = refusalOf(current, type);
    // `seal` reports a refusal, with those of the other values.
    if (refusal !== undefined && retry === undefined) return current;
    const allow = new Set([...policy.allow, ...accepted]);
    const [warning] = refusal ? [] : underPolicy(warningsAbout(current), { strict: false, allow });
    const problem = refusal ?? warning;
    if (problem === undefined) return current;
    const subject = retry === undefined ? `The value "${value.key}"` : 'It';
    const sentence = warning ? `${subject} ${warning.predicate}` : capitalized(problem.message);
    const choices = [
      ...(warning?.fix ? [{ value: 'fix', label: capitalized(warning.fix.label) } as const] : []),
      ...(warning && !strict ? [{ value: 'keep', label: 'Keep it' } as const] : []),
      ...(retry ? [{ value: 'again', label: retry.label } as const] : []),
      ...(retry ? [] : [{ value: 'stop', label: 'Stop, and write nothing' } as const]),
    ] as const;
    const preset = retry === undefined || warning?.fix ? choices[0]?.value : 'again';
    const answer = await choose(io, `${sentence}.`, choices, preset);
    if (answer === undefined) return current;
    const { message, hint } = problem;
    if (answer === 'stop') throw new KsealError('VALUE_REFUSED', message, { thing, hint });
    if (answer === 'keep' && warning) accepted.add(warning.code);
    else if (answer === 'fix') bytes = warning?.fix?.bytes ?? bytes;
    else {
      bytes = (await retry?.read()) ?? bytes;
      accepted.clear();
    }
  }
}

/** `text` with a capital first letter. */
export const capitalized = (text: string) => text.charAt(0).toUpperCase() + text.slice(1);

/** The hidden question for a value. */
export function hiddenFor(key: string): Hidden {
  return {
    question: `Value for "${key}"`,
    thing: `data key "${key}"`,
    hints: {
      noTerminal: `pipe the value in with --stdin ${key}`,
      severalLines: `save it to a file: --from-file ${key}=PATH`,
    },
  };
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

async function readStdinValue(
  io: IO,
  key: string,
  { keepNewline, allowEmpty }: ReadOptions,
): Promise<Buffer> {
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
  if (value.length > 0 || allowEmpty) return value;
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

/** The data key of a literal. Throws USAGE unless it is KEY=VALUE, because it may be a value. */
export function literalKey(text: string): string {
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
