import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { leaksOf } from '../helpers/canary.ts';
import { makeAuthority } from '../helpers/certificates.ts';
import { folderOfUser, folderWithKeys } from '../helpers/folder.ts';
import { cekOf, jwesIn } from '../helpers/jwe.ts';
import { bin, runBin, unprivileged } from '../helpers/spawn.ts';
import { serveFlags, startWebhookProcess } from '../helpers/webhook-process.ts';
import { emulatorForTests } from '../kms-emulator/for-tests.ts';
import { HR, versionOf } from '../kms-emulator/harness.ts';
import { answered, creation, sealed } from '../webhook/reviews.ts';
import {
  keepingAgent,
  post,
  readToEnd,
  tcpConnection,
  tlsConnection,
} from '../webhook/server/https.ts';
import { valueIn, writeServingPair } from '../webhook/server/served.ts';

// What ships, as a process of its own: its signals, its surroundings, and what it says.

const canary = 'CANARY-in-the-webhook';
const one = versionOf(HR, 1);
const emulator = emulatorForTests();
const pem = () => emulator().version(one)?.pem ?? '';

const plain = creation({ a: 'eA==' });
const review = (publicPem: string | Buffer) =>
  creation({ password: sealed(canary, publicPem, 'password') });
const opened = { password: canary };

const decryptions = () => emulator().calls.filter(({ method }) => method === 'AsymmetricDecrypt');

async function serveWithKms(args: readonly string[] = [], env = {}) {
  return startWebhookProcess(['-k', `gcpkms://${HR}`, ...args], {
    cwd: folderWithKeys(),
    env: { KSEAL_KMS_ENDPOINT: emulator().endpoint, ...env },
  });
}

describe('W30: the end', () => {
  test.each(['SIGTERM', 'SIGINT'] as const)(
    '%s: not ready at once, and all answers are given',
    async (signal) => {
      const served = await serveWithKms(['--drain', '1']);
      const idle = await tlsConnection(served);
      expect((await served.page('/readyz'))[0]).toBe(200);
      emulator().fault('AsymmetricDecrypt', { delay: 500 });
      const agent = keepingAgent();
      const answers = Array.from({ length: 20 }, () => post(served, review(pem()), { agent }));
      await vi.waitFor(() => expect(decryptions()).toHaveLength(20), { interval: 5 });
      served.child.kill(signal);
      await vi.waitFor(
        async () => expect(await served.page('/readyz')).toEqual([503, 'draining\n']),
        { interval: 5 },
      );
      // Until its address is taken from the endpoints, new reviews still come.
      const late = await post(served, plain);
      expect([late.status, late.headers.connection]).toEqual([200, 'close']);
      for (const { status, text } of await Promise.all(answers)) {
        expect([status, answered(text).opened]).toEqual([200, opened]);
      }
      expect(await readToEnd(idle)).toBe('');
      expect(await served.ended).toMatchObject({ code: 0, signal: null });
    },
  );

  test('no review is lost while connections are reused: each ends with its next answer', async () => {
    const served = await serveWithKms(['--drain', '600']);
    const agent = keepingAgent(4);
    const connections: unknown[] = [];
    let isOver = false;
    const load = async () => {
      while (!isOver) {
        const { status, headers } = await post(served, plain, { agent });
        expect(status).toBe(200);
        connections.push(headers.connection);
      }
    };
    const loads = Promise.all([load(), load(), load(), load()]);
    await vi.waitFor(() => expect(connections.length).toBeGreaterThan(20));
    expect(new Set(connections)).toEqual(new Set(['keep-alive']));
    served.child.kill('SIGTERM');
    await vi.waitFor(() => expect(connections.at(-1)).toBe('close'), { interval: 1 });
    const before = connections.length;
    await vi.waitFor(() => expect(connections.length).toBeGreaterThan(before + 20), 10_000);
    isOver = true;
    await loads;
    // Four may have been under way.
    expect(new Set(connections.slice(before + 4))).toEqual(new Set(['close']));
    served.child.kill('SIGTERM');
    expect((await served.ended).code).toBe(130);
  });

  test('a second signal ends it at once, whatever is under way', async () => {
    const served = await serveWithKms(['--drain', '600']);
    emulator().fault('AsymmetricDecrypt', 'hang');
    const answer = post(served, review(pem())).catch((error: unknown) => error);
    await vi.waitFor(() => expect(decryptions()).toHaveLength(1), { interval: 5 });
    served.child.kill('SIGTERM');
    await vi.waitFor(async () => expect((await served.page('/readyz'))[0]).toBe(503));
    served.child.kill('SIGTERM');
    const { code, stderr } = await served.ended;
    expect(code).toBe(130);
    expect(`${stderr}`).toMatch(/^kseal: error: ended by a second signal$/m);
    expect(await answer).toBeInstanceOf(Error);
  });
});

