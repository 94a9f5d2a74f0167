import { resolve } from 'node:path';
import type { Command } from 'commander';
import type { Config, ConfiguredKey } from '../config/config.ts';
import { expected, KsealError } from '../errors.ts';
import { publicKeyFromFile } from '../keys/key-file.ts';
import { jsonText } from '../text.ts';
import type { IO } from './io.ts';
import { configFor, configOption, type KeyFlags } from './options.ts';
import { type Column, tableOf, writeStdout } from './print.ts';

interface KeysFlags extends KeyFlags {
  readonly json?: boolean;
}

/** A configured key with the kid of its file; read without the network. */
interface ListedKey {
  readonly name: string;
  readonly title: string | undefined;
  readonly state: string;
  readonly kid: string | undefined;
  /** `pinned`, `not pinned`, or the problem. */
  readonly pin: string;
  readonly file: string | undefined;
  readonly source: string | undefined;
}

const columns: readonly Column<ListedKey>[] = [
  { title: 'NAME', cell: ({ name }) => name },
  { title: 'TITLE', cell: ({ title }) => title ?? '' },
  { title: 'STATE', cell: ({ state }) => state },
  { title: 'PIN', cell: ({ pin }) => pin },
  { title: 'KEY', cell: ({ kid }) => kid ?? '' },
  { title: 'FILE', cell: ({ file }) => file ?? '' },
  { title: 'SOURCE', cell: ({ source }) => source ?? '' },
];

export function configure(command: Command, io: IO): void {
  command
    .option(...configOption)
    .option('--json', 'print JSON')
    .action((flags: KeysFlags) => listKeys(io, flags));
}

async function listKeys(io: IO, flags: KeysFlags): Promise<void> {
  const config = configFor(io, flags, undefined);
  if (config === undefined) {
    throw new KsealError('CONFIG_INVALID', 'no .kseal.yaml here or above', {
      hint: 'kseal init',
    });
  }
  const listed = await Promise.all(
    [...config.keys].map(([name, entry]) => list(name, entry, config)),
  );
  await writeStdout(io, flags.json ? jsonText({ keys: listed }) : tableOf(listed, columns));
}

async function list(name: string, entry: ConfiguredKey, { folder }: Config): Promise<ListedKey> {
  const { title, file, source, kid: pin, state = 'active' } = entry;
  const kid = file === undefined ? undefined : await kidOrError(resolve(folder, file), file);
  const facts = { name, title, state, file, source };
  if (kid instanceof KsealError) return { ...facts, kid: pin, pin: kid.message };
  if (pin === undefined) return { ...facts, kid, pin: 'not pinned' };
  const agrees = kid === undefined || kid === pin;
  return { ...facts, kid: pin, pin: agrees ? 'pinned' : `the file has another key: ${kid}` };
}

async function kidOrError(path: string, shown: string): Promise<string | KsealError> {
  try {
    return (await publicKeyFromFile(path, shown)).kid;
  } catch (error) {
    return expected(error);
  }
}
