import { createHash, randomBytes } from 'node:crypto';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { build } from 'esbuild';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { leaksOf } from '../../helpers/canary.ts';
import { runBin } from '../../helpers/spawn.ts';
import { type KmsEmulator, startKmsEmulator } from '../../kms-emulator/emulator.ts';
import { FOREIGN_HOST } from '../../kms-emulator/foreign-host.mjs';
import {
  makeCertificate,
  startTokenService,
  type TokenService,
} from '../../kms-emulator/google.ts';
import { HR, quick, versionOf, wrapCek } from '../../kms-emulator/harness.ts';

// What depends on the environment of a process, or on its end: each test starts one that opens
// an encrypted key, and prints the hash of what it got or the error. Not one calls exit().

const one = versionOf(HR, 1);
const cek = randomBytes(32);
const folder = mkdtempSync(join(tmpdir(), 'kseal-kms-'));
const foreignHost = join(import.meta.dirname, '../../kms-emulator/foreign-host.mjs');
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
  const done = performance.now();
  process.on('exit', () => {
    result.lingered = performance.now() - done;
    process.stdout.write(JSON.stringify(result));
  });`;

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
  /** Milliseconds from the last statement to the end of the process. */
  readonly lingered: number;
}

async function open(
  env: Readonly<Record<string, string>>,
  { endpoint, limits = quick }: { endpoint?: string; limits?: typeof quick } = {},
): Promise<Result & { readonly stderr: string; readonly output: Buffer }> {
  // The emulators of a process have the same keys, so it opens with either.
  const ciphertext = wrapCek(plain, one, cek).toString('hex');
  const args = [one, ciphertext, JSON.stringify(limits)];
  if (endpoint !== undefined) args.push(endpoint);
  const ended = await runBin(args, { cwd: folder, env, command: [process.execPath, probe] });
  const stderr = ended.stderr.toString();
  expect({ code: ended.code, stderr }).toMatchObject({ code: 0 });
  // The last line is ours; tracing may print before it.
  const line = ended.stdout.toString().trim().split('\n').at(-1) ?? '';
  const result: Result = JSON.parse(line);
  expect(result.lingered).toBeLessThan(3_000);
  return { ...result, stderr, output: Buffer.concat([ended.stdout, ended.stderr]) };
}

/** The hash of the CEK: an answer that a test may print. */
const opened = { hash: createHash('sha256').update(cek).digest('hex') };

/** Every switch that makes a package print what passes, or that leads elsewhere. */
const noise = {
  GRPC_TRACE: 'all',
  GRPC_NODE_TRACE: 'all',
  GRPC_VERBOSITY: 'DEBUG',
  GRPC_NODE_VERBOSITY: 'DEBUG',
  GOOGLE_SDK_NODE_LOGGING: '*',
  DEBUG: '*',
  DEBUG_AUTH: '1',
  NODE_DEBUG: 'http2,net,tls,http,https,fs,timer,child_process',
};

/** No content key in any encoding, not as node prints a buffer either. */
function expectNoLeak(output: Buffer): void {
  expect(leaksOf(cek, output)).toEqual([]);
  expect(output.toString()).not.toContain(cek.toString('hex').match(/../g)?.slice(0, 8).join(' '));
}

describe('on this machine', () => {
  test('opens, ends by itself, prints no content key, uses no proxy and no credentials', async () => {
    const nowhere = 'http://127.0.0.1:1';
    const elsewhere = join(folder, 'other-cloud.json');
    const credentials = JSON.parse(readFileSync(tokens.credentials, 'utf8'));
    writeFileSync(elsewhere, JSON.stringify({ ...credentials, universe_domain: 'example.com' }));
    const result = await open({
      KSEAL_KMS_ENDPOINT: plain.endpoint,
      ...noise,
      grpc_proxy: nowhere,
      https_proxy: nowhere,
      http_proxy: nowhere,
      GOOGLE_CLOUD_UNIVERSE_DOMAIN: 'example.com',
      GOOGLE_APPLICATION_CREDENTIALS: elsewhere,
    });
    expect(result).toMatchObject(opened);
    expectNoLeak(result.output);
    expect(plain.calls.at(-1)).toMatchObject({ checksumSent: true, authorization: undefined });
  });

  test('what accepts and never answers: an end at the deadline', async () => {
    const hole = createServer(() => {}).listen(0, '127.0.0.1');
    await new Promise((resolve) => hole.once('listening', resolve));
    const { port } = hole.address() as { port: number };
    const limits = { ...quick, call: 200 };
    const result = await open({ KSEAL_KMS_ENDPOINT: `127.0.0.1:${port}` }, { limits });
    hole.close();
    expect(result).toMatchObject({ code: 'KEY_DEADLINE' });
  });

  test('where nothing listens', async () => {
    const result = await open({ KSEAL_KMS_ENDPOINT: '127.0.0.1:1' });
    expect(result).toMatchObject({ code: 'KEY_UNAVAILABLE' });
    expect(result.stderr).toBe(
      'asking Cloud KMS at 127.0.0.1:1, in plain text and without credentials\n',
    );
  });
});

describe('credentials', () => {
  const foreign = (env: Readonly<Record<string, string>> = {}) =>
    open(
      {
        GRPC_DEFAULT_SSL_ROOTS_FILE_PATH: roots,
        GOOGLE_APPLICATION_CREDENTIALS: tokens.credentials,
        NODE_OPTIONS: `--import ${pathToFileURL(foreignHost)}`,
        ...env,
      },
      { endpoint: tls.endpoint },
    );

  test('none: said at once, with no question to the network', async () => {
    const result = await open({});
    expect(result).toMatchObject({
      code: 'KEY_CREDENTIALS',
      message: 'no Google credentials found',
      hint: 'gcloud auth application-default login',
    });
    expect(result.stderr).toBe('');
  });

  test.each([
    ['is not there', undefined],
    ['is not JSON', 'CANARY-secret'],
    ['is of no known kind', '{"type":"CANARY-secret"}'],
  ])('a file that %s: its name is said, and nothing of what is in it', async (_, text) => {
    const file = join(folder, 'bad-credentials.json');
    rmSync(file, { force: true });
    if (text !== undefined) writeFileSync(file, text);
    const result = await open({ GOOGLE_APPLICATION_CREDENTIALS: file });
    expect(result).toMatchObject({
      code: 'KEY_CREDENTIALS',
      message: expect.stringContaining('Google'),
    });
    expect(result.output.toString()).not.toContain('CANARY');
  });

  test('a token goes to another machine by TLS only, and is not printed', async () => {
    tokens.token = 'CANARY-access-token';
    const result = await foreign(noise);
    expect(result).toMatchObject(opened);
    expect(tls.calls.map(({ authorization }) => authorization)).toEqual([
      'Bearer CANARY-access-token',
      'Bearer CANARY-access-token',
    ]);
    expectNoLeak(result.output);
    expect(result.output.toString()).not.toContain('CANARY');
  });

  test('a server that cannot prove its name gets nothing', async () => {
    tokens.token = 'CANARY-access-token';
    tls.calls.length = 0;
    const result = await foreign({ GRPC_DEFAULT_SSL_ROOTS_FILE_PATH: '' });
    expect(result).toMatchObject({
      code: 'KEY_UNAVAILABLE',
      message: `${one}: Cloud KMS is not asked: the certificate of its endpoint is not trusted`,
      hint: expect.stringContaining('GRPC_DEFAULT_SSL_ROOTS_FILE_PATH'),
    });
    expect(tls.calls).toEqual([]);
  });

  test('revoked', async () => {
    tokens.token = undefined;
    const result = await foreign();
    expect(result).toMatchObject({
      code: 'KEY_CREDENTIALS',
      message:
        'Google gives no token for these credentials: they are expired, revoked or not complete (invalid_grant)',
      hint: 'gcloud auth application-default login',
    });
    expect(result.output.toString()).not.toContain('CANARY');
  });

  test('the token service out of reach', async () => {
    tokens.stop();
    expect(await foreign()).toMatchObject({
      code: 'KEY_UNAVAILABLE',
      message: "Google's token service cannot be reached",
    });
  });
});