describe('W31: a start that fails', () => {
  test('a port in use, each of the two', async () => {
    const other = createServer().listen(0, '127.0.0.1');
    onTestFinished(() => void other.close());
    await once(other, 'listening');
    const { port } = other.address() as { port: number };
    for (const flag of ['--port', '--metrics-port']) {
      const cwd = folderWithKeys();
      await writeServingPair(await makeAuthority(), cwd);
      const flags = serveFlags.map((word, at) =>
        serveFlags[at - 1] === flag ? String(port) : word,
      );
      const { code, stderr } = await runBin([...flags, '-k', 'k.pem'], { cwd });
      expect([code, `${stderr}`]).toEqual([
        2,
        `kseal: error: cannot listen on 127.0.0.1, port ${port}: the port is in use\n` +
          `kseal: hint: choose another one with ${flag}\n`,
      ]);
    }
  });

  test('a key file that is not there', async () => {
    const cwd = folderWithKeys();
    await writeServingPair(await makeAuthority(), cwd);
    const { code, stderr } = await runBin([...serveFlags, '-k', 'none.pem'], { cwd });
    expect([code, `${stderr}`]).toEqual([
      2,
      'kseal: error: none.pem: cannot read: no such file\nkseal: hint: check the path\n',
    ]);
  });
});

test('W31: a KMS that is away does not end it, nor make it look dead', async () => {
  const served = await startWebhookProcess(['-k', `gcpkms://${HR}`, '--drain', '0'], {
    cwd: folderWithKeys(),
    env: { KSEAL_KMS_ENDPOINT: '127.0.0.1:1' },
  });
  expect(await served.page('/livez')).toEqual([200, 'ok\n']);
  expect((await served.page('/readyz'))[0]).toBe(503);
  served.child.kill('SIGTERM');
  expect((await served.ended).code).toBe(0);
});

test('W32: in a read-only folder, as nobody in particular, without HOME', async () => {
  const { cwd, give } = folderOfUser();
  give('k.pem', 0o400);
  const served = await startWebhookProcess(['-k', 'k.pem', '--drain', '0'], {
    cwd,
    uid: unprivileged,
    env: { HOME: '' },
    prepare: () => {
      for (const name of ['tls.crt', 'tls.key']) give(name, 0o400);
      give('.', 0o555);
    },
  });
  const answer = await post(served, review(readFileSync(join(cwd, 'k.pub'))));
  expect(answered(answer.text).opened).toEqual(opened);
  expect((await served.page('/metrics'))[0]).toBe(200);
  served.child.kill('SIGTERM');
  expect((await served.ended).code).toBe(0);
});

test('a rejection and an error that nothing caught: logged without their words, and it serves on', async () => {
  const cwd = folderWithKeys();
  writeFileSync(
    join(cwd, 'stray.mjs'),
    `process.on('SIGUSR2', () => {
      void Promise.reject(new TypeError('CANARY-stray'));
      setImmediate(() => { throw new RangeError('CANARY-stray'); });
    });`,
  );
  const env = { NODE_OPTIONS: `--import=${join(cwd, 'stray.mjs')}` };
  const served = await startWebhookProcess(['-k', 'k.pem', '--drain', '0'], { cwd, env });
  served.child.kill('SIGUSR2');
  await vi.waitFor(async () => {
    const [, text] = await served.page('/metrics');
    expect(valueIn(text, 'kseal_uncaught_errors_total')).toBe(2);
  });
  expect((await post(served, plain)).status).toBe(200);
  served.child.kill('SIGTERM');
  const { code, stderr } = await served.ended;
  expect(code).toBe(0);
  expect(`${stderr}`).toMatch(/a bug in kseal: TypeError at .*stray\.mjs/);
  expect(`${stderr}`).not.toContain('CANARY');
});

