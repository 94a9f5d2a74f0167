import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { leaksOf } from '../helpers/canary.ts';
import { debugVariables } from '../helpers/debug-variables.ts';
import { folderOfUser, folderWithKeys } from '../helpers/folder.ts';
import { cekOf, jwesIn } from '../helpers/jwe.ts';
import { kseal, unprivileged } from '../helpers/spawn.ts';
import { startWebhookProcess } from '../helpers/webhook-process.ts';
import { emulatorForTests } from '../kms-emulator/for-tests.ts';
import { HR, versionOf } from '../kms-emulator/harness.ts';
import { eventually, valueIn } from '../webhook/common.ts';
import { answered, creation, sealed } from '../webhook/reviews.ts';
import { post, tcpConnection } from '../webhook/server/https.ts';

// `kseal webhook serve` as a process: its signals, its environment and its output.

const canary = 'CANARY-in-the-webhook';
const plain = creation({ a: 'eA==' });
const review = (publicPem: string | Buffer) =>
  creation({ password: sealed(canary, publicPem, 'password') });

test('SIGINT drains it, and a second signal ends it', async () => {
  const served = await startWebhookProcess(['-k', 'k.pem', '--drain', '600'], {
    cwd: folderWithKeys(),
  });
  served.child.kill('SIGINT');
  await eventually(async () => expect(await served.page('/readyz')).toEqual([503, 'draining\n']));
  expect((await post(served, plain)).status).toBe(200);
  served.child.kill('SIGTERM');
  const { code, stderr } = await served.ended;
  expect(code).toBe(130);
  expect(`${stderr}`).toMatch(/^kseal: error: interrupted by a second signal$/m);
});

test('it runs in a read-only folder, as an unprivileged user, without HOME', async () => {
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
  expect(answered(answer.text).opened).toEqual({ password: canary });
  expect((await served.page('/metrics'))[0]).toBe(200);
  served.child.kill('SIGTERM');
  expect((await served.ended).code).toBe(0);
});

test('it survives uncaught errors, and logs them without their messages', async () => {
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
  await eventually(async () => {
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

test('it serves again after clients have used up its file descriptors', async () => {
  const limited = ['bash', '-c', 'ulimit -n 60; exec "$@"', 'bash', ...kseal];
  const served = await startWebhookProcess(['-k', 'k.pem'], {
    cwd: folderWithKeys(),
    command: limited,
  });
  const strangers = await Promise.all(Array.from({ length: 100 }, () => tcpConnection(served)));
  for (const socket of strangers) socket.destroy();
  await eventually(async () => expect((await post(served, plain)).status).toBe(200));
  expect((await served.page('/livez'))[0]).toBe(200);
});

const one = versionOf(HR, 1);
const emulator = emulatorForTests();

test('its output has no plaintext and no content key in any encoding, with every debug switch', async () => {
  const served = await startWebhookProcess(
    ['-k', `gcpkms://${HR}`, '--log-level', 'debug', '--drain', '0'],
    { cwd: folderWithKeys(), env: { KSEAL_KMS_ENDPOINT: emulator().endpoint, ...debugVariables } },
  );
  const { pem = '', privateKey } = emulator().version(one) ?? {};
  const good = review(pem);
  const damaged = creation({
    password: sealed(canary, pem, 'password').replace(/.{8}$/, 'AAAAAAA='),
  });
  const elsewhere = creation({ password: sealed(canary, pem, 'password') }, { name: 'other' });
  const body = await post(served, good);
  expect(answered(body.text).opened).toEqual({ password: canary });
  emulator().fault('AsymmetricDecrypt', 'wrong-checksum');
  const refusals = await Promise.all(
    [damaged, elsewhere, good, '{'].map((text) => post(served, text)),
  );
  const metrics = await served.page('/metrics');
  served.child.kill('SIGTERM');
  const { code, stdout, stderr } = await served.ended;
  expect(code).toBe(0);
  const output = [
    stdout,
    stderr,
    Buffer.from(metrics[1]),
    ...refusals.map(({ text }) => Buffer.from(text)),
  ];
  const key = privateKey?.export({ type: 'pkcs8', format: 'pem' });
  const secrets = [
    Buffer.from(canary),
    ...jwesIn(`${good}${elsewhere}`).map((jwe) => cekOf(jwe, `${key}`)),
  ];
  expect(secrets).toHaveLength(3);
  for (const secret of secrets) {
    expect(secret?.length).toBeGreaterThan(16);
    expect(leaksOf(secret ?? Buffer.alloc(0), Buffer.concat(output))).toEqual([]);
  }
  expect(`${stderr}`).toContain('NET ');
});
