/**
 * A Cloud KMS for tests: a gRPC server for the service definition in the client package, with
 * software keys, key states and fault injection.
 */
import { createRequire } from 'node:module';
import {
  Server,
  ServerCredentials,
  type ServerUnaryCall,
  type ServiceDefinition,
  type ServiceError,
  type sendUnaryData,
} from '@grpc/grpc-js';
import { fromJSON } from '@grpc/proto-loader';
import { type Fault, Faults, type Method, methods, statusError } from './faults.ts';
import { type Answer, type Handler, handlersOf, type Request } from './handlers.ts';
import { type KeySpecs, KeyStore, type KeyVersion } from './keys.ts';

export type { Fault, Method } from './faults.ts';
export type { KeySpecs, KeyVersion, VersionSpec } from './keys.ts';

export interface EmulatorOptions {
  readonly keys: KeySpecs;
  /** The address to listen on, also the one in `endpoint`; 127.0.0.1 by default. */
  readonly host?: string;
  /** By default any free port. */
  readonly port?: number;
  /** PEM texts; by default the server does not use TLS. */
  readonly tls?: { readonly cert: string; readonly key: string };
}

/** A call as it was received. */
export interface Call {
  readonly method: Method;
  /** The requested resource, or the parent of a requested list. */
  readonly name: string;
  readonly ciphertext: Buffer | undefined;
  readonly checksumSent: boolean;
  readonly authorization: string | undefined;
  /** The project to bill. */
  readonly quotaProject: string | undefined;
  /** The parameters by which Google routes the call. */
  readonly routing: string | undefined;
}

export interface KmsEmulator {
  /** `127.0.0.1:PORT` */
  readonly endpoint: string;
  readonly calls: Call[];
  version(name: string): KeyVersion | undefined;
  addVersion: KeyStore['add'];
  makeKeys: KeyStore['makeKeys'];
  setState(name: string, state: string): void;
  /** Applies a fault to the next `times` calls of a method, by default to all. */
  fault(method: Method, fault: Fault, times?: number): void;
  clearFaults(): void;
  stop(): void;
}

export async function startKmsEmulator(options: EmulatorOptions): Promise<KmsEmulator> {
  const store = new KeyStore(options.keys);
  const faults = new Faults();
  const calls: Call[] = [];
  const handlers = handlersOf(store);
  const server = new Server();
  const implementations = methods.map(
    (method) => [method, serve(method, handlers[method], faults, calls)] as const,
  );
  server.addService(serviceDefinition(), Object.fromEntries(implementations));
  const host = options.host ?? '127.0.0.1';
  return {
    endpoint: `${host}:${await listen(server, options, host)}`,
    calls,
    version: (name) => store.version(name),
    addVersion: (cryptoKey, spec) => store.add(cryptoKey, spec),
    makeKeys: () => store.makeKeys(),
    setState: (name, state) => store.setState(name, state),
    fault: (method, fault, times = Number.POSITIVE_INFINITY) => faults.add(method, fault, times),
    clearFaults: () => faults.clear(),
    stop: () => server.forceShutdown(),
  };
}

function serviceDefinition() {
  const protos = createRequire(import.meta.url)('@google-cloud/kms/build/protos/protos.json');
  const definition = fromJSON(protos, { longs: String, enums: String, defaults: true });
  return definition['google.cloud.kms.v1.KeyManagementService'] as ServiceDefinition;
}

function listen(server: Server, { tls, port = 0 }: EmulatorOptions, host: string): Promise<number> {
  const credentials =
    tls === undefined
      ? ServerCredentials.createInsecure()
      : ServerCredentials.createSsl(null, [
          { cert_chain: Buffer.from(tls.cert), private_key: Buffer.from(tls.key) },
        ]);
  return new Promise((resolve, reject) => {
    server.bindAsync(`${host}:${port}`, credentials, (error, bound) =>
      error === null ? resolve(bound) : reject(error),
    );
  });
}

/** Records each call, applies the next fault, and answers. */
function serve(method: Method, handler: Handler, faults: Faults, calls: Call[]) {
  return (call: ServerUnaryCall<Request, Answer>, callback: sendUnaryData<Answer>): void => {
    const { request } = call;
    const header = (name: string) => call.metadata.get(name)[0]?.toString();
    calls.push({
      method,
      name: request.name || request.parent || '',
      ciphertext: request.ciphertext?.length ? Buffer.from(request.ciphertext) : undefined,
      checksumSent: Boolean(request.ciphertextCrc32c),
      authorization: header('authorization'),
      quotaProject: header('x-goog-user-project'),
      routing: header('x-goog-request-params'),
    });
    const fault = faults.next(method);
    if (fault === 'hang') return;
    const answer = () => {
      try {
        callback(null, respond(handler, request, fault));
      } catch (error) {
        callback(error as ServiceError);
      }
    };
    if (typeof fault === 'object' && 'delay' in fault) setTimeout(answer, fault.delay);
    else answer();
  };
}

function respond(handler: Handler, request: Request, fault: Fault | undefined): Answer {
  if (typeof fault === 'object' && 'status' in fault) throw statusError(fault);
  if (fault === 'damaged-request') {
    const ciphertext = Buffer.from(request.ciphertext ?? []);
    ciphertext.writeUInt8(ciphertext.readUInt8(9) ^ 1, 9);
    return handler({ ...request, ciphertext });
  }
  return damaged(handler(request), fault);
}

function damaged(answer: Answer, fault: Fault | undefined): Answer {
  const field = 'pemCrc32c' in answer ? 'pemCrc32c' : 'plaintextCrc32c';
  switch (fault) {
    case 'wrong-checksum': {
      const { value } = answer[field] as { value: string };
      return { ...answer, [field]: { value: String((Number(value) + 1) % 2 ** 32) } };
    }
    case 'missing-checksum':
      return { ...answer, [field]: null };
    case 'unverified':
      return { ...answer, verifiedCiphertextCrc32c: false };
    case 'wrong-name':
      return { ...answer, name: `${answer.name}0`, cryptoKeyVersions: [{ name: 'elsewhere' }] };
    case 'endless-list':
      return { ...answer, nextPageToken: '0' };
    default:
      return answer;
  }
}
