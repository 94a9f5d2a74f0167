import { execFileSync } from 'node:child_process';
import { chmodSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { folderOfUser } from '../helpers/folder.ts';
import {
  decryptFolderKilled,
  folderWithBig,
  kills,
  leftovers,
  plain,
  sealArgs,
  sealKilled,
  sealWhole,
  secret,
} from '../helpers/killed.ts';
import { kseal, runBin, startBin, unprivileged } from '../helpers/spawn.ts';

// A file that is sealed in place has its old or its new content, whatever happens meanwhile.

test('a file is whole after a process that writes it is killed', async () => {
  const reference = await sealWhole();
  for (const kill of Object.values(kills)) {
    // A process may end before it is killed.
    while ((await sealKilled(kill, reference)) !== 'SIGKILL');
  }
}, 120_000);

test('the files of a folder are whole after decrypt -o is killed', async () => {
  const cwd = folderWithBig();
  await runBin(sealArgs, { cwd });
  const sealed = readFileSync(join(cwd, 'big.yaml'));
  const opened = `${(await runBin(['decrypt', 'big.yaml', '-k', 'k.pem'], { cwd })).stdout}`;
  // A process may end before it is killed.
  while ((await decryptFolderKilled(sealed, opened)) !== 'SIGKILL');
}, 120_000);

test('decrypt -o leaves no folder and no temporary file behind if it cannot write', async () => {
  const { cwd, give } = folderOfUser();
  for (const name of ['a.yaml', 'b.yaml']) writeFileSync(join(cwd, name), secret(1));
  await runBin(['seal', '-f', 'a.yaml', 'b.yaml', '-i', '-k', 'k.pub'], { cwd });
  for (const name of ['out', 'out/kept']) mkdirSync(join(cwd, name));
  writeFileSync(join(cwd, 'out/b.yaml'), 'old\n');
  give('out/b.yaml', 0o444);
  for (const [name, mode] of [
    ['a.yaml', 0o644],
    ['b.yaml', 0o644],
    ['k.pem', 0o600],
    ['out', 0o755],
  ] as const)
    give(name, mode);
  const { code, stderr } = await runBin(
    ['decrypt', 'a.yaml', 'b.yaml', '-k', 'k.pem', '-o', 'out', '--force'],
    { cwd, uid: unprivileged },
  );
  expect(`${stderr}`).toMatch(/^kseal: error: out\/b\.yaml: cannot write: permission denied$/m);
  expect(code).toBe(2);
  expect(readdirSync(join(cwd, 'out')).sort()).toEqual(['b.yaml', 'kept']);
  expect(readFileSync(join(cwd, 'out/b.yaml'), 'utf8')).toBe('old\n');
});

test('a file that outgrows the limit is unchanged', async () => {
  const cwd = folderWithBig();
  const command = ['sh', '-c', 'ulimit -f 1; exec "$@"', 'sh', ...kseal];
  const { code, stderr } = await runBin(sealArgs, { cwd, command });
  expect(`${stderr}`).toMatch(/^kseal: error: big\.yaml: cannot write: file too large$/m);
  expect(code).toBe(2);
  expect(readFileSync(join(cwd, 'big.yaml'), 'utf8')).toBe(plain);
  expect(leftovers(cwd)).toEqual([]);
});

test('a file in a read-only folder is unchanged', async () => {
  const { cwd, give } = folderOfUser();
  const folder = join(cwd, 'read-only');
  mkdirSync(folder);
  writeFileSync(join(folder, 'a.yaml'), secret(1));
  give('read-only', 0o555);
  const { code, stderr } = await runBin(['seal', '-f', 'a.yaml', '-i', '-k', '../k.pub'], {
    cwd: folder,
    uid: unprivileged,
  });
  chmodSync(folder, 0o755);
  expect(`${stderr}`).toMatch(/^kseal: error: a\.yaml: cannot write: permission denied$/m);
  expect(code).toBe(2);
  expect(readFileSync(join(folder, 'a.yaml'), 'utf8')).toBe(secret(1));
  expect(leftovers(folder)).toEqual([]);
});

test('several files are unchanged if one of them is read-only', async () => {
  const { cwd, give } = folderOfUser();
  const names = ['a.yaml', 'read-only.yaml', 'z.yaml'];
  for (const name of names) writeFileSync(join(cwd, name), secret(1));
  for (const name of names) give(name, name.startsWith('read-only') ? 0o444 : 0o644);
  const { code, stderr } = await runBin(['seal', '-f', ...names, '-i', '-k', 'k.pub'], {
    cwd,
    uid: unprivileged,
  });
  expect(`${stderr}`).toMatch(/^kseal: error: read-only\.yaml: cannot write: permission denied$/m);
  expect(code).toBe(2);
  const changed = names.filter((name) => readFileSync(join(cwd, name), 'utf8') !== secret(1));
  expect(changed).toEqual([]);
});

test.each([
  ['--into waits for a value', ['--into', 'a.yaml', '--from-file', 'token=pipe']],
  ['-i reads another file', ['-f', 'a.yaml', 'pipe', '-i']],
])('a file that is edited while %s keeps the edit', async (_, args) => {
  const { cwd } = folderOfUser();
  const path = join(cwd, 'a.yaml');
  writeFileSync(path, secret(1));
  execFileSync('mkfifo', [join(cwd, 'pipe')]);
  const { ended } = startBin(['seal', ...args, '-k', 'k.pub'], { cwd });
  // Opening it blocks until kseal opens it, and by then kseal has read the file.
  const pipe = await open(join(cwd, 'pipe'), 'w');
  const edited = `${secret(1)}# an edit\n`;
  writeFileSync(path, edited);
  await pipe.writeFile(secret(2));
  await pipe.close();
  const { code, stderr } = await ended;
  expect(`${stderr}`).toMatch(
    /^kseal: error: a\.yaml: changed since it was read, so it is not overwritten$/m,
  );
  expect(code).toBe(2);
  expect(readFileSync(path, 'utf8')).toBe(edited);
  expect(leftovers(cwd)).toEqual([]);
});
