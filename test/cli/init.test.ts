import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { parse } from 'yaml';
import { leaksOf } from '../helpers/canary.ts';
import { plainSecret, repository, sealedSecret, type Workplace } from '../helpers/repository.ts';

// The built kseal sets up real repositories, in which git then runs it.

const CANARY = 'CANARY-init';
const plain = plainSecret('db', CANARY);

/** A repository after `kseal init` with the key k and these options. */
async function initialized(
  options: readonly string[],
  prepare: (place: Workplace) => unknown = () => {},
): Promise<Workplace> {
  const place = await repository();
  await prepare(place);
  const { code, stderr } = await place.run(['kseal', 'init', '-y', '-k', 'k.pub', ...options]);
  expect(code, `${stderr}`).toBe(0);
  return place;
}

async function expectBlocked({ run, git }: Workplace): Promise<void> {
  await git('add', '-A');
  const { code, stdout, stderr } = await run(['git', 'commit', '-q', '-m', 'plaintext']);
  expect(code).toBe(1);
  expect(`${stdout}${stderr}`).toContain('plaintext-value');
  expect(leaksOf(Buffer.from(CANARY), Buffer.concat([stdout, stderr]))).toEqual([]);
}

test.each([
  ['the default folder', undefined],
  ['core.hooksPath', '.githooks'],
  ['a folder that does not exist', '.git/none/hooks'],
])('the hook in %s refuses a commit with plaintext', async (_, hooksPath) => {
  const place = await initialized(['--pre-commit'], ({ git }) =>
    hooksPath === undefined ? undefined : git('config', 'core.hooksPath', hooksPath),
  );
  place.write({ 'db.yaml': plain });
  await expectBlocked(place);
  place.write({ 'db.yaml': await sealedSecret(place, 'db') });
  await place.git('add', '-A');
  await place.git('commit', '-q', '-m', 'sealed');
  expect(await place.git('log', '--format=%s')).toBe('sealed\n');
});

test('the hook of a linked working tree refuses a commit with plaintext', async () => {
  const place = await initialized([]);
  await place.git('add', '-A');
  await place.git('commit', '-q', '-m', 'first');
  await place.git('worktree', 'add', '-q', '.bin/linked');
  const linked = { in: '.bin/linked' };
  expect((await place.run(['kseal', 'init', '-y', '--pre-commit'], linked)).code).toBe(0);
  place.write({ '.bin/linked/db.yaml': plain });
  await place.run(['git', 'add', '-A'], linked);
  expect((await place.run(['git', 'commit', '-m', 'plaintext'], linked)).code).toBe(1);
});

test('the hook for pre-commit refuses files with plaintext', async () => {
  const place = await initialized(['--pre-commit'], ({ write }) =>
    write({ '.pre-commit-config.yaml': 'repos:\n  - repo: meta\n    hooks: [{ id: identity }]\n' }),
  );
  const config = parse(readFileSync(join(place.folder, '.pre-commit-config.yaml'), 'utf8'));
  const [meta, local] = config.repos;
  expect(meta).toEqual({ repo: 'meta', hooks: [{ id: 'identity' }] });
  const published = parse(
    readFileSync(join(import.meta.dirname, '../../.pre-commit-hooks.yaml'), 'utf8'),
  );
  const [{ id, name, files }] = published;
  const [hook] = local.hooks;
  expect(hook).toEqual({ id, name, files, entry: 'kseal verify --', language: 'system' });
  place.write({ 'a.yaml': plain, '--staged.yaml': await sealedSecret(place, 'c') });
  const run = (...paths: string[]) => place.run([...hook.entry.split(' '), ...paths]);
  expect((await run('a.yaml', '--staged.yaml')).code).toBe(1);
  expect((await run('--staged.yaml')).code).toBe(0);
});

test('git diff describes sealed values, and shows no plaintext', async () => {
  const place = await initialized(['--diff', '--ignore-pem']);
  place.write({ 'db.yaml': await sealedSecret(place, 'db'), 'plain.yml': plain });
  await place.git('add', '-A');
  await place.git('commit', '-q', '-m', 'first');
  place.write({ 'db.yaml': await sealedSecret(place, 'db') });
  place.write({ 'plain.yml': plainSecret('moved', CANARY) });
  const diff = await place.git('diff');
  expect(diff).toMatch(/^- {2}password: sealed [0-9a-f]{12}, for hr\/db, /m);
  expect(diff).toMatch(/^\+ {2}name: moved$/m);
  expect(leaksOf(Buffer.from(CANARY), Buffer.from(diff))).toEqual([]);
  expect(await place.git('config', '--local', '--get-all', 'diff.kseal.textconv')).toBe(
    'kseal inspect --textconv\n',
  );
});

test('git ignores private keys, but not the public key of the configuration', async () => {
  const place = await initialized(['--name', 'prod', '--ignore-pem']);
  await place.git('config', 'core.excludesFile', '/dev/null');
  place.write({ '.git/info/exclude': '/.bin\n' });
  const listed = (await place.git('ls-files', '--others', '--exclude-standard')).split('\n');
  expect(listed).toEqual(expect.arrayContaining(['.kseal.yaml', 'k.pub']));
  expect(listed.filter((path) => path.endsWith('.pem'))).toEqual([]);
});
