import { dirname, relative, resolve } from 'node:path';
import type { Command } from 'commander';
import { type Config, findConfig, loadConfig } from '../config/config.ts';
import { expectedErrors, KsealError, throwAll } from '../errors.ts';
import { readFile } from '../fs/read.ts';
import type { Scope } from '../jwe/binding.ts';
import type { OpeningKey } from '../jwe/decrypt.ts';
import { WEAK_BITS } from '../keys/key-file.ts';
import { type KeyContext, loadOpeningKeys } from '../keys/resolve.ts';
import type { IO } from './io.ts';
import { say, warn } from './print.ts';

/** What says where keys and their configuration are, in every command that takes a key. */
export interface KeyFlags {
  readonly config?: string;
  readonly kmsEndpoint?: string;
  readonly verifySignature?: boolean;
}

export function addKeyOptions(command: Command): Command {
  return command
    .option(
      '--config <file>',
      'the configuration, in place of the .kseal.yaml above (KSEAL_CONFIG)',
    )
    .option(
      '--kms-endpoint <host:port>',
      'another endpoint of Google Cloud KMS (KSEAL_KMS_ENDPOINT)',
    )
    .option('--verify-signature', 'take a key from Git only out of a commit with a good signature');
}

/**
 * The configuration that holds for `file`, as the user wrote it: the one that was named, else
 * the nearest above the folder of the file, else above the current folder.
 */
export function configFor(
  io: IO,
  { config }: KeyFlags,
  file: string | undefined,
): Config | undefined {
  const named = config ?? io.env.KSEAL_CONFIG;
  if (named) return loadConfig(resolve(io.cwd, named), named, readFile);
  const folder = file === undefined || file === '-' ? io.cwd : dirname(resolve(io.cwd, file));
  const found = findConfig(folder);
  return found === undefined ? undefined : loadConfig(found, relative(io.cwd, found) || found);
}

export function keyContext(io: IO, flags: KeyFlags, config: Config | undefined): KeyContext {
  return {
    cwd: io.cwd,
    env: io.env,
    config,
    kmsEndpoint: flags.kmsEndpoint,
    verifySignature: flags.verifySignature ?? false,
    note: (text) => say(io, 'note', text),
  };
}

/** What each scope means, for people who have never heard the word. */
const scopeWords: Record<Scope, string> = {
  strict: 'each value will open only in its own Secret, under its own data key',
  'namespace-wide': 'each value will open in any Secret of its namespace',
  'cluster-wide': 'each value will open in any Secret of the cluster',
};

/** Says the scope, and for which Secret where there is one. */
export function sayScope(io: IO, scope: Scope, secret?: string): void {
  say(io, 'note', `${secret ? `${secret}, ` : ''}scope ${scope}: ${scopeWords[scope]}`);
}

export function warnIfWeak(io: IO, { bits }: { readonly bits: number }, key: string): void {
  if (bits >= WEAK_BITS) return;
  warn(io, { message: `${key}: RSA-${bits} is weak; ${WEAK_BITS} bits or more are advised` });
}

/** The references of keys to open with: those that were named, else that of the environment. */
export function openingReferences({ env }: IO, given: readonly string[]): readonly string[] {
  const references = given.length > 0 ? given : [env.KSEAL_DECRYPT_KEY ?? ''].filter(Boolean);
  if (references.length > 0) return references;
  throw new KsealError('USAGE', 'no key to open with', { hint: '-k key.pem' });
}

/** Loads the keys to open with. */
export async function openingKeys(
  references: readonly string[],
  context: KeyContext,
): Promise<readonly OpeningKey[]> {
  // All of them are waited for, so that every error is said and no call goes on afterwards.
  const settled = await Promise.allSettled(
    references.map((reference) => loadOpeningKeys(reference, context)),
  );
  throwAll(settled.flatMap((one) => (one.status === 'rejected' ? expectedErrors(one.reason) : [])));
  return settled.flatMap((one) => (one.status === 'fulfilled' ? one.value : []));
}
