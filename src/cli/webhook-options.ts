import { type Command, Option } from 'commander';
import { KsealError } from '../errors.ts';
import { type Scope, scopes } from '../jwe/binding.ts';
import { parseKid } from '../jwe/thumbprint.ts';
import { isNamespace } from '../kubernetes/secret.ts';
import { logLevels } from '../webhook/server/settings.ts';
import { repeated } from './files.ts';
import { endpointOption } from './options.ts';

/** The flags of `webhook serve` that `webhook manifests` passes on. */
export interface OpeningFlags {
  readonly acceptUnbound: readonly string[];
  readonly deprecatedKid: readonly string[];
  readonly revokedKid: readonly string[];
  readonly memo: boolean;
  readonly kmsEndpoint?: string;
  readonly kmsTimeout?: string;
}

/** Without a default, `webhook manifests` does not pass on what nobody typed. */
export function addOpeningOptions(
  command: Command,
  { maxScope, logLevel }: { readonly maxScope?: Scope; readonly logLevel?: string } = {},
): Command {
  const none: readonly string[] = [];
  return command
    .option(
      '--accept-unbound <namespace>',
      'in this namespace, also open values from other tools, which are not bound to a Secret',
      repeated,
      none,
    )
    .addOption(
      new Option('--max-scope <scope>', 'the widest scope to open')
        .choices(scopes)
        .default(maxScope),
    )
    .option(
      '--deprecated-kid <kid>',
      'open values sealed to this key, with a warning',
      repeated,
      none,
    )
    .option('--revoked-kid <kid>', 'refuse values sealed to this key', repeated, none)
    .addOption(
      new Option('--log-level <level>', 'the lowest level to log')
        .choices(logLevels)
        .default(logLevel),
    )
    .option('--no-memo', 'do not cache which values were opened')
    .option(...endpointOption)
    .option(
      '--kms-timeout <seconds>',
      'how long a review may wait for the KMS (default: as long as the API server does)',
    );
}

interface ClientFlags {
  readonly hasClientCa: boolean;
  readonly clientName: readonly string[];
  readonly allowAnyClient?: boolean;
}

/** Throws USAGE unless the flags say who may call the webhook. */
export function checkClients({ hasClientCa, clientName, allowAnyClient }: ClientFlags): void {
  if (allowAnyClient) {
    if (!hasClientCa && clientName.length === 0) return;
    const problem = '--allow-any-client cannot be used with --client-ca or --client-name';
    throw usage(problem, 'omit --allow-any-client');
  }
  if (clientName.includes('')) {
    throw usage('--client-name must not be empty', '--client-name kube-apiserver');
  }
  if (hasClientCa && clientName.length > 0) return;
  const missing = hasClientCa ? '--client-name' : '--client-ca';
  throw usage(
    `${missing} is required, because anyone who can call the webhook can have values opened`,
    '--client-ca ca.crt --client-name kube-apiserver, or --allow-any-client',
  );
}

export function checkNamespaces(flag: string, texts: readonly string[]): void {
  if (texts.every(isNamespace)) return;
  throw usage(`${flag} must be a namespace`, `${flag} hr ${flag} ops`);
}

/** The number of seconds of `--kms-timeout`, up to the longest timeout of a webhook. Throws USAGE. */
export function kmsTimeoutIn({ kmsTimeout }: OpeningFlags): number | undefined {
  return kmsTimeout === undefined ? undefined : numberIn('--kms-timeout', kmsTimeout, [1, 30], 5);
}

/** Parses the value of a flag. Throws USAGE. */
export function numberIn(
  flag: string,
  text: string,
  [min, max]: readonly [number, number],
  example: number,
): number {
  const number = Number(text);
  if (/^\d+$/.test(text) && number >= min && number <= max) return number;
  throw usage(`${flag} must be a number from ${min} to ${max}`, `${flag} ${example}`);
}

/** Parses kids and fingerprints. Throws USAGE. */
export function kidsIn(flag: string, texts: readonly string[]): readonly string[] {
  return texts.map((text) => {
    const kid = parseKid(text);
    if (kid !== undefined) return kid;
    throw usage(
      `${flag} must be a kid or a fingerprint`,
      'copy it from the output of kseal keys or kseal inspect KEYFILE',
    );
  });
}

export function usage(problem: string, hint: string): KsealError {
  return new KsealError('USAGE', problem, { hint });
}
