import type { Command } from 'commander';
import { DEFAULT_MAX_SCOPE, type Scope } from '../jwe/binding.ts';
import type { KeyState } from '../jwe/decrypt.ts';
import { loadOpeningKeys } from '../keys/resolve.ts';
import type { ServeOptions } from '../webhook/server/serve.ts';
import { type LogLevel, logLevels } from '../webhook/server/settings.ts';
import { repeated } from './files.ts';
import type { IO } from './io.ts';
import { openingReferences } from './opening-keys.ts';
import { keyContext, passphrasesFrom } from './options.ts';
import { configure as configureManifests } from './webhook-manifests.ts';
import {
  addOpeningOptions,
  checkClients,
  checkNamespaces,
  kidsIn,
  kmsTimeoutIn,
  numberIn,
  type OpeningFlags,
  usage,
} from './webhook-options.ts';
import { configure as configureSweep } from './webhook-sweep.ts';

/** The options of `kseal webhook serve`. */
interface ServeFlags extends OpeningFlags {
  readonly key: readonly string[];
  readonly tlsCert?: string;
  readonly tlsKey?: string;
  readonly host?: string;
  readonly port: string;
  readonly metricsPort: string;
  readonly clientCa?: string;
  readonly clientName: readonly string[];
  readonly allowAnyClient?: boolean;
  readonly drain: string;
  readonly maxScope: Scope;
  readonly logLevel: LogLevel;
}

/** `kseal webhook` with its commands. */
export function configure(group: Command, io: IO, exit: (code: number) => void): void {
  configureServe(group.command('serve').description('serve the admission webhook'), io);
  configureManifests(
    group.command('manifests').description('print the YAML that installs the webhook'),
    io,
  );
  configureSweep(
    group.command('sweep').description('open the Secrets that are stored sealed in a cluster'),
    io,
    exit,
  );
}

/** Variables such as KSEAL_WEBHOOK_PORT exist, but none that decides who may call or what is opened. */
function configureServe(command: Command, io: IO): void {
  const none: readonly string[] = [];
  const variable = (name: string) => io.env[`KSEAL_WEBHOOK_${name}`] || undefined;
  command
    .option(
      '-k, --key <ref>',
      "a key to open values with: 'gcpkms://…' or a file (env: KSEAL_DECRYPT_KEY)",
      repeated,
      none,
    )
    .option(
      '--tls-cert <file>',
      'the serving certificate (PEM), reloaded when the file changes',
      variable('TLS_CERT'),
    )
    .option('--tls-key <file>', 'its private key (PEM)', variable('TLS_KEY'))
    .option('--host <address>', 'the address to listen on (default: all)', variable('HOST'))
    .option('--port <port>', 'the HTTPS port for POST /mutate', variable('PORT') ?? '8443')
    .option(
      '--metrics-port <port>',
      'the HTTP port for /livez, /readyz and /metrics',
      variable('METRICS_PORT') ?? '9090',
    )
    .option(
      '--client-ca <file>',
      'the CA (PEM) that signs client certificates; callers must present one',
    )
    .option(
      '--client-name <name>',
      'an accepted common name of client certificates',
      repeated,
      none,
    )
    .option('--allow-any-client', 'answer anyone who can reach the port')
    .option(
      '--drain <seconds>',
      'how long to keep serving after SIGTERM',
      variable('DRAIN') ?? '5',
    );
  const logLevel = variable('LOG_LEVEL') ?? 'info';
  addOpeningOptions(command, { maxScope: DEFAULT_MAX_SCOPE, logLevel }).action(
    async (flags: ServeFlags) => {
      const options = optionsFrom(io, flags);
      // A server does not wait for a person.
      const passphrases = passphrasesFrom({
        env: io.env,
        cwd: io.cwd,
        openTerminal: () => undefined,
        onSignal: io.onSignal,
      });
      const { serve } = await import('../webhook/server/serve.ts');
      await serve(options, {
        logStream: io.stderr,
        onSignal: io.onSignal,
        onUncaught: io.onUncaught,
        loadKeys: (reference, note) =>
          loadOpeningKeys(reference, { ...keyContext(io, flags, undefined), note, passphrases }),
      });
    },
  );
}

/** Checks the flags, without reading the files that they name. Throws USAGE. */
function optionsFrom(io: IO, flags: ServeFlags): ServeOptions {
  const { clientCa, clientName, allowAnyClient, acceptUnbound, logLevel } = flags;
  checkClients({ ...flags, hasClientCa: clientCa !== undefined });
  checkNamespaces('--accept-unbound', acceptUnbound);
  // Commander checks the flag, but not the variable.
  if (!logLevels.includes(logLevel)) {
    const problem = `KSEAL_WEBHOOK_LOG_LEVEL must be one of ${logLevels.join(', ')}`;
    throw usage(problem, 'KSEAL_WEBHOOK_LOG_LEVEL=info');
  }
  const deprecated = kidsIn('--deprecated-kid', flags.deprecatedKid);
  const revoked = kidsIn('--revoked-kid', flags.revokedKid);
  const kmsTimeout = kmsTimeoutIn(flags);
  return {
    ...{ acceptUnbound, logLevel, host: flags.host, maxScope: flags.maxScope },
    references: openingReferences(io, flags.key, 'kseal webhook serve -k KEY'),
    // The revoked kids come last, because the stricter state wins.
    states: new Map<string, KeyState>([
      ...deprecated.map((kid) => [kid, 'deprecated'] as const),
      ...revoked.map((kid) => [kid, 'revoked'] as const),
    ]),
    clientNames: allowAnyClient ? undefined : clientName,
    tls: {
      folder: io.cwd,
      cert: required(flags.tlsCert, '--tls-cert', 'tls.crt'),
      key: required(flags.tlsKey, '--tls-key', 'tls.key'),
      clientCa,
    },
    port: numberIn('--port', flags.port, [0, 65_535], 8443),
    metricsPort: numberIn('--metrics-port', flags.metricsPort, [0, 65_535], 9090),
    useCache: flags.memo,
    kmsTimeout: kmsTimeout === undefined ? undefined : kmsTimeout * 1000,
    drain: numberIn('--drain', flags.drain, [0, 600], 5) * 1000,
  };
}

function required(value: string | undefined, flag: string, example: string): string {
  if (value !== undefined) return value;
  throw usage(`${flag} is required: the webhook serves HTTPS only`, `${flag} ${example}`);
}
