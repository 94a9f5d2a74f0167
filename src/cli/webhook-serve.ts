import { type Command, Option } from 'commander';
import { scopes } from '../jwe/binding.ts';
import { loadOpeningKeys } from '../keys/resolve.ts';
import { DEFAULT_MAX_SCOPE } from '../webhook/review.ts';
import { logLevels } from '../webhook/server/settings.ts';
import { keyContext } from './context.ts';
import { repeated } from './input.ts';
import type { IO } from './io.ts';
import { optionsFrom, type ServeFlags } from './webhook-serve-options.ts';

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
