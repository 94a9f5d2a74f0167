import { join, resolve } from 'node:path';
import { type Command, Option } from 'commander';
import type { Config } from '../config/config.ts';
import { KsealError } from '../errors.ts';
import { writeFolder } from '../fs/write.ts';
import { scopes } from '../jwe/binding.ts';
import { parseKid } from '../jwe/thumbprint.ts';
import { kmsEndpoint } from '../keys/gcpkms/client.ts';
import { parseKmsReference } from '../keys/gcpkms/name.ts';
import { keyStatuses } from '../keys/key-status.ts';
import { parseReference } from '../keys/reference.ts';
import { configuredKey, openingProvider } from '../keys/resolve.ts';
import { isDataKey, isNamespace, isSecretName } from '../kubernetes/names.ts';
import { printable, shellWord } from '../text.ts';
import {
  checkServing,
  clientCasIn,
  issueCertificate,
  type PemFile,
} from '../webhook/install/certificates.ts';
import { baseFiles, manifestText } from '../webhook/install/files.ts';
import { isCidr, KONNECTIVITY } from '../webhook/install/network.ts';
import { endOf } from '../webhook/install/notes.ts';
import {
  type Clients,
  hostIn,
  hostsIn,
  type ManifestOptions,
  NAME,
  type ServingTls,
  type WebhookKey,
} from '../webhook/install/options.ts';
import { logLevels } from '../webhook/server/settings.ts';
import { pairs, readInput, repeated } from './files.ts';
import { type IO, version } from './io.ts';
import { configFor } from './options.ts';
import { say, warn, writeStdout } from './print.ts';

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
    bytes: Buffer.from(text),
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

/** Looks up what the flags name: keys, their states, certificates. Reads no private key but that of TLS. */
async function optionsFrom(
  io: IO,
  flags: ManifestFlags,
  commandLine: string,
): Promise<ManifestOptions> {
  const config = configOf(io, flags);
  const keys = await webhookKeys(flags.key, config);
  const needsSecret = keys.some(({ kind }) => kind === 'file');
  if (needsSecret !== (flags.keySecret !== undefined)) throw keySecretError(needsSecret);
  const { image, namespace, keySecret, apiServerFrom, acceptUnbound } = flags;
  const { maxScope, logLevel, memo, kmsEndpoint } = flags;
  const annotations = pairs('--service-account-annotation', flags.serviceAccountAnnotation);
  return {
    ...{ commandLine, version, image, namespace, keys, keySecret, apiServerFrom },
    replicas: Number(flags.replicas),
    clients: await clientsFrom(io, flags),
    tls: await servingTlsFrom(io, flags),
    serviceAccountAnnotations: Object.fromEntries(annotations),
    serve: {
      ...{ acceptUnbound, maxScope, logLevel, memo, kmsEndpoint },
      ...(await kidStates(io, flags, config)),
    },
  };
}

/** The configuration above the folder that is written, else above the current one. */
function configOf(io: IO, flags: ManifestFlags): Config | undefined {
  const file = flags.output === undefined ? undefined : join(flags.output, 'kustomization.yaml');
  return configFor(io, flags, file) ?? configFor(io, flags, undefined);
}

/** What the configuration says of its keys, and what was typed. */
async function kidStates(io: IO, flags: ManifestFlags, config: Config | undefined) {
  const known = config === undefined ? { deprecated: [], revoked: [] } : await kidStatesIn(config);
  const [deprecated, revoked] = [known.deprecated.length, known.revoked.length];
  if (deprecated + revoked > 0)
    say(
      io,
      'note',
      `${config?.path}: keys that are deprecated: ${deprecated}, revoked: ${revoked}`,
    );
  const both = (kids: readonly string[], typed: readonly string[]) => [
    ...new Set([...kids, ...typed]),
  ];
  return {
    deprecatedKids: both(known.deprecated, kidsIn('--deprecated-kid', flags.deprecatedKid)),
    revokedKids: both(known.revoked, kidsIn('--revoked-kid', flags.revokedKid)),
  };
}

