import type { KeyManagementServiceClient } from '@google-cloud/kms';
import { noCredentials } from './gcpkms-credentials.ts';
import type { KmsEndpoint } from './gcpkms-endpoint.ts';

/** The clients of this process, by endpoint. An idle channel does not keep the process alive. */
const clients = new Map<string, Promise<KeyManagementServiceClient>>();

/** The most octets an answer may have; a page of 1000 key versions has less. */
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
