import { readFileSync } from 'node:fs';
import { relative, resolve } from 'node:path';
import { type Command, Option } from 'commander';
import { type Config, type ConfiguredKey, parseReference } from '../config/config.ts';
import { attemptAll, expected, KsealError } from '../errors.ts';
import { isFile } from '../fs/read.ts';
import { checkWritable, writeFile } from '../fs/write.ts';
import { describeKid } from '../jwe/thumbprint.ts';
import {
  type KeyFormat,
  keyFormats,
  publicKeyFromFile,
  publicKeyText,
  readKeyFile,
} from '../keys/key-file.ts';
import type { FetchedKey } from '../keys/provider.ts';
import {
  checkAgreement,
  checkPin,
  configuredKey,
  fetchKey,
  type KeyContext,
  type Witness,
} from '../keys/resolve.ts';
import { jsonText, printable } from '../text.ts';
import type { IO } from './io.ts';
import {
  addKeyOptions,
  commandLine,
  configFor,
  type KeyFlags,
  keyContext,
  warnAboutKey,
} from './options.ts';
import { fingerprintLines, say, sayFingerprint, warn, writeStdout } from './print.ts';
import { pinOf } from './sealing-key.ts';

interface FetchFlags extends KeyFlags {
  readonly output?: string;
  readonly force?: boolean;
  readonly pin?: string;
  readonly format: KeyFormat;
  readonly json?: boolean;
  readonly check?: boolean;
}

export function configure(command: Command, io: IO): void {
  addKeyOptions(command)
    .argument('[source...]', "'gcpkms://…', 'git+https://…', a file, or a configured name")
    .option('-o, --output <file>', 'write to this file instead of stdout')
    .option('--force', 'replace a file that contains a different key')
    .option('--pin <kid>', 'the fingerprint that the key must have')
    .addOption(new Option('--format <format>', 'output format').choices(keyFormats).default('pem'))
    .option('--json', 'print the key and its details as JSON')
    .option('--check', 'compare file, source and pin of the configured keys')
    .action((sources: string[], flags: FetchFlags) => dispatch(io, sources, flags));
}

const SOURCE = "'gcpkms://projects/P/locations/L/keyRings/R/cryptoKeys/K'";

async function dispatch(io: IO, sources: readonly string[], flags: FetchFlags): Promise<void> {
  if (flags.check) return checkKeys(io, sources, flags);
  const [source, second] = sources;
  if (source !== undefined && second === undefined) return fetchPubkey(io, source, flags);
  throw new KsealError('USAGE', 'give one source of a public key', {
    hint: commandLine(`kseal fetch-pubkey ${SOURCE}`, {
      '--config': flags.config,
      '--pin': flags.pin,
      '-o': flags.output ?? 'FILE',
    }),
  });
}

async function fetchPubkey(io: IO, text: string, flags: FetchFlags): Promise<void> {
  const config = configFor(io, flags, flags.output);
  const wanted = wantedFrom(io, text, flags, config);
  const { file } = wanted;
  if (file !== undefined) checkWritable(file.path, file.shown);
  const key = await fetchKey(wanted.source, wanted.folder, keyContext(io, flags, config));
  for (const [fact, value] of key.facts) say(io, 'note', `${fact}: ${value}`);
  say(io, 'note', `${key.origin}: RSA-${key.bits}`);
  sayFingerprint(io, describeKid(key.kid));
  warnAboutKey(io, key, key.origin);
  for (const pin of wanted.pins) checkPin(key.kid, pin, text);
  if (file !== undefined) await writeKey(io, file, key, flags);
  if (flags.json) await writeStdout(io, asJson(key));
  else if (file === undefined) await writeStdout(io, publicKeyText(key, flags.format));
}

/** The source of a key, and what the command line and the configuration say about it. */
interface Wanted {
  readonly source: string;
  /** The folder that a relative source starts from. */
  readonly folder: string;
  /** The output file: its absolute path, and its path in messages. */
  readonly file: { readonly path: string; readonly shown: string } | undefined;
  readonly pins: readonly (string | undefined)[];
}