function keySecretError(isMissing: boolean): KsealError {
  return isMissing
    ? new KsealError(
        'USAGE',
        'a private key file is never part of the YAML: it comes from a Secret',
        {
          hint: '--key-secret kseal-keys',
        },
      )
    : new KsealError('USAGE', '--key-secret goes with a key that is a file', {
        hint: '-k prod.pem names the file prod.pem in that Secret',
      });
}

/** The options of `kseal webhook manifests`. */
interface ManifestFlags {
  readonly image: string;
  readonly key: readonly string[];
  readonly keySecret?: string;
  readonly namespace: string;
  readonly replicas: string;
  readonly tls: 'cert-manager' | 'self-signed' | 'files';
  readonly tlsCert?: string;
  readonly tlsKey?: string;
  readonly tlsCa?: string;
  readonly clientCa: readonly string[];
  readonly clientName: readonly string[];
  readonly allowAnyClient?: boolean;
  readonly apiServerFrom: readonly string[];
  readonly serviceAccountAnnotation: readonly string[];
  readonly acceptUnbound: readonly string[];
  readonly maxScope?: string;
  readonly deprecatedKid: readonly string[];
  readonly revokedKid: readonly string[];
  readonly logLevel?: string;
  readonly memo: boolean;
  readonly kmsEndpoint?: string;
  readonly config?: string;
  readonly output?: string;
  readonly force?: boolean;
}

interface Check {
  readonly isWrong: (flags: ManifestFlags) => boolean;
  readonly message: string;
  readonly hint: string;
}

/** The longest common name that a certificate can hold (RFC 5280, ub-common-name). */
const MAX_COMMON_NAME = 64;

/** What is wrong with the flags themselves, whatever the files and keys that they name hold. */
const checks: readonly Check[] = [
  {
    isWrong: ({ image }) => !/^[\w][\w.:/@-]*$/.test(image),
    message: '--image is not the name of an image',
    hint: '--image registry.example.org/kseal@sha256:…',
  },
  {
    isWrong: ({ key }) => key.length === 0,
    message: 'no key to open with',
    hint: "-k 'gcpkms://projects/P/locations/L/keyRings/R/cryptoKeys/K'",
  },
  {
    isWrong: ({ keySecret = 'a' }) => !isSecretName(keySecret),
    message: '--key-secret is no name of a Secret',
    hint: '--key-secret kseal-keys',
  },
  {
    isWrong: ({ namespace }) => !isNamespace(namespace),
    message: '-n is no namespace: lower-case letters, digits and - are allowed',
    hint: '-n kseal',
  },
  {
    isWrong: ({ namespace }) => namespace === 'default' || namespace.startsWith('kube-'),
    message: 'the webhook needs a namespace of its own: Secrets beside it are not opened',
    hint: '-n kseal',
  },
  {
    isWrong: ({ replicas }) => !/^[1-9]\d{0,2}$/.test(replicas),
    message: '--replicas takes a number from 1 to 999',
    hint: '--replicas 2',
  },
  {
    isWrong: ({ clientName }) =>
      clientName.some((name) => name === '' || name.length > MAX_COMMON_NAME),
    message: `--client-name takes the common name of a certificate, of 1 to ${MAX_COMMON_NAME} letters`,
    hint: '--client-name kube-apiserver',
  },
  {
    isWrong: ({ apiServerFrom }) =>
      !apiServerFrom.every((from) => from === KONNECTIVITY || isCidr(from)),
    message: '--api-server-from takes addresses in CIDR form, or konnectivity',
    hint: '--api-server-from 10.0.0.2/32',
  },
  {
    isWrong: ({ acceptUnbound }) => !acceptUnbound.every(isNamespace),
    message: '--accept-unbound takes a namespace',
    hint: '--accept-unbound legacy',
  },
  {
    isWrong: ({ output }) => output === '-' || output === '',
    message: '-o takes the name of a folder',
    hint: 'for YAML on stdout leave -o away',
  },
];

