import { basename, join, resolve } from 'node:path';
import { type Command, Option } from 'commander';
import { type Config, parseReference } from '../config/config.ts';
import { KsealError } from '../errors.ts';
import { isFile, readIfThere } from '../fs/read.ts';
import { writeFolders } from '../fs/write.ts';
import type { KeyState } from '../jwe/decrypt.ts';
import { kmsEndpoint } from '../keys/gcpkms/client.ts';
import { parseKmsReference } from '../keys/gcpkms/name.ts';
import { keyStatuses } from '../keys/key-status.ts';
import { configuredKey, openingProvider } from '../keys/resolve.ts';
import { isDataKey, isNamespace, isSecretName } from '../kubernetes/secret.ts';
import { printable, shellWord } from '../text.ts';
import { chartFiles } from '../webhook/install/chart.ts';
import { manifestText, type OutputFile, outputFiles } from '../webhook/install/files.ts';
import { isCidr, KONNECTIVITY } from '../webhook/install/network.ts';
import type { Format } from '../webhook/install/notes.ts';
import {
  type Folders,
  type ManifestOptions,
  NAMESPACE,
  privateFiles,
  type WebhookKey,
} from '../webhook/install/options.ts';
import { parseSelector } from '../webhook/install/selector.ts';
import { pairs, repeated } from './files.ts';
import { type IO, version } from './io.ts';
import { configFor, configOption, keyKinds } from './options.ts';
import { say, warn, writeStdout } from './print.ts';
import {
  type CertificateFlags,
  clientsFrom,
  issuesClient,
  rotations,
  servingTlsFrom,
} from './webhook-certificates.ts';
import {
  addOpeningOptions,
  checkClients,
  checkNamespaces,
  kidsIn,
  kmsTimeoutIn,
  type OpeningFlags,
  usage,
} from './webhook-options.ts';

/** The options of `kseal webhook manifests`. */
interface ManifestFlags extends OpeningFlags, CertificateFlags {
  readonly image: string;
  readonly key: readonly string[];
  readonly keySecret?: string;
  readonly replicas: string;
  readonly apiServerFrom: readonly string[];
  readonly serviceAccountAnnotation: readonly string[];
  readonly namespaceSelector?: string;
  readonly priorityClass?: string;
  readonly serviceMonitor?: boolean;
  readonly alerts?: boolean;
  readonly monitoringLabel: readonly string[];
  readonly format: Format;
  readonly maxScope?: string;
  readonly logLevel?: string;
  readonly config?: string;
  readonly output?: string;
  readonly privateDir?: string;
  readonly force?: boolean;
}

export function configure(command: Command, io: IO): void {
  const none: readonly string[] = [];
  command
    .requiredOption('--image <image>', 'the kseal image to run, preferably pinned by its digest')
    .option('-k, --key <ref>', `a key to open values with: ${keyKinds}`, repeated, none)
    .option('--key-secret <name>', 'the Secret that contains the key files')
    .option('-n, --namespace <name>', 'a namespace that contains only the webhook', NAMESPACE)
    .option('--replicas <n>', 'the minimum number of pods', '2')
    .addOption(
      new Option('--tls <source>', 'the source of the serving certificate')
        .choices(['cert-manager', 'self-signed', 'files'])
        .default('cert-manager'),
    )
    .option('--tls-cert <file>', 'with --tls files: the certificate, followed by its chain')
    .option('--tls-key <file>', 'with --tls files: its private key')
    .option('--tls-ca <file>', 'with --tls files: the CA that signed it')
    .addOption(
      new Option(
        '--rotate <step>',
        'with --tls self-signed: replace a certificate; finish: no longer trust the old one',
      ).choices(rotations),
    )
    .option('--client-ca <file>', "the CA of the API server's client certificate", repeated, none)
    .option(
      '--client-name <name>',
      "the common name in the API server's certificate; --tls self-signed issues one",
      repeated,
      none,
    )
    .option('--allow-any-client', 'answer anyone who can reach the webhook')
    .option(
      '--api-server-from <cidr>',
      'allow connections only from this CIDR, or from konnectivity',
      repeated,
      none,
    )
    .option(
      '--service-account-annotation <key=value>',
      'an annotation of the service account, for workload identity',
      repeated,
      none,
    );
  command
    .option('--namespace-selector <selector>', 'open Secrets only in namespaces with these labels')
    .option('--priority-class <name>', 'the PriorityClass of the pods')
    .option('--service-monitor', 'add a ServiceMonitor, for the Prometheus operator')
    .option('--alerts', 'add alerts, as a PrometheusRule')
    .option(
      '--monitoring-label <key=value>',
      'a label by which your Prometheus selects these objects',
      repeated,
      none,
    );
  addOpeningOptions(command)
    .option(...configOption)
    .option('-o, --output <dir>', 'write the files to this folder')
    .addOption(
      new Option('--format <format>', 'the kind of folder: a kustomize base or a Helm chart')
        .choices(['kustomize', 'helm'])
        .default('kustomize'),
    )
    .option('--private-dir <dir>', 'the folder for private keys (default: beside it, DIR-private)')
    .option('--force', 'overwrite existing files')
    .action((flags: ManifestFlags) => manifests(io, flags, commandLine(command)));
}

