import { createHash, generateKeyPairSync, randomBytes } from 'node:crypto';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer as createHttpServer } from 'node:http';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { build } from 'esbuild';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { leaksOf } from '../../helpers/canary.ts';
import { debugVariables } from '../../helpers/debug-variables.ts';
import { runBin } from '../../helpers/spawn.ts';
import { type KmsEmulator, startKmsEmulator } from '../../kms-emulator/emulator.ts';
import { FOREIGN_HOST } from '../../kms-emulator/foreign-host.mjs';
import {
  makeCertificate,
  startTokenService,
  type TokenService,
} from '../../kms-emulator/google.ts';
import { HR, quick, versionOf, wrapCek } from '../../kms-emulator/harness.ts';

// Behaviour that depends on the environment of a process, or on its end: each test starts a process
// that opens an encrypted key and prints the hash of the CEK, or the error. It never calls exit().

const one = versionOf(HR, 1);
const cek = randomBytes(32);
const folder = mkdtempSync(join(tmpdir(), 'kseal-kms-'));
const foreignHost = join(import.meta.dirname, '../../kms-emulator/foreign-host.mjs');
const noNetwork = join(import.meta.dirname, '../../helpers/no-network.mjs');
const probe = join(
  import.meta.dirname,
  `../../../node_modules/.cache/kseal-probe-${process.pid}.mjs`,
);
const source = `
  import { createHash } from 'node:crypto';
  import { fetchOpeningKeys } from './src/keys/gcpkms/provider.ts';
  const [name, ciphertext, limits, kmsEndpoint] = process.argv.slice(2);
  const note = (text) => process.stderr.write(text + '\\n');
  const options = { env: process.env, kmsEndpoint, verifySignature: false, note };
  let result;
  try {
    const [key] = await fetchOpeningKeys('gcpkms://' + name, options, JSON.parse(limits));
    const cek = await key.decryptKey(Buffer.from(ciphertext, 'hex'));
    result = { hash: createHash('sha256').update(cek).digest('hex') };
  } catch (error) {
    const { code, message, hint, cause } = error;
    result = { code, message, hint, cause: cause && String(cause) };
  }
  process.on('exit', () => process.stdout.write(JSON.stringify(result)));`;

let plain: KmsEmulator;
let tls: KmsEmulator;
let tokens: TokenService;
let roots: string;

beforeAll(async () => {
  mkdirSync(join(probe, '..'), { recursive: true });
  const keys = { [HR]: [{ id: 1 }] };
  const { certFile, cert, key } = makeCertificate(folder);
  roots = certFile;
  [plain, tls, tokens] = await Promise.all([
    startKmsEmulator({ keys }),
    startKmsEmulator({ keys, host: FOREIGN_HOST, tls: { cert, key } }),
    startTokenService(folder),
    build({
      stdin: { contents: source, resolveDir: join(import.meta.dirname, '../../..') },
      outfile: probe,
      bundle: true,
      packages: 'external',
      platform: 'node',
      format: 'esm',
    }),
  ]);
}, 30_000);
afterAll(() => {
  plain.stop();
  tls.stop();
  tokens.stop();
  for (const path of [folder, probe]) rmSync(path, { recursive: true, force: true });
});

interface Result {
  readonly hash?: string;
  readonly code?: string;
  readonly message?: string;
  readonly hint?: string;
  readonly cause?: string;
}

async function open(
  env: Readonly<Record<string, string>>,
  { endpoint, limits = quick }: { endpoint?: string; limits?: typeof quick } = {},
): Promise<Result & { readonly stderr: string; readonly output: Buffer }> {
  // Both emulators have the same keys.
  const ciphertext = wrapCek(plain, one, cek).toString('hex');
  const args = [one, ciphertext, JSON.stringify(limits)];
  if (endpoint !== undefined) args.push(endpoint);
  const ended = await runBin(args, { cwd: folder, env, command: [process.execPath, probe] });
  const stderr = ended.stderr.toString();
  expect({ code: ended.code, stderr }).toMatchObject({ code: 0 });
  // Tracing may print lines before ours.
  const line = ended.stdout.toString().trim().split('\n').at(-1) ?? '';
  const result: Result = JSON.parse(line);
  return { ...result, stderr, output: Buffer.concat([ended.stdout, ended.stderr]) };
}

