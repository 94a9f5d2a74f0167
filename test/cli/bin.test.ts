import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, inject, test } from 'vitest';
import { exitCodes } from '../../src/errors.ts';
import { leaksOf } from '../helpers/canary.ts';
import { folderWithKeys } from '../helpers/folder.ts';
import { kseal, runBin, startBin } from '../helpers/spawn.ts';

// The built kseal as a process.

const canary = 'CANARY-of-the-built-file';
const seal = ['seal', 'db', '-n', 'hr', '-k', 'k.pub', '--stdin', 'password'];
const open = ['decrypt', '-k', 'k.pem', '--only', 'password'];

const { version } = JSON.parse(
  readFileSync(join(import.meta.dirname, '../../package.json'), 'utf8'),
);

test('the build succeeds', () => {
  expect(inject('buildError')).toBe('');
});

// Alone it does not load the program.
test.each([[['--version']], [['-V']], [['--debug', '--version']]])(
  '%j prints the version of the package',
  async (words) => {
    const { code, stdout, stderr } = await runBin(words, { cwd: folderWithKeys() });
    expect([code, `${stdout}`, `${stderr}`]).toEqual([0, `${version}\n`, '']);
  },
);

test('prints the help of a command', async () => {
  const { code, stdout, stderr } = await runBin(['keygen', '--help'], { cwd: folderWithKeys() });
  expect([code, `${stderr}`]).toEqual([0, '']);
  expect(`${stdout}`).toMatch(/^Usage: kseal keygen/);
});

test('seals and opens a value in a pipe', async () => {
  const cwd = folderWithKeys();
  const sealed = await runBin(seal, { cwd, stdin: canary });
  expect(sealed.code).toBe(0);
  expect(`${sealed.stdout}`).toMatch(/^kind: Secret$/m);
  expect(leaksOf(Buffer.from(canary), sealed.stdout)).toEqual([]);
  const opened = await runBin(open, { cwd, stdin: sealed.stdout });
  expect([opened.code, `${opened.stdout}`]).toEqual([0, canary]);
});

test.each([
  ['a bad option', ['seal', '--sael'], exitCodes.USAGE],
  ['another key', [...open.slice(0, 2), 'other.pem'], exitCodes.KEY_UNKNOWN],
])('the exit code for %s', async (_, args, wanted) => {
  const cwd = folderWithKeys();
  const { stdout: stdin } = await runBin(seal, { cwd, stdin: canary });
  const { code, stdout, stderr } = await runBin(args, { cwd, stdin });
  expect([code, `${stdout}`]).toEqual([wanted, '']);
  expect(`${stderr}`).toMatch(/^kseal: error: .*\n/m);
});

test.each([
  ['opens a value', open],
  ['seals one', seal],
  ['prints its help', ['--help']],
])('a closed stdout ends it quietly when it %s', async (_, args) => {
  const cwd = folderWithKeys();
  const value = Buffer.alloc(512 * 1024, 'x');
  const stdin = args === open ? (await runBin(seal, { cwd, stdin: value })).stdout : value;
  const { child, ended } = startBin(args, { cwd, stdin });
  child.stdout?.destroy();
  const { code, signal, stderr } = await ended;
  expect([code, signal]).toEqual([0, null]);
  expect(`${stderr}`).not.toMatch(/error|EPIPE|\n\s+at /);
});

test('reads and writes devices and pipes', async () => {
  // In a shell, because Node gives its children sockets, which /dev/stdin cannot open.
  const command = ['sh', '-c', 'cat | "$@" | cat', 'sh', ...kseal];
  const surroundings = { cwd: folderWithKeys(), command };
  const args = ['seal', 'db', '-n', 'hr', '-k', 'k.pub', '--from-file', 'password=/dev/stdin'];
  const sealed = await runBin([...args, '-o', '/dev/stdout'], { ...surroundings, stdin: canary });
  const stdin = sealed.stdout;
  const opened = await runBin([...open, '-o', '/dev/stdout'], { ...surroundings, stdin });
  expect(`${opened.stdout}`).toBe(canary);
  const nowhere = await runBin([...args, '-o', '/dev/null'], { ...surroundings, stdin: canary });
  expect([`${nowhere.stderr}`, `${nowhere.stdout}`]).toEqual([
    expect.stringContaining('wrote /dev/null'),
    '',
  ]);
});

// By default, a signal would end it in the middle of a write, and leave the temporary file.
test.each([
  ['SIGINT', exitCodes.INTERRUPTED],
  ['SIGHUP', 129],
] as const)('%s while it waits for a value: exit code %i', async (signal, expected) => {
  const { child, ended } = startBin(seal, { cwd: folderWithKeys() });
  let said = '';
  while (!said.includes('hr/db')) {
    said += (await once(child.stderr as NonNullable<typeof child.stderr>, 'data'))[0];
  }
  child.kill(signal);
  const { code, stdout } = await ended;
  expect([code, `${stdout}`]).toEqual([expected, '']);
});

test('debug variables of Node and of libraries print no value', async () => {
  const cwd = folderWithKeys();
  const env = {
    NODE_DEBUG: 'esm,module,fs,net,tls,http,https,http2,timer,worker,child_process,crypto',
    DEBUG: '*',
    GRPC_TRACE: 'all',
    GRPC_VERBOSITY: 'DEBUG',
    LOG_TOKENS: '1',
    LOG_STREAM: '1',
    KSEAL_DEBUG: '1',
  };
  writeFileSync(join(cwd, 'plain.yaml'), secretManifest(canary));
  const sealed = await runBin(seal, { cwd, env, stdin: canary });
  const file = await runBin(['seal', '-f', 'plain.yaml', '-k', 'k.pub'], { cwd, env });
  const opened = await runBin(open, { cwd, env, stdin: sealed.stdout });
  expect([sealed.code, file.code, opened.code]).toEqual([0, 0, 0]);
  expect(`${opened.stdout}`).toBe(canary);
  // The variables had an effect.
  expect(`${sealed.stderr}`).toMatch(/^NET \d+: /m);
  for (const output of [sealed.stdout, sealed.stderr, file.stdout, file.stderr, opened.stderr]) {
    expect(leaksOf(Buffer.from(canary), output)).toEqual([]);
  }
});

test.each(['fs,STREAM', 's*'])(
  'NODE_DEBUG=%s, with which Node prints its input, is refused before a value is read',
  async (NODE_DEBUG) => {
    const { code, stdout, stderr } = await runBin(seal, {
      cwd: folderWithKeys(),
      env: { NODE_DEBUG },
      stdin: canary,
    });
    expect([code, `${stdout}`]).toEqual([exitCodes.USAGE, '']);
    expect(`${stderr}`).toMatch(/^kseal: hint: unset NODE_DEBUG$/m);
    expect(leaksOf(Buffer.from(canary), stderr)).toEqual([]);
  },
);

function secretManifest(value: string): string {
  const head = 'apiVersion: v1\nkind: Secret\nmetadata:\n  name: db\n  namespace: hr\n';
  return `${head}stringData:\n  password: ${value}\n`;
}