/** Options that a command line for the next time does not have. */
const onceOnly = new Set(['force', 'rotate']);

/** The command line as typed, with the options in a fixed order. */
function commandLine(command: Command): string {
  const words = command.options.flatMap((option) => {
    const name = option.attributeName();
    if (command.getOptionValueSource(name) !== 'cli' || onceOnly.has(name)) return [];
    const flag = option.long ?? '';
    const values = [command.getOptionValue(name)].flat();
    return values.map((value) => (option.required ? `${flag} ${shellWord(value)}` : flag));
  });
  return ['kseal webhook manifests', ...words].join(' \\\n    ');
}

async function manifests(io: IO, flags: ManifestFlags, line: string): Promise<void> {
  checkFlags(flags);
  const folders = foldersFrom(io, flags);
  const options = await optionsFrom(io, flags, folders, line);
  warnAbout(io, options);
  if (folders === undefined) return writeStdout(io, manifestText(options));
  const { filesOf, first } = formats[flags.format];
  const files = filesOf(options, folders);
  const misplaced = misplacedKeys(io, folders);
  await writeFolders(
    [
      folderOf(io, folders.base, [...files.base, ...ignoring(io, folders, misplaced)]),
      ...(files.private.length > 0 ? [folderOf(io, folders.private, files.private)] : []),
    ],
    flags.force ?? false,
  );
  for (const { name, confidential } of files.private)
    if (confidential)
      say(io, 'note', `wrote ${join(folders.private, name)} (contains a private key)`);
  say(io, 'note', `wrote ${files.base.length} files to ${folders.base}`);
  const top = join(folders.base, first);
  say(io, 'note', `for the next steps, read the top of ${top}`);
  warnMisplaced(io, folders, misplaced);
}

/** The folders of the output; undefined for stdout. */
function foldersFrom(
  { cwd }: IO,
  { output, privateDir }: Pick<ManifestFlags, 'output' | 'privateDir'>,
): Folders | undefined {
  if (output === undefined) return undefined;
  const sibling = join(output, '..', `${basename(resolve(cwd, output))}-private`);
  return { base: output, private: privateDir ?? sibling };
}

function folderOf({ cwd }: IO, shown: string, files: readonly OutputFile[]) {
  const withBytes = files.map(({ text, ...file }) => ({ ...file, bytes: text }));
  return { path: resolve(cwd, shown), shown, files: withBytes };
}

/** The files with private keys in the folder for Git, where earlier versions wrote them. */
function misplacedKeys({ cwd }: IO, { base }: Folders): readonly string[] {
  return Object.values(privateFiles).filter((name) => isFile(resolve(cwd, base, name)));
}

/** The .gitignore with a line for each of these files; it keeps the lines that it has. */
function ignoring({ cwd }: IO, { base }: Folders, names: readonly string[]) {
  if (names.length === 0) return [];
  const [name, shown] = ['.gitignore', join(base, '.gitignore')];
  const text = readIfThere(resolve(cwd, shown), shown)?.toString('utf8') ?? '';
  const lines = text.split(/\r?\n/);
  const missing = names.map((one) => `/${one}`).filter((line) => !lines.includes(line));
  const end = text === '' || text.endsWith('\n') ? '' : '\n';
  return [{ name, text: `${text}${end}${missing.map((line) => `${line}\n`).join('')}` }];
}

function warnMisplaced(io: IO, folders: Folders, names: readonly string[]): void {
  for (const name of names) {
    const [from, to] = [join(folders.base, name), join(folders.private, name)];
    const isCopied = isFile(resolve(io.cwd, to));
    const hint = isCopied ? `rm ${shellWord(from)}` : `mv ${shellWord(from)} ${shellWord(to)}`;
    warn(io, { message: `${from}: a private key in the folder for Git`, hint });
  }
}

