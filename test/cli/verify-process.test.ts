import { cpSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { expect, test } from 'vitest';
import { main } from '../../src/cli/main.ts';
import { formats } from '../../src/cli/verify.ts';
import { leaksOf } from '../helpers/canary.ts';
import { folderOfUser, folderWithKeys } from '../helpers/folder.ts';
import { testIO } from '../helpers/io.ts';
import { plainSecret, workplace } from '../helpers/repository.ts';
import { bin, runBin, unprivileged } from '../helpers/spawn.ts';

// Runs the built kseal without credentials, and with a trap in place of the network.

const trap = pathToFileURL(join(import.meta.dirname, '../helpers/no-network.mjs')).href;
const command = [process.execPath, '--import', trap];
const fixtures = join(import.meta.dirname, '../../fixtures/verify');

test('the trap ends a process that uses the network', async () => {
  const cwd = folderWithKeys();
  const scripts = [
    "await import('node:net').then((net) => net.connect(1))",
    "await import('node:dns').then((dns) => dns.lookup('example.org', () => {}))",
    "await fetch('http://127.0.0.1:1')",
    "await import('node:https').then((https) => https.get('https://127.0.0.1:1'))",
  ];
  for (const source of scripts)
    expect((await runBin(['--input-type=module', '-e', source], { cwd, command })).code).toBe(99);
});

test.each(Object.keys(formats))('two runs print the same bytes as %s', async (format) => {
  const cwd = folderWithKeys();
  cpSync(fixtures, join(cwd, 'fixtures'), { recursive: true });
  const args = ['verify', 'fixtures', '--format', format];
  const { code, stdout, stderr } = await runBin([bin, ...args], { cwd, command });
  expect([code, `${stderr}`]).toEqual([1, '']);
  expect(stdout.length).toBeGreaterThan(10_000);
  // The second run is in another process, that of the tests.
  const second = testIO({ cwd, env: { HOME: cwd } });
  expect(await main(args, second)).toBe(1);
  expect(second.stdout.bytes.equals(stdout)).toBe(true);
});

test('verify and inspect look for no credentials, even if a key is in Cloud KMS', async () => {
  const { folder, write } = workplace();
  const source = 'gcpkms://projects/p/locations/l/keyRings/r/cryptoKeys/k';
  write({
    '.kseal.yaml': `version: 1\nkeys: {prod: {file: k.pub, source: ${source}}}\n`,
    'db.yaml': plainSecret('db', 'CANARY-offline'),
  });
  const env = { GOOGLE_APPLICATION_CREDENTIALS: join(folder, 'none.json') };
  for (const args of [['verify'], ['inspect', '.'], ['inspect', '--by-key', '.']]) {
    const { code, stdout, stderr } = await runBin([bin, ...args], { cwd: folder, command, env });
    expect([code, `${stderr}`]).toEqual([args[0] === 'verify' ? 1 : 0, '']);
    expect(leaksOf(Buffer.from('CANARY-offline'), stdout)).toEqual([]);
  }
});

test('an unreadable file is a finding, and an unreadable folder an error', async () => {
  const { cwd, give } = folderOfUser();
  for (const name of ['a.yaml', 'secret.yaml', 'deploy/db.yaml'])
    cpSync(join(fixtures, 'clean/sealed.yaml'), join(cwd, name));
  give('a.yaml', 0o644);
  give('secret.yaml', 0);
  const file = await runBin(['verify'], { cwd, uid: unprivileged });
  expect([file.code, `${file.stdout}`]).toEqual([
    1,
    expect.stringMatching(/^secret\.yaml\n {2}1:1 +error +unreadable +permission denied/m),
  ]);
  give('secret.yaml', 0o644);
  give('deploy', 0);
  const folder = await runBin(['verify'], { cwd, uid: unprivileged });
  expect([folder.code, `${folder.stderr}`]).toEqual([
    2,
    expect.stringContaining('kseal: error: deploy: permission denied'),
  ]);
  give('deploy', 0o755);
});

test('an error in the middle of a branch ends git too', async () => {
  const place = workplace();
  const { git, run, write } = place;
  const big = `# ${'x'.repeat(200_000)}\n`;
  await git('init', '-q');
  write({ '.kseal.yaml': 'version: 1\n', 'a/.kseal.yaml': 'version: 2\n' });
  for (const name of ['a/a', 'b', 'c', 'd', 'e']) write({ [`${name}.yaml`]: big });
  await git('add', '.');
  await git('commit', '-q', '-m', 'big');
  const { code, stderr } = await run(['kseal', 'verify', '--ref', 'main']);
  expect([code, `${stderr}`]).toEqual([2, expect.stringContaining('a/.kseal.yaml:1:10')]);
});

test('a blob that is too large is a finding, and a missing blob an error', async () => {
  const { folder, git, run, write } = workplace();
  await git('init', '-q');
  write({ 'a.yaml': 'a: b\n', 'b.json': ' '.repeat(33 * 1024 * 1024), 'c.yaml': 'c: d\n' });
  await git('add', 'a.yaml', 'b.json', 'c.yaml');
  const large = await run(['kseal', 'verify', '--staged']);
  expect([large.code, `${large.stdout}`]).toEqual([
    1,
    expect.stringMatching(
      /^b\.json\n {2}1:1 +error +unreadable +larger than 33554432 bytes$[\s\S]* 1 of 3 files/m,
    ),
  ]);
  const blob = (await git('hash-object', 'c.yaml')).trim();
  rmSync(join(folder, '.git/objects', blob.slice(0, 2), blob.slice(2)));
  const missing = await run(['kseal', 'verify', '--staged']);
  expect([missing.code, `${missing.stderr}`]).toEqual([
    2,
    expect.stringContaining('kseal: error: c.yaml: its content is missing in the git repository'),
  ]);
});

test('verify --staged fails outside a repository, and --ref without git', async () => {
  const { run, write } = workplace();
  write({ 'a.yaml': 'a: b\n' });
  const outside = await run(['kseal', 'verify', '--staged'], {
    env: { GIT_CEILING_DIRECTORIES: '/' },
  });
  expect([outside.code, `${outside.stderr}`]).toEqual([
    2,
    expect.stringContaining('not in a git repository'),
  ]);
  const without = await runBin(['verify', '--ref', 'main'], {
    cwd: '/',
    env: { PATH: '/nowhere' },
  });
  expect([without.code, `${without.stderr}`]).toEqual([
    2,
    expect.stringContaining('cannot run git'),
  ]);
});