/** Throws the first thing that is wrong, as USAGE. */
function checkFlags(flags: ManifestFlags): void {
  refuseUnprintable(flags);
  const wrong = checks.find(({ isWrong }) => isWrong(flags));
  if (wrong !== undefined) throw new KsealError('USAGE', wrong.message, { hint: wrong.hint });
  const { kmsEndpoint: endpoint } = flags;
  if (endpoint !== undefined)
    kmsEndpoint({ kmsEndpoint: endpoint, env: {}, verifySignature: false, note: () => {} });
}

/** What readers of YAML disagree on, and what would hide from who reads the YAML. */
function refuseUnprintable(flags: ManifestFlags): void {
  for (const [name, value] of Object.entries(flags)) {
    if ([value].flat().every((text) => printable(`${text}`) === `${text}`)) continue;
    const flag = `--${name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
    throw new KsealError('USAGE', `${flag} holds a character that cannot be seen`, {
      hint: 'type it anew instead of pasting it',
    });
  }
}

/** Kids in either form that people have them in. Throws USAGE. */
function kidsIn(flag: string, texts: readonly string[]): readonly string[] {
  return texts.map((text) => {
    const kid = parseKid(text);
    if (kid !== undefined) return kid;
    throw new KsealError('USAGE', `${flag} takes a kid of 43 characters or 64 hex digits`, {
      hint: 'kseal keys prints them; put it in quotes if it has spaces',
    });
  });
}

/** The most bytes that a file of certificates may have. */
const MAX_PEM = 256 * 1024;

/** How long certificates live that nobody renews. */
const DAYS = 730;

/** Clocks differ: a certificate holds a little earlier than it was made, in milliseconds. */
const SKEW = 60 * 60 * 1000;

const lifetime = () => ({ validFrom: new Date(Date.now() - SKEW), days: DAYS });

/** Who may ask the webhook, which must have been said. Throws USAGE, IO or CERTIFICATE_INVALID. */
async function clientsFrom(io: IO, flags: ManifestFlags): Promise<Clients> {
  const { clientCa, clientName, allowAnyClient, tls } = flags;
  const isNamed = clientCa.length + clientName.length > 0;
  if (isNamed && allowAnyClient) {
    const hint = 'leave one of them away';
    throw new KsealError('USAGE', '--allow-any-client and --client-ca exclude each other', {
      hint,
    });
  }
  if (!isNamed && !allowAnyClient) {
    const message = 'who may ask the webhook is not said, and whoever asks can have values opened';
    const hint = '--client-ca ca.crt --client-name kube-apiserver, or --allow-any-client';
    throw new KsealError('USAGE', message, { hint });
  }
  if (!isNamed) return { kind: 'anyone' };
  const [first] = clientName;
  if (first === undefined) {
    const hint = '--client-name kube-apiserver';
    throw new KsealError('USAGE', '--client-ca needs the names of those who may ask', { hint });
  }
  if (clientCa.length === 0 && tls === 'self-signed') return madeClient(first, clientName);
  const files = await Promise.all(clientCa.map((path) => readPem(io, path)));
  if (files.length === 0) {
    const hint = '--client-ca ca.crt, or --tls self-signed, which makes the CA as well';
    throw new KsealError('USAGE', '--client-name needs the CA of the client certificate', { hint });
  }
  const cas = files.flatMap(({ bytes, shown }) => clientCasIn(bytes, shown));
  return { kind: 'certified', ca: cas.map(String).join(''), names: clientName };
}

async function madeClient(name: string, names: readonly string[]): Promise<Clients> {
  const made = await issueCertificate({ commonName: name, usage: 'clientAuth', ...lifetime() });
  return { kind: 'certified', ca: made.ca, names, made };
}

/** Where the serving certificate comes from. Throws USAGE, IO or CERTIFICATE_INVALID. */
async function servingTlsFrom(io: IO, flags: ManifestFlags): Promise<ServingTls> {
  const { tls: how, tlsCert, tlsKey, tlsCa, namespace } = flags;
  const given = [tlsCert, tlsKey, tlsCa].filter((path) => path !== undefined);
  if (how !== 'files' && given.length > 0) {
    throw new KsealError('USAGE', '--tls-cert, --tls-key and --tls-ca go with --tls files', {
      hint: '--tls files',
    });
  }
  if (how === 'cert-manager') return { kind: 'cert-manager' };
  if (flags.output === undefined) {
    const message = `--tls ${how} writes a private key, which is kept apart from all the rest`;
    throw new KsealError('USAGE', message, { hint: '-o kseal-webhook' });
  }
  if (how === 'self-signed') return selfSigned(io, namespace);
  if (tlsCert === undefined || tlsKey === undefined || tlsCa === undefined) {
    throw new KsealError('USAGE', '--tls files needs a certificate, its key and its CA', {
      hint: '--tls-cert tls.crt --tls-key tls.key --tls-ca ca.crt',
    });
  }
  const [certificate, key, ca] = await Promise.all([
    readPem(io, tlsCert),
    readPem(io, tlsKey),
    readPem(io, tlsCa),
  ]);
  checkServing({ certificate, key, ca }, hostIn(namespace));
  return { kind: 'pair', certificate: textOf(certificate), key: textOf(key), ca: textOf(ca) };
}

async function selfSigned(io: IO, namespace: string): Promise<ServingTls> {
  const dnsNames = hostsIn(namespace);
  const made = await issueCertificate({
    ...{ commonName: NAME, dnsNames, usage: 'serverAuth' as const },
    ...lifetime(),
  });
  say(io, 'note', `made a certificate that nobody renews: it ends on ${endOf(made.certificate)}`);
  return { kind: 'pair', ...made };
}

async function readPem(io: IO, path: string): Promise<PemFile> {
  return { bytes: await readInput(io, path, MAX_PEM), shown: path };
}

function textOf({ bytes }: PemFile): string {
  return Buffer.from(bytes).toString('latin1');
}

/**
 * What the references of `-k` become in the cluster. A configured name stands for its source,
 * else for its private file. No key is read. Throws KEY_REFERENCE_INVALID or CONFIG_INVALID.
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
  throw new KsealError('KEY_REFERENCE_INVALID', `two key files have the name ${twice}`, {
    hint: 'in the Secret each needs a name of its own: rename one of them',
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
  throw new KsealError(
    'CONFIG_INVALID',
    `${config?.path}: key ${reference.name} has nothing to open with`,
    { hint: 'give it a source: gcpkms://… or a private: FILE' },
  );
}

async function remoteKey(text: string, scheme: string): Promise<WebhookKey> {
  await openingProvider(text);
  const reference = scheme === 'gcpkms' ? `gcpkms://${parseKmsReference(text).name}` : text;
  return { kind: 'remote', reference };
}

function keyFile(path: string): WebhookKey {
  const name = path.split(/[\\/]/).at(-1) ?? '';
  if (isDataKey(name)) return { kind: 'file', name, path };
  throw new KsealError('KEY_REFERENCE_INVALID', `${path}: no Secret can hold a file of this name`, {
    hint: 'rename it: letters, digits, - _ and . are allowed',
  });
}

/** The kids that the configuration calls deprecated or revoked. */
interface KidStates {
  readonly deprecated: readonly string[];
  readonly revoked: readonly string[];
}

/** Finds them out, from pins and files. Throws CONFIG_INVALID for a key of such a state without a kid. */
async function kidStatesIn(config: Config): Promise<KidStates> {
  const { kids, of } = await keyStatuses(config);
  const named = new Set(kids.flatMap((kid) => of(kid).names));
  for (const [name, { state = 'active' }] of config.keys) {
    if (state === 'active' || named.has(name)) continue;
    throw new KsealError(
      'CONFIG_INVALID',
      `${config.path}: key ${name} is ${state}, but which key that is cannot be told here`,
      { hint: `add kid: to it; kseal fetch-pubkey ${name} prints it` },
    );
  }
  const inState = (state: string) => [...new Set(kids)].filter((kid) => of(kid).state === state);
  return { deprecated: inState('deprecated'), revoked: inState('revoked') };
}
