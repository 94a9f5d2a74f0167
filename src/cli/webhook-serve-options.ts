import { KsealError } from '../errors.ts';
import type { Scope } from '../jwe/binding.ts';
import type { KeyState } from '../jwe/decrypt.ts';
import { parseKid } from '../jwe/thumbprint.ts';
import { isNamespace } from '../kubernetes/names.ts';
import type { ServeOptions } from '../webhook/server/serve.ts';
import { type LogLevel, logLevels } from '../webhook/server/settings.ts';
import type { IO } from './io.ts';
import { openingReferences } from './key.ts';

/** The options of `kseal webhook serve`. */
export interface ServeFlags {
  readonly key: readonly string[];
  readonly tlsCert?: string;
  readonly tlsKey?: string;
  readonly host?: string;
  readonly port: string;
  readonly metricsPort: string;
  readonly clientCa?: string;
  readonly clientName: readonly string[];
  readonly allowAnyClient?: boolean;
  readonly acceptUnbound: readonly string[];
  readonly maxScope: Scope;
  readonly deprecatedKid: readonly string[];
  readonly revokedKid: readonly string[];
  readonly logLevel: LogLevel;
  readonly memo: boolean;
  readonly drain: string;
  readonly kmsEndpoint?: string;
}

/** Reads what the flags say; the files that they name are not touched. Throws USAGE. */
export function optionsFrom(io: IO, flags: ServeFlags): ServeOptions {
  return {
    references: openingReferences(io, flags.key),
    states: statesFrom(flags),
    clientNames: clientNamesFrom(flags),
    tls: {
      folder: io.cwd,
      cert: required(flags.tlsCert, '--tls-cert', 'tls.crt'),
      key: required(flags.tlsKey, '--tls-key', 'tls.key'),
      clientCa: flags.clientCa,
    },
    host: flags.host,
    port: numberIn('--port', flags.port, 65_535),
    metricsPort: numberIn('--metrics-port', flags.metricsPort, 65_535),
    acceptUnbound: flags.acceptUnbound.map(checkedNamespace),
    maxScope: flags.maxScope,
    useMemo: flags.memo,
    logLevel: logLevelIn(flags.logLevel),
    drain: numberIn('--drain', flags.drain, 600) * 1000,
  };
}

function required(value: string | undefined, flag: string, example: string): string {
  if (value !== undefined) return value;
  throw new KsealError('USAGE', `${flag} is missing: the webhook is served on HTTPS only`, {
    hint: `${flag} ${example}`,
  });
}

/** Whoever may call can have values opened with a forged request, so it has to be said who may. */
function clientNamesFrom({ clientCa, clientName, allowAnyClient }: ServeFlags) {
  if (allowAnyClient && (clientCa !== undefined || clientName.length > 0)) {
    throw new KsealError('USAGE', '--allow-any-client and --client-ca exclude each other', {
      hint: 'leave --allow-any-client away',
    });
  }
  if (allowAnyClient) return undefined;
  if (clientName.includes('')) {
    const hint = '--client-name kube-apiserver';
    throw new KsealError('USAGE', '--client-name is empty', { hint });
  }
  if (clientCa !== undefined && clientName.length > 0) return clientName;
  const missing = clientCa === undefined ? '--client-ca' : '--client-name';
  throw new KsealError(
    'USAGE',
    `${missing} is missing, and whoever may call can have any value opened`,
    { hint: '--client-ca ca.crt --client-name kube-apiserver, or --allow-any-client' },
  );
}

function statesFrom({ deprecatedKid, revokedKid }: ServeFlags): ReadonlyMap<string, KeyState> {
  const deprecated = deprecatedKid.map(
    (text) => [kidIn('--deprecated-kid', text), 'deprecated'] as const,
  );
  const revoked = revokedKid.map((text) => [kidIn('--revoked-kid', text), 'revoked'] as const);
  // The stricter state holds.
  return new Map<string, KeyState>([...deprecated, ...revoked]);
}

function kidIn(flag: string, text: string): string {
  const kid = parseKid(text);
  if (kid !== undefined) return kid;
  throw new KsealError('USAGE', `${flag} is not given a fingerprint`, {
    hint: 'kseal keys and kseal inspect KEYFILE print them',
  });
}

function checkedNamespace(text: string): string {
  if (isNamespace(text)) return text;
  throw new KsealError('USAGE', '--accept-unbound is not given a namespace', {
    hint: '--accept-unbound hr, and once more for each further one',
  });
}

const examples = { '--port': 8443, '--metrics-port': 9090, '--drain': 5 };

function numberIn(flag: keyof typeof examples, text: string, most: number): number {
  const number = Number(text);
  if (/^\d+$/.test(text) && number <= most) return number;
  throw new KsealError('USAGE', `${flag} takes a whole number up to ${most}`, {
    hint: `${flag} ${examples[flag]}`,
  });
}

/** What the environment gives has not been looked at yet. */
function logLevelIn(level: LogLevel): LogLevel {
  if (logLevels.includes(level)) return level;
  throw new KsealError('USAGE', `KSEAL_WEBHOOK_LOG_LEVEL must be one of ${logLevels.join(', ')}`, {
    hint: 'KSEAL_WEBHOOK_LOG_LEVEL=info',
  });
}
