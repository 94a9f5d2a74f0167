import { join, resolve } from 'node:path';
import { type Command, Option } from 'commander';
import { writeFolder } from '../fs/write.ts';
import { scopes } from '../jwe/binding.ts';
import { shellWord } from '../text.ts';
import { baseFiles, manifestText } from '../webhook/install/files.ts';
import type { ManifestOptions } from '../webhook/install/options.ts';
import { logLevels } from '../webhook/server/settings.ts';
import { repeated } from './input.ts';
import type { IO } from './io.ts';
import { say, warn, writeStdout } from './print.ts';
import { checkFlags, type ManifestFlags } from './webhook-manifests-flags.ts';
import { optionsFrom } from './webhook-manifests-options.ts';

export function configure(command: Command, io: IO): void {
  const none: readonly string[] = [];
  command
    .requiredOption('--image <image>', 'the image to run, best with its digest; it must run kseal')
    .option(
      '-k, --key <ref>',
      "what opens: 'gcpkms://…', a configured name, a file",
      repeated,
      none,
    )
    .option('--key-secret <name>', 'the Secret that holds the files that -k names')
    .option('-n, --namespace <name>', 'where the webhook runs, alone', 'kseal')
    .option('--replicas <n>', 'how many pods there are at least', '2')
    .addOption(
      new Option('--tls <how>', 'where the serving certificate comes from')
        .choices(['cert-manager', 'self-signed', 'files'])
        .default('cert-manager'),
    )
    .option(
      '--tls-cert <file>',
      'with --tls files: the certificate, and those between it and the CA',
    )
    .option('--tls-key <file>', 'with --tls files: its private key')
    .option('--tls-ca <file>', 'with --tls files: the CA that the API server trusts it by')
    .option('--client-ca <file>', "the CA of the API server's client certificate", repeated, none)
    .option(
      '--client-name <name>',
      'who may ask: the name in it; --tls self-signed makes one where there is no --client-ca',
      repeated,
      none,
    )
    .option('--allow-any-client', 'anyone who can reach the webhook may ask it')
    .option(
      '--api-server-from <cidr>',
      'a NetworkPolicy: from where the API server comes, or konnectivity',
      repeated,
      none,
    )
    .option('--service-account-annotation <key=value>', 'for the workload identity', repeated, none)
    .option('--accept-unbound <namespace>', 'open values bound to no place there', repeated, none)
    .addOption(new Option('--max-scope <scope>', 'the widest scope that is opened').choices(scopes))
    .option('--deprecated-kid <kid>', 'besides those of the configuration', repeated, none)
    .option('--revoked-kid <kid>', 'besides those of the configuration', repeated, none)
    .addOption(new Option('--log-level <level>', 'how much its log says').choices(logLevels))
    .option('--no-memo', 'ask the key again for what has been opened before')
    .option('--kms-endpoint <host:port>', 'another endpoint of Google Cloud KMS')
    .option(
      '--config <file>',
      'the configuration, in place of the .kseal.yaml above (KSEAL_CONFIG)',
    )
    .option('-o, --output <dir>', 'write a kustomize base here instead of YAML to stdout')
    .option('--force', 'overwrite files that exist')
    .action((flags: ManifestFlags) => manifests(io, flags, commandLine(command)));
}

async function manifests(io: IO, flags: ManifestFlags, line: string): Promise<void> {
  checkFlags(flags);
  const folder = flags.output;
  const options = await optionsFrom(io, flags, line);
  warnOf(io, options);
  if (folder === undefined) return writeStdout(io, manifestText(options));
  const files = baseFiles(options, folder).map(({ text, ...file }) => ({
    ...file,
    octets: Buffer.from(text),
  }));
  writeFolder(resolve(io.cwd, folder), folder, files, flags.force ?? false);
  const names = files.filter(({ confidential }) => confidential).map(({ name }) => name);
  for (const name of names)
    say(io, 'note', `wrote ${join(folder, name)} (private: keep it out of Git)`);
  const others = `${files.length - names.length} ${names.length > 0 ? 'more ' : ''}files`;
  say(io, 'note', `wrote ${others} to ${folder}`);
  say(io, 'note', `what to do next is said in ${join(folder, 'kustomization.yaml')}`);
}

function warnOf(io: IO, { image, clients, apiServerFrom }: ManifestOptions): void {
  if (!/@sha256:[0-9a-f]{64}$/.test(image)) {
    const hint = `--image ${image.replace(/@.*/, '')}@sha256:…`;
    warn(io, { message: 'the image is not pinned by its digest, so what runs may change', hint });
  }
  if (clients.kind === 'anyone') {
    const isOpen = apiServerFrom.length === 0;
    warn(io, {
      message: `whoever ${isOpen ? 'reaches' : 'is let through to'} the webhook can have any value opened with a forged request`,
      hint: `--client-ca ca.crt --client-name kube-apiserver${isOpen ? ', or at least --api-server-from CIDR' : ''}`,
    });
  }
}

/** The command line that was typed, in one order. */
function commandLine(command: Command): string {
  const words = command.options.flatMap((option) => {
    const name = option.attributeName();
    if (command.getOptionValueSource(name) !== 'cli' || name === 'force') return [];
    const flag = option.long ?? '';
    const values = [command.getOptionValue(name)].flat();
    return values.map((value) => (option.required ? `${flag} ${shellWord(value)}` : flag));
  });
  return ['kseal webhook manifests', ...words].join(' \\\n    ');
}
