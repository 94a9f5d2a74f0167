import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { folderWithKeys } from '../helpers/folder.ts';
import { kidOfPem } from '../helpers/jwe.ts';
import { bin, runBin } from '../helpers/spawn.ts';

// With key files, the built kseal uses no network and no program. Every connection, name lookup and
// program is recorded.

const recorder = join(import.meta.dirname, '../helpers/record-network.mjs');

interface Recorded {
  readonly code: number | null;
  readonly messages: string;
  readonly actions: readonly string[];
  readonly packages: readonly string[];
}

async function record(
  cwd: string,
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<Recorded> {
  const command = [process.execPath, '--import', recorder, bin];
  const { code, stderr } = await runBin(args, { cwd, command, env, stdin: 'value' });
  const lines = `${stderr}`.trimEnd().split('\n');
  return { code, ...JSON.parse(lines.pop() ?? ''), messages: lines.join('\n') };
}

const HR = 'gcpkms://projects/p/locations/l/keyRings/r/cryptoKeys/hr';
const seal = ['seal', 'db', '-n', 'hr', '--stdin', 'password'];
const quiet = { code: 0, actions: [], packages: [] };

test('key files need no network, program or KMS client', async () => {
  const cwd = folderWithKeys();
  expect(await record(cwd, [...seal, '-k', 'k.pub', '-o', 'db.yaml'])).toMatchObject(quiet);
  expect(await record(cwd, ['inspect', 'db.yaml', 'k.pub'])).toMatchObject(quiet);
  expect(await record(cwd, ['decrypt', 'db.yaml', '-k', 'k.pem'])).toMatchObject(quiet);
  const manifests = ['webhook', 'manifests', '--image', 'kseal', '--allow-any-client'];
  expect(await record(cwd, [...manifests, '-k', HR, '-o', 'base'])).toMatchObject(quiet);
  expect(await record(cwd, ['fetch-pubkey', 'k.pub'])).toMatchObject(quiet);
});

test('with a configured key only git is run', async () => {
  const cwd = folderWithKeys();
  const kid = kidOfPem(readFileSync(join(cwd, 'k.pub')));
  const keys = `prod: { file: k.pub, source: '${HR}', kid: ${kid} }`;
  writeFileSync(join(cwd, '.kseal.yaml'), `version: 1\nkeys: { ${keys} }\n`);
  const sealed = await record(cwd, [...seal, '--pin', kid]);
  expect(sealed).toMatchObject({ code: 0, packages: [] });
  expect(new Set(sealed.actions)).toEqual(new Set(['run git']));
  expect(await record(cwd, ['keys'])).toMatchObject(quiet);
  // In a repository, git knows the age of the file.
  execFileSync('git', ['init', '--quiet'], { cwd });
  const { actions, ...listed } = await record(cwd, ['keys']);
  expect(listed).toMatchObject({ code: 0, packages: [] });
  expect(new Set(actions)).toEqual(new Set(['run git']));
  // It fails, because git would add the private keys.
  const checked = await record(cwd, ['doctor']);
  expect(checked).toMatchObject({ code: 1, packages: [] });
  expect(new Set(checked.actions)).toEqual(new Set(['run git']));
});

test('the recorder sees a client and its connections', async () => {
  const env = { KSEAL_KMS_ENDPOINT: '127.0.0.1:1' };
  const { code, messages, actions, packages } = await record(
    folderWithKeys(),
    [...seal, '-k', HR],
    env,
  );
  expect(code).toBe(4);
  expect(messages).toContain('cannot reach Cloud KMS');
  expect(actions).toContain('connect');
  expect(packages).toContain('@grpc/grpc-js');
});

test('the recorder sees the git of a key in Git', async () => {
  const cwd = folderWithKeys();
  const { code, actions } = await record(cwd, ['fetch-pubkey', `git+file://${cwd}/none#prod.pub`]);
  expect(code).toBe(4);
  expect(actions).toContain('run git');
});
