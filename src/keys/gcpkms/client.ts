import type * as Grpc from '@grpc/grpc-js';
import { within } from '../../deadline.ts';
import { KsealError } from '../../errors.ts';
import type { ProviderOptions } from '../provider.ts';
import { type Client, defaultLimits } from './call.ts';
import { noCredentials, otherUniverse } from './errors.ts';
import { errorInfoIn } from './messages.ts';

/** By endpoint. An idle channel does not keep the process alive. */
const clients = new Map<string, Promise<Client>>();

/** The largest answer, in bytes; a page of 1000 key versions is smaller. */
const MAX_ANSWER = 4 * 1024 * 1024;

/** For one token request, in milliseconds: less than the limit of the call that waits for it. */
const tokenTimeout = () => 0.8 * defaultLimits.call;

/**
 * The client for an endpoint, with credentials. `project` is given so that Google's package does not
 * run gcloud to find one. Rejects with KEY_CREDENTIALS.
 */
export function connect(endpoint: KmsEndpoint, project: string): Promise<Client> {
  const address = `${endpoint.host}:${endpoint.port}`;
  const known = clients.get(address);
  if (known !== undefined) return known;
  const client = open(endpoint, address, project);
  clients.set(address, client);
  return client;
}

/** Makes the next call connect again, because the cause of a failure may be gone by then. */
export function forget({ host, port }: KmsEndpoint): void {
  clients.delete(`${host}:${port}`);
}

async function open(
  { host, loopback }: KmsEndpoint,
  address: string,
  project: string,
): Promise<Client> {
  prepareEnvironment();
  const { default: grpc } = await import('@grpc/grpc-js');
  // gRPC prints lines of its own, for example if a proxy refuses a connection.
  grpc.setLogVerbosity(grpc.logVerbosity.NONE);
  const { credentials } = grpc;
  const client = new grpc.Client(
    address,
    loopback
      ? credentials.createInsecure()
      : credentials.combineChannelCredentials(
          credentials.createSsl(),
          await callCredentials(grpc, host, project),
        ),
    {
      'grpc.max_receive_message_length': MAX_ANSWER,
      'grpc.initial_reconnect_backoff_ms': 100,
      'grpc.service_config_disable_resolution': 1,
      // Plain text to this machine does not go through a proxy.
      ...(loopback ? { 'grpc.enable_http_proxy': 0 } : {}),
    },
  );
  const same = (bytes: Buffer) => bytes;
  return (method, request, [field, name], timeout) =>
    new Promise((resolve, reject) => {
      const metadata = new grpc.Metadata();
      metadata.set('x-goog-request-params', `${field}=${encodeURIComponent(name)}`);
      const path = `/google.cloud.kms.v1.KeyManagementService/${method}`;
      const options = { deadline: Date.now() + timeout };
      client.makeUnaryRequest(path, same, same, request, metadata, options, (error, answer) => {
        if (error === null && answer !== undefined) resolve(answer);
        else reject(error && withInfo(error));
      });
    });
}

/** The error of a call, with the reason that Google gives in its details. */
function withInfo(error: Grpc.ServiceError): Error {
  const [details] = error.metadata?.get('grpc-status-details-bin') ?? [];
  return details instanceof Buffer ? Object.assign(error, errorInfoIn(details)) : error;
}

const SCOPES = ['cloud-platform', 'cloudkms'].map(
  (scope) => `https://www.googleapis.com/auth/${scope}`,
);

/** Adds a token to each call, and the project to bill. Rejects with KEY_CREDENTIALS. */
async function callCredentials(
  grpc: Pick<typeof Grpc, 'credentials' | 'Metadata'>,
  host: string,
  projectId: string,
): Promise<Grpc.CallCredentials> {
  const { GoogleAuth } = await import('google-auth-library');
  const clientOptions = { transporterOptions: { timeout: tokenTimeout() } };
  const google = new GoogleAuth({ projectId, clientOptions });
  // The key of a service account signs tokens itself, without Google's token service; they are valid
  // only for Cloud KMS, because scopes that the library takes as its user's would replace the audience.
  google.useJWTAccessWithScope = true;
  google.defaultServicePath = DEFAULT.host;
  google.defaultScopes = SCOPES;
  const auth = await google.getClient().catch((error: unknown) => {
    throw noCredentials(error, process.env.GOOGLE_APPLICATION_CREDENTIALS);
  });
  const { universeDomain } = auth;
  if (isGoogle(host) && universeDomain !== UNIVERSE) throw otherUniverse(universeDomain);
  endTokenRequests(auth as TokenRequests);
  const metadataFor = async (url: string) => {
    const metadata = new grpc.Metadata();
    for (const [name, value] of await auth.getRequestHeaders(url)) metadata.set(name, value);
    return metadata;
  };
  return grpc.credentials.createFromMetadataGenerator(({ service_url }, done) => {
    metadataFor(service_url).then((metadata) => done(null, metadata), done);
  });
}