/** The CEK is hashed, so that a test may print the result. */
const opened = { hash: createHash('sha256').update(cek).digest('hex') };

/** No content key in any encoding, including that of a printed Buffer. */
function expectNoLeak(output: Buffer): void {
  expect(leaksOf(cek, output)).toEqual([]);
  expect(output.toString()).not.toContain(cek.toString('hex').match(/../g)?.slice(0, 8).join(' '));
}

/** The path of credentials of a cloud that is not Google's. */
function otherCloud(): string {
  const path = join(folder, 'other-cloud.json');
  const credentials = JSON.parse(readFileSync(tokens.credentials, 'utf8'));
  writeFileSync(path, JSON.stringify({ ...credentials, universe_domain: 'example.com' }));
  return path;
}

describe('on this machine', () => {
  test('opens, prints no content key, and uses no proxy and no credentials', async () => {
    const nowhere = 'http://127.0.0.1:1';
    const result = await open({
      KSEAL_KMS_ENDPOINT: plain.endpoint,
      ...debugVariables,
      grpc_proxy: nowhere,
      https_proxy: nowhere,
      http_proxy: nowhere,
      GOOGLE_CLOUD_UNIVERSE_DOMAIN: 'example.com',
      GOOGLE_APPLICATION_CREDENTIALS: otherCloud(),
    });
    expect(result).toMatchObject(opened);
    expectNoLeak(result.output);
    expect(plain.calls.at(-1)).toMatchObject({ checksumSent: true, authorization: undefined });
  });

  test('a server that never answers: an error at the deadline', async () => {
    const hole = createServer(() => {}).listen(0, '127.0.0.1');
    await new Promise((resolve) => hole.once('listening', resolve));
    const { port } = hole.address() as { port: number };
    const limits = { ...quick, call: 200 };
    const result = await open({ KSEAL_KMS_ENDPOINT: `127.0.0.1:${port}` }, { limits });
    hole.close();
    expect(result).toMatchObject({ code: 'KEY_DEADLINE' });
  });
});

