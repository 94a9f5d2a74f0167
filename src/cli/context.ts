import { dirname, relative, resolve } from 'node:path';
import type { Command } from 'commander';
import { type Config, findConfig, loadConfig } from '../config/config.ts';
import { readFile } from '../fs/read.ts';
import type { KeyContext } from '../keys/resolve.ts';
import type { IO } from './io.ts';
import { say } from './print.ts';

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
