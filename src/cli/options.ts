import { existsSync, readdirSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import type { Command } from 'commander';
import { type Config, type FindConfig, findConfig } from '../config/config.ts';
import { KsealError } from '../errors.ts';
import { folderWith, readFile, readRegularFile } from '../fs/read.ts';
import { branchesOf } from '../git/local.ts';
import type { Scope } from '../jwe/binding.ts';
import { WEAK_BITS } from '../jwe/compact.ts';
import type { KeyKind } from '../keys/conversions.ts';
import {
  holdsPrivateKey,
  type KeyFile,
  looksLikeKey,
  MAX_KEY_FILE,
  type Passphrases,
  validityProblem,
} from '../keys/key-file.ts';
import type { KeyContext } from '../keys/resolve.ts';
import { repositoryAround } from '../sources/texts.ts';
import { counted, MAX_LISTED, shellWord } from '../text.ts';
import { ifReadable } from './files.ts';
import type { IO } from './io.ts';
import { say, warn } from './print.ts';
import { promptPassphrase } from './prompt.ts';

/** The options of every command that takes a key. */
export interface KeyFlags {
  readonly config?: string;
  readonly kmsEndpoint?: string;
  readonly verifySignature?: boolean;
}

/** For the help of options that take a key. */
export const keyKinds = 'a file, a configured name or gcpkms://…';

export const configOption = [
  '--config <file>',
  'use this configuration instead of the nearest .kseal.yaml (env: KSEAL_CONFIG)',
] as const;

export const endpointOption = [
  '--kms-endpoint <host:port>',
  'use this endpoint of Google Cloud KMS (env: KSEAL_KMS_ENDPOINT)',
] as const;

/** Adds the options that decide how a key is found and loaded. */
export function addKeyOptions(command: Command): Command {
  return command
    .option(...configOption)
    .option(...endpointOption)
    .option('--verify-signature', 'accept a key from Git only if the commit has a good signature');
}

/** Finds configurations: the one of `--config` or KSEAL_CONFIG, or else the nearest. */
export function configFinder(io: IO, { config = io.env.KSEAL_CONFIG }: KeyFlags): FindConfig {
  return findConfig(io.cwd, config);
}

/** The configuration for `file`, a path as the user typed it, or else for the current folder. */
export function configFor(io: IO, flags: KeyFlags, file: string | undefined): Config | undefined {
  const isInFolder = file === undefined || file === '-';
  return configFinder(io, flags)(isInFolder ? io.cwd : dirname(resolve(io.cwd, file)));
}

/** Returns the context in which keys are loaded. Keys of the same provider may repeat its notes. */
export function keyContext(io: IO, flags: KeyFlags, config: Config | undefined): KeyContext {
  const printed = new Set<string>();
  return {
    cwd: io.cwd,
    env: io.env,
    config,
    kmsEndpoint: flags.kmsEndpoint,
    verifySignature: flags.verifySignature ?? false,
    note: (text) => {
      if (printed.size !== printed.add(text).size) say(io, 'note', text);
    },
    passphrases: passphrasesFrom(io),
  };
}

const MAX_PASSPHRASE_FILE = 4096;
const PASSPHRASE_TRIES = 3;

/**
 * The passphrase in the file that KSEAL_KEY_PASSPHRASE_FILE names, or else those that the user types
 * on the terminal. Passphrases typed for one key are tried on the next before it asks again.
 */
export function passphrasesFrom(
  io: Pick<IO, 'env' | 'cwd' | 'openTerminal' | 'onSignal'>,
): Passphrases {
  const typed: string[] = [];
  return async function* (shown) {
    const file = io.env.KSEAL_KEY_PASSPHRASE_FILE;
    if (file) {
      yield passphraseIn(resolve(io.cwd, file), file);
      throw wrongPassphrase(
        shown,
        `wrong passphrase in ${file}`,
        ` -passin ${shellWord(`file:${file}`)}`,
      );
    }
    yield* [...typed];
    for (let tries = 0; tries < PASSPHRASE_TRIES; tries++) {
      const passphrase = await promptPassphrase(io, shown, tries > 0);
      if (passphrase === undefined) return;
      typed.push(passphrase);
      yield passphrase;
    }
    throw wrongPassphrase(shown, `wrong passphrase, ${PASSPHRASE_TRIES} times`);
  };
}

/** The first line of a file, as for `-passin file:` of openssl. Throws IO or KEY_INVALID. */
function passphraseIn(path: string, shown: string): Uint8Array {
  if (!existsSync(path)) {
    // Not shown, because people set the variable to the passphrase itself.
    throw new KsealError('IO', 'no such file', {
      thing: 'KSEAL_KEY_PASSPHRASE_FILE',
      hint: 'set it to the path of a file whose first line is the passphrase',
    });
  }
  const text = readFile(path, shown, MAX_PASSPHRASE_FILE).toString('latin1');
  // Windows PowerShell writes UTF-16 by default.
  if (/^(?:\xff\xfe|\xfe\xff)/.test(text)) {
    const hint = `in PowerShell: Get-Content ${shellWord(shown)} | Set-Content -Encoding ascii passphrase.txt`;
    throw new KsealError('KEY_INVALID', 'is encoded in UTF-16', { thing: shown, hint });
  }
  const [line = ''] = text.replace(/^\xef\xbb\xbf/, '').split(/\r?\n/);
  if (line !== '') return Buffer.from(line, 'latin1');
  throw new KsealError('KEY_INVALID', 'first line is empty, expected a passphrase', {
    thing: shown,
    hint: 'write the passphrase to the first line, or unset KSEAL_KEY_PASSPHRASE_FILE',
  });
}

function wrongPassphrase(thing: string, problem: string, option = ''): KsealError {
  const hint = `try it with: openssl pkey -noout -in ${shellWord(thing)}${option}`;
  return new KsealError('KEY_INVALID', problem, { thing, hint });
}

/** Explains each scope to people who do not know the word. */
const scopeWords: Record<Scope, string> = {
  strict: 'each value can be opened only in its own Secret, under its own data key',
  'namespace-wide': 'each value can be opened in any Secret of its namespace',
  'cluster-wide': 'each value can be opened in any Secret of the cluster',
};

/** Prints the scope, and the Secret if there is only one. */
export function sayScope(io: IO, scope: Scope, secret?: string): void {
  say(io, 'note', `${secret ? `${secret}, ` : ''}scope ${scope}: ${scopeWords[scope]}`);
}

/** Warns about a short key, and about a certificate that is not valid now. */
export function warnAboutKey(
  io: IO,
  { bits, validity }: Pick<KeyFile, 'bits' | 'validity'>,
  key: string,
): void {
  if (bits < WEAK_BITS)
    warn(io, { message: `${key}: RSA-${bits} is weak; use ${WEAK_BITS} bits or more` });
  const problem = validity && validityProblem(validity);
  if (problem === undefined) return;
  const hint = 'ask the KMS manager whether this key is in use';
  warn(io, { message: `${key}: certificate ${problem}`, hint });
}

const DAY = 24 * 60 * 60 * 1000;

/** The units of an age in days, and the age from which each is used. */
const ageUnits = [
  { noun: 'year', days: 365.25, from: 731 },
  { noun: 'month', days: 30.44, from: 61 },
  { noun: 'day', days: 1, from: 1 },
];

/** The time from `date` to `now` in one unit, such as `3 months`; `today` for less than a day. */
export function ageOf(date: Date, now = new Date()): string {
  const age = (now.getTime() - date.getTime()) / DAY;
  const unit = ageUnits.find(({ from }) => age >= from);
  return unit === undefined ? 'today' : counted(Math.floor(age / unit.days), unit.noun);
}

/**
 * A command line for a hint: `command`, followed by each option that was given, with its arguments
 * quoted for a shell. An option that is true has no argument.
 */
export function commandLine(
  command: string,
  options: Readonly<Record<string, string | boolean | readonly string[] | undefined>>,
): string {
  const words = Object.entries(options).flatMap(([flag, given = false]) => {
    if (typeof given === 'boolean') return given ? [flag] : [];
    return [given].flat().flatMap((argument) => [flag, shellWord(argument)]);
  });
  return [command, ...words].join(' ');
}

/**
 * The command that counts the values of each key on the other branches of the repository around
 * `folder`, for a hint; undefined without a repository or another branch.
 */
export function branchesHint(
  { cwd, env }: Pick<IO, 'cwd' | 'env'>,
  folder: string,
  { config }: KeyFlags = {},
): string | undefined {
  const top = folderWith('.git', folder);
  const names = top === undefined ? [] : ifReadable(() => branchesOf({ folder, env }));
  if (names?.length === 0) return undefined;
  const refs = names !== undefined && names.length <= MAX_LISTED ? names : ['BRANCH'];
  const path = repositoryAround(cwd, folder);
  // --ref is about the repository of the current folder.
  const isElsewhere = folderWith('.git', cwd) !== top;
  const own =
    isElsewhere && config !== undefined ? relative(top ?? '', resolve(cwd, config)) : config;
  const command = commandLine('kseal inspect --by-key', { '--ref': refs, '--config': own });
  if (isElsewhere) return `cd ${shellWord(path)} && ${command}`;
  return path === '.' ? command : `${command} ${shellWord(path)}`;
}

/** A key file of that kind in the current folder or in its folder `keys`, for a hint; or else KEY. */
export function keyFileNear(io: IO, kind: KeyKind): string {
  return keyFilesNear(io, kind)[0] ?? 'KEY';
}

/** All key files of that kind there, as paths from the current folder. */
export function keyFilesNear({ cwd }: IO, kind: KeyKind): readonly string[] {
  return ['', 'keys'].flatMap((folder) =>
    namesIn(resolve(cwd, folder))
      .filter((name) => isKeyFile(resolve(cwd, folder, name), kind))
      .map((name) => join(folder, name)),
  );
}

function namesIn(folder: string): readonly string[] {
  try {
    return readdirSync(folder).filter((name) => /\.(?:pem|pub|key|jwk)$/.test(name));
  } catch {
    return [];
  }
}

function isKeyFile(path: string, kind: KeyKind): boolean {
  try {
    const bytes = readRegularFile(path, path, MAX_KEY_FILE);
    return looksLikeKey(bytes) && holdsPrivateKey(bytes) === (kind === 'private');
  } catch {
    return false;
  }
}
