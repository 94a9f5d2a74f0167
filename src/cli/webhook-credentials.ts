import type { Config } from '../config/config.ts';
import { KsealError } from '../errors.ts';
import { parseKmsReference } from '../keys/gcpkms/name.ts';
import { standingsIn } from '../keys/key-status.ts';
import { parseReference } from '../keys/reference.ts';
import { configuredKey, openingProvider } from '../keys/resolve.ts';
import { isDataKey } from '../kubernetes/names.ts';
import {
  checkServing,
  clientCasIn,
  issueCertificate,
  type PemFile,
} from '../webhook/install/certificates.ts';
import { endOf } from '../webhook/install/notes.ts';
import {
  type Clients,
  hostIn,
  hostsIn,
  NAME,
  type ServingTls,
  type WebhookKey,
} from '../webhook/install/options.ts';
import { readInput } from './files.ts';
import type { IO } from './io.ts';
import { say } from './print.ts';
import type { ManifestFlags } from './webhook-manifests.ts';

/** The most octets that a file of certificates may have. */
const MAX_PEM = 256 * 1024;

/** How long certificates live that nobody renews. */
const DAYS = 730;

/** Clocks differ: a certificate holds a little earlier than it was made, in milliseconds. */
const SKEW = 60 * 60 * 1000;

const lifetime = () => ({ validFrom: new Date(Date.now() - SKEW), days: DAYS });

/** Who may ask the webhook, which must have been said. Throws USAGE, IO or CERTIFICATE_INVALID. */
export async function clientsFrom(io: IO, flags: ManifestFlags): Promise<Clients> {
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
  const cas = files.flatMap(({ octets, shown }) => clientCasIn(octets, shown));
  return { kind: 'certified', ca: cas.map(String).join(''), names: clientName };
}

async function madeClient(name: string, names: readonly string[]): Promise<Clients> {
  const made = await issueCertificate({ commonName: name, usage: 'clientAuth', ...lifetime() });
  return { kind: 'certified', ca: made.ca, names, made };
}

/** Where the serving certificate comes from. Throws USAGE, IO or CERTIFICATE_INVALID. */
export async function servingTlsFrom(io: IO, flags: ManifestFlags): Promise<ServingTls> {
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
  return { octets: await readInput(io, path, MAX_PEM), shown: path };
}

function textOf({ octets }: PemFile): string {
  return Buffer.from(octets).toString('latin1');
}

/**
 * What the references of `-k` become in the cluster. A configured name stands for its source,
 * else for its private file. No key is read. Throws KEY_REFERENCE_INVALID or CONFIG_INVALID.
 */
export async function webhookKeys(
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
export async function kidStatesIn(config: Config): Promise<KidStates> {
  const { kids, of } = await standingsIn(config);
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
