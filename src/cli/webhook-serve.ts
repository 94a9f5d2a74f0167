import { type Command, Option } from 'commander';
import { KsealError } from '../errors.ts';
import { type Scope, scopes } from '../jwe/binding.ts';
import type { KeyState } from '../jwe/decrypt.ts';
import { parseKid } from '../jwe/thumbprint.ts';
import { loadOpeningKeys } from '../keys/resolve.ts';
import { isNamespace } from '../kubernetes/names.ts';
import { DEFAULT_MAX_SCOPE } from '../webhook/review.ts';
import type { ServeOptions } from '../webhook/server/serve.ts';
import { type LogLevel, logLevels } from '../webhook/server/settings.ts';
import { repeated } from './files.ts';
import type { IO } from './io.ts';
import { keyContext, openingReferences } from './options.ts';

/** `KSEAL_WEBHOOK_PORT` stands for `--port`. None stands for who may call, or what is opened. */
export function configure(command: Command, io: IO): void {
  const none: readonly string[] = [];
  const given = (name: string) => io.env[`KSEAL_WEBHOOK_${name}`] || undefined;
  command
    .option('-k, --key <ref>', 'a key to open with (or KSEAL_DECRYPT_KEY)', repeated, none)
    .option(
      '--tls-cert <file>',
      'the serving certificate, PEM; read again when it changes',
      given('TLS_CERT'),
    )
    .option('--tls-key <file>', 'its private key, PEM', given('TLS_KEY'))
    .option('--host <address>', 'the address to listen on, in place of all', given('HOST'))
    .option('--port <port>', 'for POST /mutate, on HTTPS', given('PORT') ?? '8443')
    .option(
      '--metrics-port <port>',
      'for /livez, /readyz and /metrics, on plain HTTP',
      given('METRICS_PORT') ?? '9090',
    )
    .option('--client-ca <file>', 'the CA of the client certificate that a caller must show, PEM')
    .option('--client-name <name>', 'the common name that it must have', repeated, none)
    .option('--allow-any-client', 'answer anybody who can reach the port')
    .option('--accept-unbound <namespace>', 'open values of other tools there', repeated, none)
    .addOption(
      new Option('--max-scope <scope>', 'the widest scope that is opened')
        .choices(scopes)
        .default(DEFAULT_MAX_SCOPE),
    )
    .option('--deprecated-kid <kid>', 'a key that opens with a warning', repeated, none)
    .option('--revoked-kid <kid>', 'a key that opens nothing', repeated, none)
    .addOption(
      new Option('--log-level <level>', 'how much the log says')
        .choices(logLevels)
        .default(given('LOG_LEVEL') ?? 'info'),
    )
    .option('--no-memo', 'ask the key for every value, also where the Secret holds it already')
    .option('--drain <seconds>', 'how long to serve on after SIGTERM', given('DRAIN') ?? '5')
    .option(
      '--kms-endpoint <host:port>',
      'another endpoint of Google Cloud KMS (KSEAL_KMS_ENDPOINT)',
    )
    .action((flags: ServeFlags) => start(io, flags));
}

async function start(io: IO, flags: ServeFlags): Promise<void> {
  const options = optionsFrom(io, flags);
  const { serve } = await import('../webhook/server/serve.ts');
  await serve(options, {
    logStream: io.stderr,
    onSignal: io.onSignal,
    onUncaught: io.onUncaught,
    loadKeys: (reference, note) =>
      loadOpeningKeys(reference, { ...keyContext(io, flags, undefined), note }),
  });
}

/** The options of `kseal webhook serve`. */
interface ServeFlags {
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
function optionsFrom(io: IO, flags: ServeFlags): ServeOptions {
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
    useCache: flags.memo,
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