/** The files of a folder, and the one with the instructions. */
const formats = {
  kustomize: { filesOf: outputFiles, first: 'kustomization.yaml' },
  helm: { filesOf: chartFiles, first: 'Chart.yaml' },
} as const satisfies Record<Format, object>;

/** The longest common name of a certificate (RFC 5280, ub-common-name). */
const MAX_COMMON_NAME = 64;

interface Check {
  readonly isWrong: (flags: ManifestFlags) => boolean;
  readonly problem: string;
  readonly hint: string;
}

const checks: readonly Check[] = [
  {
    isWrong: ({ image }) => !/^[\w][\w.:/@-]*$/.test(image),
    problem: '--image must be the name of an image',
    hint: '--image registry.example.org/kseal@sha256:…',
  },
  {
    isWrong: ({ key }) => key.length === 0,
    problem: 'no key to open with',
    hint: "-k 'gcpkms://projects/P/locations/L/keyRings/R/cryptoKeys/K'",
  },
  {
    isWrong: ({ keySecret = 'a' }) => !isSecretName(keySecret),
    problem: '--key-secret must be the name of a Secret',
    hint: '--key-secret kseal-keys',
  },
  {
    isWrong: ({ namespace }) => !isNamespace(namespace),
    problem: '-n must be a valid namespace: lower-case letters, digits and -',
    hint: '-n kseal',
  },
  {
    isWrong: ({ namespace }) => namespace === 'default' || namespace.startsWith('kube-'),
    problem: 'the webhook needs a namespace of its own, because it opens no Secrets in it',
    hint: '-n kseal',
  },
  {
    isWrong: ({ replicas }) => !/^[1-9]\d{0,2}$/.test(replicas),
    problem: '--replicas must be a number from 1 to 999',
    hint: '--replicas 2',
  },
  {
    isWrong: ({ clientName }) => clientName.some((name) => name.length > MAX_COMMON_NAME),
    problem: `--client-name must have at most ${MAX_COMMON_NAME} characters`,
    hint: '--client-name kube-apiserver',
  },
  {
    isWrong: ({ apiServerFrom }) =>
      !apiServerFrom.every((from) => from === KONNECTIVITY || isCidr(from)),
    problem: '--api-server-from must be a CIDR or konnectivity',
    hint: '--api-server-from 10.0.0.2/32',
  },
  {
    isWrong: ({ namespaceSelector: text }) =>
      text !== undefined && parseSelector(text) === undefined,
    problem: '--namespace-selector must be a label selector, as for kubectl -l',
    hint: "--namespace-selector 'kseal=on,team notin (sandbox)'",
  },
  {
    // A PriorityClass is named like a Secret.
    isWrong: ({ priorityClass = 'a' }) => !isSecretName(priorityClass),
    problem: '--priority-class must be the name of a PriorityClass',
    hint: '--priority-class system-cluster-critical',
  },
  {
    isWrong: ({ monitoringLabel, serviceMonitor, alerts }) =>
      monitoringLabel.length > 0 && !serviceMonitor && !alerts,
    problem: '--monitoring-label requires --service-monitor or --alerts',
    hint: '--service-monitor --alerts',
  },
  {
    isWrong: ({ format, output }) => format === 'helm' && output === undefined,
    problem: '--format helm requires -o, because a chart has several files',
    hint: '-o kseal-chart',
  },
  {
    isWrong: ({ output }) => output === '-' || output === '',
    problem: '-o must be a folder',
    hint: 'omit -o to print the YAML to stdout',
  },
  {
    isWrong: ({ output, privateDir }) => output === undefined && privateDir !== undefined,
    problem: '--private-dir requires -o',
    hint: '-o kseal-webhook',
  },
  {
    isWrong: ({ output = '', privateDir }) =>
      privateDir !== undefined && resolve(privateDir) === resolve(output),
    problem: '--private-dir must not be the folder of -o, which goes into Git',
    hint: 'omit --private-dir',
  },
  {
    isWrong: ({ tls, rotate }) => tls !== 'self-signed' && rotate !== undefined,
    problem: '--rotate requires --tls self-signed: other certificates are replaced by their issuer',
    hint: '--tls self-signed',
  },
  {
    isWrong: (flags) => flags.rotate === 'client' && !issuesClient(flags),
    problem: '--rotate client requires --client-name, without --client-ca',
    hint: '--client-name kube-apiserver',
  },
  {
    isWrong: ({ tls, tlsCert, tlsKey, tlsCa }) =>
      tls !== 'files' && [tlsCert, tlsKey, tlsCa].some((path) => path !== undefined),
    problem: '--tls-cert, --tls-key and --tls-ca require --tls files',
    hint: '--tls files',
  },
  {
    isWrong: ({ tls, output }) => tls !== 'cert-manager' && output === undefined,
    problem: '--tls self-signed and --tls files require -o, because they write a private key',
    hint: '-o kseal-webhook',
  },
  {
    isWrong: ({ tls, tlsCert, tlsKey, tlsCa }) =>
      tls === 'files' && [tlsCert, tlsKey, tlsCa].includes(undefined),
    problem: '--tls files requires --tls-cert, --tls-key and --tls-ca',
    hint: '--tls-cert FILE --tls-key FILE --tls-ca FILE',
  },
];

