import { dirname, resolve } from 'node:path';
import type { Command } from 'commander';
import { type Config, type FindConfig, findConfig } from '../config/config.ts';
import { expectedErrors, KsealError, throwAll } from '../errors.ts';
import type { Scope } from '../jwe/binding.ts';
import { WEAK_BITS } from '../jwe/compact.ts';
import type { OpeningKey } from '../jwe/decrypt.ts';
import { type KeyContext, loadOpeningKeys } from '../keys/resolve.ts';
import type { IO } from './io.ts';
import { say, warn } from './print.ts';

/** The options of every command that takes a key. */
export interface KeyFlags {
  readonly config?: string;
  readonly kmsEndpoint?: string;
  readonly verifySignature?: boolean;
}

/** For the help of options that take a key. */
export const keyKinds = "'gcpkms://…', a configured name or a file";

export const configOption = [
  '--config <file>',
  'use this configuration instead of the nearest .kseal.yaml (env: KSEAL_CONFIG)',
] as const;

export const endpointOption = [
  '--kms-endpoint <host:port>',
  'use this endpoint of Google Cloud KMS (env: KSEAL_KMS_ENDPOINT)',
] as const;

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

export function warnIfWeak(io: IO, { bits }: { readonly bits: number }, key: string): void {
  if (bits >= WEAK_BITS) return;
  warn(io, { message: `${key}: RSA-${bits} is weak; use ${WEAK_BITS} bits or more` });
}

/** The keys to open with: those on the command line, or else the one in the environment. */
export function openingReferences({ env }: IO, given: readonly string[]): readonly string[] {
  const references = given.length > 0 ? given : [env.KSEAL_DECRYPT_KEY ?? ''].filter(Boolean);
  if (references.length > 0) return references;
  throw new KsealError('USAGE', 'no key to open with', { hint: '-k key.pem' });
}

export async function openingKeys(
  references: readonly string[],
  context: KeyContext,
): Promise<readonly OpeningKey[]> {
  // Waits for all, so that every error is reported and no call continues afterwards.
  const settled = await Promise.allSettled(
    references.map((reference) => loadOpeningKeys(reference, context)),
  );
  throwAll(settled.flatMap((one) => (one.status === 'rejected' ? expectedErrors(one.reason) : [])));
  return settled.flatMap((one) => (one.status === 'fulfilled' ? one.value : []));
}
