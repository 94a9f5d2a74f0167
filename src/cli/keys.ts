import { resolve } from 'node:path';
import { type Command, Option } from 'commander';
import type { Config, ConfiguredKey } from '../config/config.ts';
import { expected, KsealError } from '../errors.ts';
import type { KeyState } from '../jwe/decrypt.ts';
import { fingerprintOf, shortFingerprints } from '../jwe/thumbprint.ts';
import { publicKeyFromFile } from '../keys/key-file.ts';
import { jsonText } from '../text.ts';
import type { Colour, IO } from './io.ts';
import { configFor, configOption, type KeyFlags } from './options.ts';
import { paint, say, writeStdout } from './print.ts';
import { addTableOption, type Column, type TableFlags, tableForm, tableOf } from './table.ts';

interface KeysFlags extends KeyFlags, TableFlags {
  readonly json?: boolean;
}

/** A configured key with the kid of its file; read without the network. */
interface ListedKey {
  readonly name: string;
  readonly title: string | undefined;
  readonly state: KeyState;
  readonly kid: string | undefined;
  /** `pinned`, `not pinned`, or the problem. */
  readonly pin: string;
  /** The kid of a file that is not the pinned key. */
  readonly otherKid?: string | undefined;
  readonly file: string | undefined;
  readonly source: string | undefined;
}

const stateColours: Readonly<Record<KeyState, Colour>> = {
  active: 'green',
  deprecated: 'yellow',
  revoked: 'red',
};

function columnsFor(io: IO, keys: readonly ListedKey[]): readonly Column<ListedKey>[] {
  const short = shortFingerprints(
    keys.flatMap(({ kid = [], otherKid = [] }) => [kid, otherKid].flat()),
  );
  return [
    { title: 'NAME', cell: ({ name }) => name },
    { title: 'TITLE', cell: ({ title }) => title ?? '', prose: true },
    {
      title: 'STATE',
      cell: ({ state }) => state,
      paint: ({ state }, text) => paint(io, io.stdout, stateColours[state], text),
    },
    { title: 'PIN', cell: (key) => pinWith(key, short), prose: true, only: 'narrow' },
    { title: 'PIN', cell: (key) => pinWith(key, String), only: 'wide' },
    { title: 'FINGERPRINT', cell: ({ kid }) => (kid ? short(kid) : ''), only: 'narrow' },
    { title: 'FINGERPRINT', cell: ({ kid }) => (kid ? fingerprintOf(kid) : ''), only: 'wide' },
    { title: 'KID', cell: ({ kid }) => kid ?? '', only: 'wide' },
    { title: 'FILE', cell: ({ file }) => file ?? '' },
    { title: 'SOURCE', cell: ({ source }) => source ?? '', only: 'wide' },
  ];
}

export function configure(command: Command, io: IO): void {
  addTableOption(command)
    .option(...configOption)
    .addOption(new Option('--json', 'print JSON').conflicts('output'))
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
  const asJson = ({ otherKid, ...key }: ListedKey) => ({
    ...key,
    pin: pinWith({ otherKid, ...key }, String),
  });
  if (flags.json) return writeStdout(io, jsonText({ keys: listed.map(asJson) }));
  if (listed.length === 0) return say(io, 'note', 'no keys are configured');
  await writeStdout(io, tableOf(listed, columnsFor(io, listed), tableForm(io, flags)));
}

function pinWith(
  { pin, otherKid }: Pick<ListedKey, 'pin' | 'otherKid'>,
  shown: (kid: string) => string,
): string {
  return otherKid === undefined ? pin : `${pin}: ${shown(otherKid)}`;
}

async function list(name: string, entry: ConfiguredKey, { folder }: Config): Promise<ListedKey> {
  const { title, file, source, kid: pin, state = 'active' } = entry;
  const kid = file === undefined ? undefined : await kidOrError(resolve(folder, file), file);
  const facts = { name, title, state, file, source };
  if (kid instanceof KsealError) return { ...facts, kid: pin, pin: kid.message };
  if (pin === undefined) return { ...facts, kid, pin: 'not pinned' };
  if (kid === undefined || kid === pin) return { ...facts, kid: pin, pin: 'pinned' };
  return { ...facts, kid: pin, pin: 'the file has another key', otherKid: kid };
}

async function kidOrError(path: string, shown: string): Promise<string | KsealError> {
  try {
    return (await publicKeyFromFile(path, shown)).kid;
  } catch (error) {
    return expected(error);
  }
}