/** Checks the flags, without reading the files that they name. Throws USAGE. */
function checkFlags(flags: ManifestFlags): void {
  refuseInvisible(flags);
  const wrong = checks.find(({ isWrong }) => isWrong(flags));
  if (wrong !== undefined) throw usage(wrong.problem, wrong.hint);
  checkNamespaces('--accept-unbound', flags.acceptUnbound);
  checkClients({ ...flags, hasClientCa: flags.clientCa.length > 0 || issuesClient(flags) });
  const { kmsEndpoint: endpoint } = flags;
  if (endpoint !== undefined)
    kmsEndpoint({ kmsEndpoint: endpoint, env: {}, verifySignature: false, note: () => {} });
}

/** Refuses characters that readers of YAML disagree about, or that people reading it cannot see. */
function refuseInvisible(flags: ManifestFlags): void {
  for (const [name, value] of Object.entries(flags)) {
    if ([value].flat().every((text) => printable(`${text}`) === `${text}`)) continue;
    const flag = `--${name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
    throw usage(`${flag} contains an invisible character`, 'type it instead of pasting it');
  }
}

/** Reads the configuration and the certificates, and issues certificates. The only private key it reads is the TLS key. */
async function optionsFrom(
  io: IO,
  flags: ManifestFlags,
  folders: Folders | undefined,
  commandLine: string,
): Promise<ManifestOptions> {
  const config = configOf(io, flags);
  const keys = await webhookKeys(flags.key, config);
  checkKeySecret(keys, flags.keySecret);
  const { image, namespace, keySecret, apiServerFrom, acceptUnbound } = flags;
  const { maxScope, logLevel, memo, kmsEndpoint } = flags;
  const kmsTimeout = kmsTimeoutIn(flags);
  const annotations = pairs('--service-account-annotation', flags.serviceAccountAnnotation);
  return {
    ...{ commandLine, version, image, namespace, keys, keySecret, apiServerFrom },
    replicas: Number(flags.replicas),
    clients: await clientsFrom(io, flags, folders),
    tls: await servingTlsFrom(io, flags, folders),
    serviceAccountAnnotations: Object.fromEntries(annotations),
    priorityClass: flags.priorityClass,
    namespaceSelector: parseSelector(flags.namespaceSelector ?? '') ?? [],
    monitoring: {
      serviceMonitor: flags.serviceMonitor ?? false,
      alerts: flags.alerts ?? false,
      labels: Object.fromEntries(pairs('--monitoring-label', flags.monitoringLabel)),
    },
    serve: {
      ...{ acceptUnbound, maxScope, logLevel, memo, kmsEndpoint, kmsTimeout },
      ...(await kidsByState(io, flags, config)),
    },
  };
}

/** The configuration above the output folder, else the one above the current folder. */
function configOf(io: IO, flags: ManifestFlags): Config | undefined {
  const file = flags.output === undefined ? undefined : join(flags.output, 'kustomization.yaml');
  return configFor(io, flags, file) ?? configFor(io, flags, undefined);
}

/**
 * The references of `-k` as the cluster needs them. A configured name becomes its source, or else
 * its private key file. No key is read. Throws KEY_REFERENCE_INVALID or CONFIG_INVALID.
 */
async function webhookKeys(
  references: readonly string[],
  config: Config | undefined,
): Promise<readonly WebhookKey[]> {
  const keys: WebhookKey[] = [];
  for (const reference of new Set(references)) keys.push(await webhookKey(reference, config));
  const names = keys.flatMap((key) => (key.kind === 'file' ? key.name : []));
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  if (twice === undefined) return keys;
  throw new KsealError('KEY_REFERENCE_INVALID', 'two key files have this name', {
    thing: twice,
    hint: 'rename one of them: both become files of the same Secret',
  });
}

async function webhookKey(text: string, config: Config | undefined): Promise<WebhookKey> {
  const reference = parseReference(text);
  if (reference.kind === 'file') return keyFile(reference.path);
  if (reference.kind === 'remote') return remoteKey(text, reference.scheme);
  const { entry } = configuredKey(reference.name, config);
  const source = entry.source === undefined ? undefined : parseReference(entry.source);
  if (entry.source !== undefined && source?.kind === 'remote')
    return remoteKey(entry.source, source.scheme);
  if (entry.private !== undefined) return keyFile(entry.private);
  throw new KsealError('CONFIG_INVALID', `key ${reference.name} cannot open values`, {
    thing: config?.path,
    hint: 'add source: gcpkms://… or private: FILE to the key',
  });
}

async function remoteKey(text: string, scheme: string): Promise<WebhookKey> {
  await openingProvider(text);
  const reference = scheme === 'gcpkms' ? `gcpkms://${parseKmsReference(text).name}` : text;
  return { kind: 'remote', reference };
}

function keyFile(path: string): WebhookKey {
  const name = path.split(/[\\/]/).at(-1) ?? '';
  if (isDataKey(name)) return { kind: 'file', name, path };
  throw new KsealError('KEY_REFERENCE_INVALID', 'the file name is not a valid data key', {
    thing: path,
    hint: 'rename the file: letters, digits, -, _ and . are allowed',
  });
}

function checkKeySecret(keys: readonly WebhookKey[], keySecret: string | undefined): void {
  const isNeeded = keys.some(({ kind }) => kind === 'file');
  if (isNeeded && keySecret === undefined) {
    const problem = '--key-secret is required: key files are mounted from a Secret';
    throw usage(problem, '--key-secret kseal-keys');
  }
  if (!isNeeded && keySecret !== undefined) {
    throw usage('--key-secret requires a key file', '-k prod.pem');
  }
}

/** The deprecated and revoked kids of the configuration and of the flags. Throws USAGE or CONFIG_INVALID. */
async function kidsByState(io: IO, flags: ManifestFlags, config: Config | undefined) {
  const known = config === undefined ? new Map() : await configuredStates(config);
  const kidsOf = (state: KeyState) => [...known.keys()].filter((kid) => known.get(kid) === state);
  const [deprecated, revoked] = [kidsOf('deprecated'), kidsOf('revoked')];
  if (deprecated.length + revoked.length > 0) {
    const counts = `deprecated keys: ${deprecated.length}, revoked keys: ${revoked.length}`;
    say(io, 'note', `${config?.path}: ${counts}`);
  }
  const typed = {
    deprecated: kidsIn('--deprecated-kid', flags.deprecatedKid),
    revoked: kidsIn('--revoked-kid', flags.revokedKid),
  };
  return {
    deprecatedKids: [...new Set([...deprecated, ...typed.deprecated])],
    revokedKids: [...new Set([...revoked, ...typed.revoked])],
  };
}

/** The state of each configured kid. Throws CONFIG_INVALID if a state would be lost because a kid is missing. */
async function configuredStates(config: Config): Promise<ReadonlyMap<string, KeyState>> {
  const { kids, of } = await keyStatuses(config);
  const named = new Set(kids.flatMap((kid) => of(kid).names));
  for (const [name, { state = 'active' }] of config.keys) {
    if (state === 'active' || named.has(name)) continue;
    throw new KsealError('CONFIG_INVALID', `key ${name} is ${state}, but its kid is unknown`, {
      thing: config.path,
      hint: `run kseal fetch-pubkey ${name}, and add the printed value to the key as kid:`,
    });
  }
  return new Map(kids.map((kid) => [kid, of(kid).state]));
}

function warnAbout(io: IO, { image, clients, apiServerFrom }: ManifestOptions): void {
  if (!/@sha256:[0-9a-f]{64}$/.test(image)) {
    const hint = `--image ${image.replace(/@.*/, '')}@sha256:…`;
    warn(io, { message: 'the image is not pinned by its digest, so it may change', hint });
  }
  if (clients.kind === 'anyone') {
    const isOpen = apiServerFrom.length === 0;
    const who = isOpen
      ? 'anyone who can reach the webhook'
      : 'any client that --api-server-from allows';
    warn(io, {
      message: `${who} can have any value opened with a forged request`,
      hint: `--client-ca FILE --client-name kube-apiserver${isOpen ? ', or at least --api-server-from CIDR' : ''}`,
    });
  }
}