/** The method that requests a token, in the auth client of a Google machine. */
interface TokenRequests {
  refreshTokenNoCache?: (token?: string | null) => Promise<unknown>;
}

/**
 * Limits the time of a token request. On Google's machines gcp-metadata sets no timeout, and all
 * later calls wait for a request that hangs.
 */
function endTokenRequests(auth: TokenRequests): void {
  const request = auth.refreshTokenNoCache?.bind(auth);
  if (request === undefined) return;
  auth.refreshTokenNoCache = (token) =>
    within(tokenTimeout(), request(token), () => {
      throw new Error('network timeout');
    });
}

/** Variables with which Google's packages print what they send and receive: content keys, tokens. */
const printing = [
  'GOOGLE_SDK_NODE_LOGGING',
  'GRPC_TRACE',
  'GRPC_NODE_TRACE',
  'GRPC_VERBOSITY',
  'GRPC_NODE_VERBOSITY',
  'DEBUG',
  'DEBUG_AUTH',
];

/** Sets the variables that the packages read when they are loaded. */
function prepareEnvironment(): void {
  const { env } = process;
  for (const name of printing) delete env[name];
  // Without credentials the packages look for Google's metadata server for seconds, and keep the
  // result forever. In a cluster the server may start after this process, so it is assumed to be
  // present. Elsewhere the BIOS gives the same answer at once.
  const { GCE_METADATA_HOST, GCE_METADATA_IP, KUBERNETES_SERVICE_HOST } = env;
  const isPresent = GCE_METADATA_HOST || GCE_METADATA_IP || KUBERNETES_SERVICE_HOST;
  env.METADATA_SERVER_DETECTION ||= isPresent ? 'assume-present' : 'bios-only';
}

interface KmsEndpoint {
  readonly host: string;
  readonly port: number;
  /** An emulator or a tunnel on this machine: plain text, without credentials. */
  readonly loopback: boolean;
}

const DEFAULT: KmsEndpoint = { host: 'cloudkms.googleapis.com', port: 443, loopback: false };
const VARIABLE = 'KSEAL_KMS_ENDPOINT';

/** The domain of Google's public cloud; clouds that others run with Google's software have their own. */
const UNIVERSE = 'googleapis.com';
const isGoogle = (host: string) => host.endsWith(`.${UNIVERSE}`);

/** A full host name (gRPC could parse a bare word as a scheme), an IPv4 or a bracketed IPv6 address. */
const FORM = /^(localhost|(?:[a-z0-9-]+\.)+[a-z0-9-]+|\[[0-9a-f:.]+\])(?::(\d{1,5}))?$/;

const BYTE = '(?:25[0-5]|2[0-4]\\d|1?\\d?\\d)';
const LOOPBACK = new RegExp(`^(?:localhost|127\\.${BYTE}\\.${BYTE}\\.${BYTE}|\\[::1\\])$`);

/**
 * The endpoint of `--kms-endpoint`, else of the environment, else Google's. Credentials are sent to
 * the endpoint, and an inherited variable is easy to overlook, so only the flag may name any host; the
 * environment may name this machine and Google. Prints an endpoint that is not the default.
 * Throws USAGE.
 */
export function kmsEndpoint({ kmsEndpoint: flag, env, note }: ProviderOptions): KmsEndpoint {
  const given = flag ?? env[VARIABLE];
  if (!given) return DEFAULT;
  const endpoint = parse(given, flag === undefined ? VARIABLE : '--kms-endpoint');
  const { host, port, loopback } = endpoint;
  if (flag === undefined && !loopback && !isGoogle(host)) {
    throw new KsealError('USAGE', 'only this machine and *.googleapis.com are allowed', {
      thing: VARIABLE,
      hint: `--kms-endpoint ${host}:${port}`,
    });
  }
  if (host !== DEFAULT.host || port !== DEFAULT.port) {
    const how = loopback ? ', in plain text and without credentials' : '';
    note(`using Cloud KMS at ${host}:${port}${how}`);
  }
  return endpoint;
}

function parse(given: string, source: string): KmsEndpoint {
  const [, host = '', digits] = FORM.exec(given.toLowerCase()) ?? [];
  const port = Number(digits ?? DEFAULT.port);
  if (host !== '' && port >= 1 && port <= 65535) {
    return { host, port, loopback: LOOPBACK.test(host) };
  }
  // Not quoted, because a URL may hold a password.
  throw new KsealError('USAGE', 'must be HOST or HOST:PORT', {
    thing: source,
    hint: `for example ${source === VARIABLE ? `${source}=` : `${source} `}localhost:9010`,
  });
}
