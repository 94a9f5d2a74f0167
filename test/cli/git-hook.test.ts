import { chmodSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { parse } from 'yaml';
import { leaksOf } from '../helpers/canary.ts';
import { plainSecret, repository, sealedSecret, type Workplace } from '../helpers/repository.ts';

// The built kseal as a hook of git.

const plain = plainSecret('db', 'CANARY-staged');

async function withHook(script = 'exec kseal verify --staged\n'): Promise<Workplace> {
  const place = await repository();
  place.write({ '.git/hooks/pre-commit': `#!/bin/sh\n${script}` });
  chmodSync(join(place.folder, '.git/hooks/pre-commit'), 0o755);
  return place;
}

function expectBlocked(
  { code, stdout, stderr }: Awaited<ReturnType<Workplace['run']>>,
  path: string,
) {
  // git prints the output of a hook on stderr.
  expect(code).toBe(1);
  expect(`${stdout}${stderr}`).toMatch(new RegExp(`^${path}$[\\s\\S]* plaintext-value `, 'm'));
  for (const output of [stdout, stderr])
    expect(leaksOf(Buffer.from('CANARY-staged'), output)).toEqual([]);
}

test('a commit with plaintext is blocked until it is sealed', async () => {
  const place = await withHook();
  place.write({ 'deploy/db.yaml': plain, 'notes.txt': 'words' });
  await place.git('add', '.');
  expectBlocked(await place.run(['git', 'commit', '-m', 'first']), 'deploy/db\\.yaml');
  place.write({ 'deploy/db.yaml': await sealedSecret(place, 'db') });
  expectBlocked(await place.run(['git', 'commit', '-m', 'first']), 'deploy/db\\.yaml');
  await place.git('add', '.');
  await place.git('commit', '-q', '-m', 'first');
  expect(await place.git('log', '--format=%s')).toBe('first\n');
});

test('only the committed content is verified: partly staged, with -a, and named paths', async () => {
  const place = await withHook();
  const sealed = await sealedSecret(place, 'db');
  place.write({ 'a.yaml': sealed, 'b.yaml': sealed.replace('name: db', 'name: db # b') });
  await place.git('add', '.');
  place.write({ 'a.yaml': plain });
  await place.git('commit', '-q', '-m', 'plaintext that stays behind');
  expectBlocked(await place.run(['git', 'commit', '-a', '-m', 'all']), 'a\\.yaml');
  expectBlocked(await place.run(['git', 'commit', '-m', 'named', '--', 'a.yaml']), 'a\\.yaml');
  await place.git('add', 'a.yaml');
  place.write({ 'b.yaml': `${sealed}# the end\n` });
  await place.git('commit', '-q', '-m', 'named, and not what is staged', '--', 'b.yaml');
  expect(await place.git('log', '--format=%s')).toBe(
    'named, and not what is staged\nplaintext that stays behind\n',
  );
});

test('in a subfolder, in a linked working tree, and with --amend', async () => {
  const place = await withHook();
  place.write({ 'deploy/db.yaml': await sealedSecret(place, 'db') });
  await place.git('add', '.');
  await place.git('commit', '-q', '-m', 'first');
  place.write({ 'deploy/db.yaml': plain });
  await place.git('add', '.');
  const below = { in: 'deploy' };
  expectBlocked(await place.run(['git', 'commit', '-m', 'below'], below), 'deploy/db\\.yaml');
  expectBlocked(await place.run(['git', 'commit', '--amend', '-m', 'more']), 'deploy/db\\.yaml');
  await place.git('worktree', 'add', '-q', '.bin/linked', 'HEAD');
  place.write({ '.bin/linked/other.yaml': plain });
  const linked = { in: '.bin/linked' };
  await place.run(['git', 'add', '.'], linked);
  expectBlocked(await place.run(['git', 'commit', '-m', 'linked'], linked), 'other\\.yaml');
});

test('a file in conflict is an error', async () => {
  const place = await repository();
  for (const [branch, text] of [
    ['main', 'a: 0\n'],
    ['theirs', 'a: 1\n'],
    ['ours', 'a: 2\n'],
  ] as const) {
    if (branch !== 'main') await place.git('checkout', '-q', '-b', branch, 'main');
    place.write({ 'db.yaml': text });
    await place.git('add', '.');
    await place.git('commit', '-q', '-m', branch);
  }
  await place.run(['git', 'merge', 'theirs']);
  const { code, stderr } = await place.run(['kseal', 'verify', '--staged']);
  expect(stderr.toString()).toContain('db.yaml: its content is missing in the git repository');
  expect(code).toBe(2);
});

test('with the rules of a branch that the commit does not change', async () => {
  const place = await withHook('exec kseal verify --staged --config-from main\n');
  place.write({ 'notes.txt': 'words' });
  await place.git('add', '.');
  await place.git('commit', '-q', '--no-verify', '-m', 'first');
  place.write({
    'db.yaml': plain,
    '.kseal.yaml': 'version: 1\nverify: {rules: {plaintext-value: off}}\n',
  });
  await place.git('add', '.');
  expectBlocked(await place.run(['git', 'commit', '-m', 'relaxed']), 'db\\.yaml');
});

test('the hook for pre-commit takes file names', async () => {
  const text = readFileSync(join(import.meta.dirname, '../../.pre-commit-hooks.yaml'), 'utf8');
  const [hook] = parse(text);
  expect(Object.keys(hook)).toEqual([
    ...['id', 'name', 'description', 'entry', 'language', 'require_serial', 'files'],
  ]);
  const isTaken = (name: string) => new RegExp(hook.files).test(name);
  const chosen = ['a.yaml', 'b/c.yml', 'd.json', '.kseal.yaml', 'E.YAML', 'e.txt'].filter(isTaken);
  expect(chosen).toEqual(['a.yaml', 'b/c.yml', 'd.json', '.kseal.yaml', 'E.YAML']);
  const keys = ['prod.pem', 'a/id_ed25519', 'a/keys.txt', 'id_rsa.pub', 'monkeys.txt'];
  expect(keys.filter(isTaken)).toEqual(['prod.pem', 'a/id_ed25519', 'a/keys.txt']);
  const place = await repository();
  place.write({ 'a.yaml': plain, 'b/c.yml': await sealedSecret(place, 'c'), 'd.json': '[]' });
  place.write({ '.kseal.yaml': 'version: 1\n', 'E.YAML': '{}' });
  // With the built kseal; action.test.ts runs the script, which installs the released one.
  const entry = hook.entry.replace('.github/kseal.sh', 'kseal').split(' ');
  expectBlocked(await place.run([...entry, ...chosen]), 'a\\.yaml');
  expect((await place.run([...entry, 'b/c.yml', 'd.json'])).code).toBe(0);
});

test('git diff shows changes, but no value', async () => {
  const place = await repository();
  place.write({
    '.gitattributes': 'deploy/**/*.yaml diff=kseal\n',
    'deploy/db.yaml': await sealedSecret(place, 'db'),
    'deploy/plain.yaml': plain,
  });
  await place.git('add', '.');
  await place.git('commit', '-q', '-m', 'first');
  await place.git('config', 'diff.kseal.textconv', 'kseal inspect --textconv');
  place.write({
    'deploy/db.yaml': await sealedSecret(place, 'db'),
    'deploy/plain.yaml': plainSecret('moved', 'CANARY-staged'),
  });
  const diff = await place.git('diff');
  expect(diff).toMatch(
    /^- {2}password: sealed [0-9a-f]{12}, for hr\/db, .*\n\+ {2}password: sealed [0-9a-f]{12}, for hr\/db, /m,
  );
  expect(diff).toMatch(/^- {2}name: db\n\+ {2}name: moved$/m);
  expect(diff).toMatch(/^ {3}password: NOT SEALED \(not shown\)$/m);
  for (const canary of ['CANARY-staged', 'CANARY-sealed'])
    expect(leaksOf(Buffer.from(canary), Buffer.from(diff))).toEqual([]);
});