test('W23: 2,000 reviews in a heap that has no room for what they might leave behind', async () => {
  const cwd = folderWithKeys();
  const env = { NODE_OPTIONS: '--max-old-space-size=48' };
  const served = await startWebhookProcess(['-k', 'small.pem'], { cwd, env });
  const agent = keepingAgent(8);
  const password = sealed(canary, readFileSync(join(cwd, 'small.pub')), 'password');
  // So large that what it leaves behind would stand out from what V8 has not collected yet.
  const body = creation({ password, plain: Buffer.alloc(24 * 1024).toString('base64') });
  const memory = async () => {
    const [, text] = await served.page('/metrics');
    return valueIn(text, 'process_resident_memory_bytes') / 1e6;
  };
  const reviews = async (count: number) => {
    const one = () => post(served, body, { agent });
    for (let left = count; left > 0; left -= 8) {
      const answers = await Promise.all(Array.from({ length: 8 }, one));
      expect(answers.every(({ text }) => text.includes('"patch"'))).toBe(true);
    }
    return memory();
  };
  const before = await reviews(400);
  // The bodies alone add up to 54 MB.
  expect((await reviews(1_600)) - before).toBeLessThan(40);
});

test('W27: with hardly any descriptors, strangers cannot keep it from serving for long', async () => {
  const cwd = folderWithKeys();
  const limited = ['bash', '-c', 'ulimit -n 60; exec "$@"', 'bash', process.execPath, bin];
  const served = await startWebhookProcess(['-k', 'k.pem'], { cwd, command: limited });
  const strangers = await Promise.all(Array.from({ length: 100 }, () => tcpConnection(served)));
  for (const socket of strangers) socket.destroy();
  await vi.waitFor(async () => expect((await post(served, plain)).status).toBe(200), 5_000);
  expect((await served.page('/livez'))[0]).toBe(200);
});

describe('what it says with every switch that makes packages talk', () => {
  const noise = {
    DEBUG: '*',
    DEBUG_AUTH: '1',
    GOOGLE_SDK_NODE_LOGGING: '*',
    GRPC_TRACE: 'all',
    GRPC_NODE_TRACE: 'all',
    GRPC_VERBOSITY: 'DEBUG',
    GRPC_NODE_VERBOSITY: 'DEBUG',
    NODE_DEBUG: 'http2,net,tls,http,https,fs,timer,child_process,module,worker,cluster',
    KSEAL_DEBUG: '1',
  };

  test('no plaintext and no content key, in no encoding, in log, metrics or refusals', async () => {
    const served = await serveWithKms(['--log-level', 'debug', '--drain', '0'], noise);
    const good = review(pem());
    const damaged = creation({
      password: sealed(canary, pem(), 'password').replace(/.{8}$/, 'AAAAAAA='),
    });
    const elsewhere = creation({ password: sealed(canary, pem(), 'password') }, { name: 'other' });
    const body = await post(served, good);
    expect(answered(body.text).opened).toEqual(opened);
    emulator().fault('AsymmetricDecrypt', 'wrong-checksum');
    const refusals = await Promise.all(
      [damaged, elsewhere, good, '{'].map((text) => post(served, text)),
    );
    const metrics = await served.page('/metrics');
    served.child.kill('SIGTERM');
    const { code, stdout, stderr } = await served.ended;
    expect(code).toBe(0);
    const said = [
      stdout,
      stderr,
      Buffer.from(metrics[1]),
      ...refusals.map(({ text }) => Buffer.from(text)),
    ];
    const key = emulator().version(one)?.privateKey?.export({ type: 'pkcs8', format: 'pem' });
    const secrets = [
      Buffer.from(canary),
      ...jwesIn(`${good}${elsewhere}`).map((jwe) => cekOf(jwe, `${key}`)),
    ];
    expect(secrets).toHaveLength(3);
    for (const secret of secrets) {
      expect(secret?.length).toBeGreaterThan(16);
      expect(leaksOf(secret ?? Buffer.alloc(0), Buffer.concat(said))).toEqual([]);
    }
    expect(`${stderr}`).toContain('NET ');
  });

  test.each(['stream', '*'])(
    'NODE_DEBUG=%s, with which Node prints what streams carry: refused',
    async (NODE_DEBUG) => {
      const { code, stderr } = await runBin([...serveFlags, '-k', 'k.pem'], {
        cwd: folderWithKeys(),
        env: { NODE_DEBUG },
      });
      expect(code).toBe(2);
      expect(`${stderr}`).toContain('kseal: hint: unset NODE_DEBUG');
    },
  );
});