function wantedFrom(io: IO, text: string, flags: FetchFlags, config: Config | undefined): Wanted {
  const { output, pin } = flags;
  const file =
    output === undefined || output === '-'
      ? undefined
      : { path: resolve(io.cwd, output), shown: output };
  const reference = parseReference(text);
  if (reference.kind !== 'name') return { source: text, folder: io.cwd, file, pins: [pinOf(pin)] };
  const { config: found, entry } = configuredKey(reference.name, config);
  if (entry.source === undefined) {
    throw new KsealError('CONFIG_INVALID', `key ${reference.name} has no source`, {
      thing: found.path,
      hint: 'add source: gcpkms://… to it',
    });
  }
  const path = entry.file && resolve(found.folder, entry.file);
  const own = path && { path, shown: relative(io.cwd, path) };
  return {
    source: entry.source,
    folder: found.folder,
    file: output === undefined ? own || undefined : file,
    pins: [pinOf(pin), entry.kid],
  };
}

/** Writes the key, unless the file has it already. Replaces another key only with --force. */
async function writeKey(
  io: IO,
  { path, shown }: NonNullable<Wanted['file']>,
  key: FetchedKey,
  { force = false, format }: FetchFlags,
): Promise<void> {
  const text = Buffer.from(publicKeyText(key, format));
  const held = isFile(path) ? await kidOfKeyFile(path, shown) : undefined;
  if (held === key.kid && (!force || readFileSync(path).equals(text)))
    return say(io, 'note', `${shown} has this key already`);
  if (held !== undefined && !force) {
    throw new KsealError('KEY_MISMATCH', 'has another key', {
      thing: shown,
      hint: 'if the change is intended, add --force',
      fingerprints: [
        ['in the file', describeKid(held)],
        ['fetched', describeKid(key.kid)],
      ],
    });
  }
  await writeFile(path, shown, text, { force, confidential: false });
  say(io, 'note', `wrote ${shown}`);
}

/** Undefined for a file that is not a key file. */
async function kidOfKeyFile(path: string, shown: string): Promise<string | undefined> {
  try {
    return (await readKeyFile(path, shown)).kid;
  } catch (error) {
    if (expected(error).code === 'KEY_INVALID') return undefined;
    throw error;
  }
}

function asJson({ kid, bits, origin, facts, key }: FetchedKey): string {
  const pem = publicKeyText({ key, kid }, 'pem');
  const fingerprint = describeKid(kid);
  const json = { kid, fingerprint, bits, origin, facts: Object.fromEntries(facts), pem };
  return jsonText(json);
}

/**
 * `kseal fetch-pubkey --check`: compares the file, the source and the pin of each configured key.
 * Throws KEY_MISMATCH, with all fingerprints, for each key for which they differ.
 */
async function checkKeys(io: IO, names: readonly string[], flags: KeyFlags): Promise<void> {
  const config = configFor(io, flags, undefined);
  const context = keyContext(io, flags, config);
  const chosen = names.length > 0 ? names : [...(config?.keys.keys() ?? [])];
  if (chosen.length === 0) {
    throw new KsealError('USAGE', 'no keys are configured', {
      hint: 'kseal init',
    });
  }
  const agreements = await attemptAll(chosen, async (name) => {
    const { config: found, entry } = configuredKey(name, config);
    const witnesses = await witnessesOf(entry, found, context);
    checkAgreement(name, witnesses);
    const [first, second] = witnesses;
    if (first !== undefined && second !== undefined) {
      const places = witnesses.map(({ place }) => place).join(', ');
      return agreement(io, name, describeKid(first.kid), `${places} agree`);
    }
    warn(io, {
      message: `key ${name}: nothing to compare`,
      hint: 'configure at least two of file, source and kid',
    });
    return '';
  });
  await writeStdout(io, agreements.join(''));
}

/** On a terminal, the fingerprint has lines of its own. */
function agreement(io: IO, name: string, fingerprint: string, places: string): string {
  if (!io.stdout.isTTY) return `${printable(`${name}: ${fingerprint}: ${places}`)}\n`;
  const lines = fingerprintLines(io, io.stdout, [['', fingerprint]]);
  return [printable(`${name}: ${places}`), ...lines, ''].join('\n');
}

async function witnessesOf(
  { file, source, kid }: ConfiguredKey,
  config: Config,
  context: KeyContext,
): Promise<readonly Witness[]> {
  const witnesses: Witness[] = [];
  if (file !== undefined) {
    const key = await publicKeyFromFile(resolve(config.folder, file), file);
    witnesses.push({ place: `file ${file}`, kid: key.kid });
  }
  if (source !== undefined) {
    const key = await fetchKey(source, config.folder, context);
    witnesses.push({ place: `source ${key.origin}`, kid: key.kid });
  }
  if (kid !== undefined) witnesses.push({ place: `pin in ${config.path}`, kid });
  return witnesses;
}
