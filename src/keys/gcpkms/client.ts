import type { KeyManagementServiceClient } from '@google-cloud/kms';
import { KsealError } from '../../errors.ts';
import type { ProviderOptions } from '../provider.ts';
import { noCredentials } from './errors.ts';

/** The clients of this process, by endpoint. An idle channel does not keep the process alive. */
const clients = new Map<string, Promise<KeyManagementServiceClient>>();

/** The most bytes an answer may have; a page of 1000 key versions has less. */
const MAX_ANSWER = 4 * 1024 * 1024;

/** For one request of a token, in milliseconds: less than for the call that waits for it. */
const TOKEN_TIMEOUT = 4_000;

/**
 * The one client of an endpoint, with its credentials found. `project` only spares the client
 * the search for one, which would run gcloud. Rejects with KEY_CREDENTIALS.
 */
export function connect(
  endpoint: KmsEndpoint,
  project: string,
): Promise<KeyManagementServiceClient> {
  const address = `${endpoint.host}:${endpoint.port}`;
  const known = clients.get(address);
  if (known !== undefined) return known;
  const client = open(endpoint, project);
  clients.set(address, client);
  return client;
}

/** Has the next one who asks connect anew: what was not there, or hung, may be there by then. */
export function forget({ host, port }: KmsEndpoint): void {
  clients.delete(`${host}:${port}`);
}

async function open(
  { host, port, loopback }: KmsEndpoint,
  projectId: string,
): Promise<KeyManagementServiceClient> {
  prepareEnvironment();
  const { KeyManagementServiceClient } = await import('@google-cloud/kms');
  const client = new KeyManagementServiceClient({
    apiEndpoint: host,
    port,
    projectId,
    clientOptions: { transporterOptions: { timeout: TOKEN_TIMEOUT } },
    'grpc.max_receive_message_length': MAX_ANSWER,
    'grpc.initial_reconnect_backoff_ms': 100,
    'grpc.service_config_disable_resolution': 1,
    ...(loopback ? await plainText() : {}),
  });
  // The client's methods rethrow what fails here where nobody can catch it: so it comes first.
  await client.initialize().catch((error: unknown) => {
    throw noCredentials(error, process.env.GOOGLE_APPLICATION_CREDENTIALS);
  });
  if (!loopback) await endTokenRequests(client);
  return client;
}

/** What asks for a token in the auth client of a machine of Google's. */
interface TokenRequests {
  refreshTokenNoCache?: (token?: string | null) => Promise<unknown>;
}

/**
 * Gives the request of a token an end. On Google's machines it has none (gcp-metadata sets no
 * timeout there), and all calls, later ones too, wait for the one that hangs.
 */
async function endTokenRequests(client: KeyManagementServiceClient): Promise<void> {
  const auth = (await client.auth.getClient()) as TokenRequests;
  const request = auth.refreshTokenNoCache?.bind(auth);
  if (request === undefined) return;
  auth.refreshTokenNoCache = async (token) => {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new Error('network timeout')), TOKEN_TIMEOUT);
    });
    return Promise.race([request(token), late]).finally(() => clearTimeout(timer));
  };
}

/** Plain text to this machine, not by way of a proxy, and with no look at credentials. */
async function plainText() {
  const grpc = await import('@grpc/grpc-js');
  return {
    grpc,
    sslCreds: grpc.credentials.createInsecure(),
    'grpc.enable_http_proxy': 0,
    // Else the client reads the credentials to learn of which cloud they are.
    universeDomain: 'googleapis.com',
  };
}

/** Switches with which Google's packages print what they send and get: content keys, tokens. */
const printing = [
  'GOOGLE_SDK_NODE_LOGGING',
  'GRPC_TRACE',
  'GRPC_NODE_TRACE',
  'GRPC_VERBOSITY',
  'GRPC_NODE_VERBOSITY',
  'DEBUG',
  'DEBUG_AUTH',
];

/** Sets what the packages read from the environment when they are loaded. */
function prepareEnvironment(): void {
  const { env } = process;
  for (const name of printing) delete env[name];
  // Without credentials the packages ask the network for a machine of Google's, for seconds, and
  // remember the answer for good. In a cluster the one that gives tokens may be there later than
  // this process, so it is taken for granted. Elsewhere the BIOS says the same at once.
  const { GCE_METADATA_HOST, GCE_METADATA_IP, KUBERNETES_SERVICE_HOST } = env;
  const isThere = GCE_METADATA_HOST || GCE_METADATA_IP || KUBERNETES_SERVICE_HOST;
  env.METADATA_SERVER_DETECTION ||= isThere ? 'assume-present' : 'bios-only';
}

/** Where Cloud KMS is asked. */
interface KmsEndpoint {
  readonly host: string;
  readonly port: number;
  /** Plain text, without credentials: an emulator or a tunnel on this machine. */
  readonly loopback: boolean;
}

const DEFAULT: KmsEndpoint = { host: 'cloudkms.googleapis.com', port: 443, loopback: false };
const VARIABLE = 'KSEAL_KMS_ENDPOINT';

/** A full host name (a bare word could be a scheme to gRPC), an IPv4 or a bracketed IPv6 address. */
const FORM = /^(localhost|(?:[a-z0-9-]+\.)+[a-z0-9-]+|\[[0-9a-f:.]+\])(?::(\d{1,5}))?$/;

const OCTET = '(?:25[0-5]|2[0-4]\\d|1?\\d?\\d)';
const LOOPBACK = new RegExp(`^(?:localhost|127\\.${OCTET}\\.${OCTET}\\.${OCTET}|\\[::1\\])$`);

/**
 * The endpoint to ask: what `--kms-endpoint` names, else the environment, else Google's. An
 * environment is inherited unseen, and credentials go where it points: so it may name only this
 * machine and Google, while the flag may name any host. Any but Google's default is told.
 * Throws USAGE.
 */
export function kmsEndpoint({ kmsEndpoint: flag, env, note }: ProviderOptions): KmsEndpoint {
  const given = flag ?? env[VARIABLE];
  if (!given) return DEFAULT;
  const endpoint = parse(given, flag === undefined ? VARIABLE : '--kms-endpoint');
  const { host, port, loopback } = endpoint;
  if (flag === undefined && !loopback && !host.endsWith('.googleapis.com')) {
    throw new KsealError('USAGE', `${VARIABLE} may name this machine or *.googleapis.com only`, {
      hint: `--kms-endpoint ${host}:${port}`,
    });
  }
  if (host !== DEFAULT.host || port !== DEFAULT.port) {
    const how = loopback ? ', in plain text and without credentials' : '';
    note(`asking Cloud KMS at ${host}:${port}${how}`);
  }
  return endpoint;
}

function parse(given: string, source: string): KmsEndpoint {
  const [, host = '', digits] = FORM.exec(given.toLowerCase()) ?? [];
  const port = Number(digits ?? DEFAULT.port);
  if (host !== '' && port >= 1 && port <= 65535) {
    return { host, port, loopback: LOOPBACK.test(host) };
  }
  // What was given is not repeated: a URL may hold a password.
  throw new KsealError('USAGE', `${source} is not HOST or HOST:PORT`, {
    hint: `for example ${source === VARIABLE ? `${source}=` : `${source} `}localhost:9010`,
  });
}