describe('credentials', () => {
  const surroundings = () => ({
    GRPC_DEFAULT_SSL_ROOTS_FILE_PATH: roots,
    GOOGLE_APPLICATION_CREDENTIALS: tokens.credentials,
    NODE_OPTIONS: `--import ${pathToFileURL(foreignHost)}`,
  });
  const foreign = (env: Readonly<Record<string, string>> = {}) =>
    open({ ...surroundings(), ...env }, { endpoint: tls.endpoint });
  /** Runs the built kseal, which contains the packages. */
  const fetchWithBuilt = (env: Readonly<Record<string, string>> = {}) =>
    runBin(['fetch-pubkey', `gcpkms://${one}`, '--kms-endpoint', tls.endpoint], {
      cwd: folder,
      env: { ...surroundings(), ...env },
    });

  test('missing: an error, without a network call', async () => {
    const result = await open({ NODE_OPTIONS: `--import ${pathToFileURL(noNetwork)}` });
    expect(result).toMatchObject({
      code: 'KEY_CREDENTIALS',
      message: 'Google credentials: not found',
      hint: 'gcloud auth application-default login',
    });
    expect(result.stderr).toBe('');
  });

  test('a token is sent to another machine over TLS, and not printed', async () => {
    tokens.token = 'CANARY-access-token';
    const result = await foreign(debugVariables);
    expect(result).toMatchObject(opened);
    expect(tls.calls.map(({ authorization }) => authorization)).toEqual([
      'Bearer CANARY-access-token',
      'Bearer CANARY-access-token',
    ]);
    expectNoLeak(result.output);
    expect(result.output.toString()).not.toContain('CANARY');
  });

  test('the built kseal gets a token and sends it', async () => {
    tokens.token = 'CANARY-access-token';
    tls.calls.length = 0;
    const { code, stdout } = await fetchWithBuilt();
    expect([code, `${stdout}`]).toEqual([0, tls.version(one)?.pem]);
    expect(tls.calls).toMatchObject([{ authorization: 'Bearer CANARY-access-token' }]);
  });

  test('the built kseal asks for a token through the proxy, and prints only its own lines', async () => {
    const user = join(folder, 'user.json');
    const secrets = { client_secret: 'CANARY-secret', refresh_token: 'CANARY-refresh' };
    writeFileSync(user, JSON.stringify({ type: 'authorized_user', client_id: 'k', ...secrets }));
    const asked: (string | undefined)[] = [];
    const proxy = createHttpServer().on('connect', ({ url }, socket) => {
      asked.push(url);
      socket.end('HTTP/1.1 502 Bad Gateway\r\n\r\n');
    });
    await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve));
    const { port } = proxy.address() as AddressInfo;
    const env = { GOOGLE_APPLICATION_CREDENTIALS: user, HTTPS_PROXY: `http://127.0.0.1:${port}` };
    const token = await fetchWithBuilt(env);
    const kms = await fetchWithBuilt({ ...env, https_proxy: env.HTTPS_PROXY });
    proxy.close();
    expect(new Set(asked)).toEqual(new Set(['oauth2.googleapis.com:443', tls.endpoint]));
    for (const { code, stderr } of [token, kms]) {
      expect(code).toBe(4);
      expect(`${stderr}`.match(/^(?!kseal: ).+/gm)).toBeNull();
      expect(`${stderr}`).not.toContain('CANARY');
    }
  });

  test('of another cloud: an error, and Google gets no token', async () => {
    const result = await open({
      GOOGLE_APPLICATION_CREDENTIALS: otherCloud(),
      NODE_OPTIONS: `--import ${pathToFileURL(noNetwork)}`,
    });
    expect(result).toMatchObject({
      code: 'KEY_CREDENTIALS',
      message: 'Google credentials: are for example.com, not for googleapis.com',
      hint: '--kms-endpoint cloudkms.example.com',
    });
  });

  test('the key of a service account signs a token that is valid only for Cloud KMS', async () => {
    tls.calls.length = 0;
    const account = join(folder, 'account.json');
    const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
    writeFileSync(
      account,
      JSON.stringify({
        type: 'service_account',
        client_email: 'kseal@acme-prod.iam.gserviceaccount.com',
        private_key_id: '1',
        private_key: privateKey.export({ type: 'pkcs8', format: 'pem' }),
        quota_project_id: 'acme-billing',
      }),
    );
    expect(await foreign({ GOOGLE_APPLICATION_CREDENTIALS: account })).toMatchObject(opened);
    const { authorization = '', quotaProject, routing } = tls.calls[1] ?? {};
    const [, claims = ''] = authorization.split('.');
    expect(JSON.parse(Buffer.from(claims, 'base64url').toString())).toEqual({
      iss: 'kseal@acme-prod.iam.gserviceaccount.com',
      sub: 'kseal@acme-prod.iam.gserviceaccount.com',
      aud: 'https://cloudkms.googleapis.com/',
      iat: expect.any(Number),
      exp: expect.any(Number),
    });
    expect(quotaProject).toBe('acme-billing');
    expect(routing).toBe(`name=${encodeURIComponent(one)}`);
  });

  test('a project to bill that HTTP cannot carry: an error', async () => {
    tokens.token = 'CANARY-access-token';
    const result = await foreign({ GOOGLE_CLOUD_QUOTA_PROJECT: 'é' });
    expect(result).toMatchObject({ code: 'KEY_CREDENTIALS' });
  });

  test('an untrusted server gets no token', async () => {
    tokens.token = 'CANARY-access-token';
    tls.calls.length = 0;
    const result = await foreign({ GRPC_DEFAULT_SSL_ROOTS_FILE_PATH: '' });
    expect(result).toMatchObject({
      code: 'KEY_UNAVAILABLE',
      message: `${one}: the certificate of the Cloud KMS endpoint is not trusted`,
      hint: expect.stringContaining('GRPC_DEFAULT_SSL_ROOTS_FILE_PATH'),
    });
    expect(tls.calls).toEqual([]);
  });

  test('revoked credentials', async () => {
    tokens.token = undefined;
    const result = await foreign();
    expect(result).toMatchObject({
      code: 'KEY_CREDENTIALS',
      message:
        'Google credentials: rejected by the token service: expired, revoked or incomplete (invalid_grant)',
      hint: 'gcloud auth application-default login',
    });
    expect(result.output.toString()).not.toContain('CANARY');
  });

  test('an unreachable token service', async () => {
    tokens.stop();
    expect(await foreign()).toMatchObject({
      code: 'KEY_UNAVAILABLE',
      message: "cannot reach Google's token service",
    });
  });
});
