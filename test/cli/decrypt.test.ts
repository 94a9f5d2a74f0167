import fs, { writeFileSync } from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { join } from 'node:path';
import { expect, test, vi } from 'vitest';
import { main } from '../../src/cli/main.ts';
import { folderWithKeys } from '../helpers/folder.ts';
import { Capture, testIO } from '../helpers/io.ts';

/** Returns a folder with db.yaml, whose only value is the given one. */
async function folderWith(value: string): Promise<string> {
  const cwd = folderWithKeys();
  writeFileSync(join(cwd, 'value'), value);
  const args = ['seal', 'db', '-n', 'hr', '-k', 'k.pub', '--from-file', 'password=value'];
  expect(await main([...args, '-o', 'db.yaml'], testIO({ cwd }))).toBe(0);
  return cwd;
}

const open = ['decrypt', 'db.yaml', '-k', 'k.pem', '--only', 'password'];

test.each([
  ['a terminal', true, 'CANARY-value', 'CANARY-value\n'],
  ['a terminal, after a newline', true, 'CANARY-value\n', 'CANARY-value\n'],
  ['a pipe', false, 'CANARY-value', 'CANARY-value'],
])('--only on %s', async (_, isTTY, value, shown) => {
  const cwd = await folderWith(value);
  const stdout = Object.assign(new Capture(), { isTTY });
  expect(await main(open, { ...testIO({ cwd }), stdout })).toBe(0);
  expect(stdout.text).toBe(shown);
});

test('--only with -o - adds no newline', async () => {
  const cwd = await folderWith('CANARY-value');
  const stdout = Object.assign(new Capture(), { isTTY: true });
  expect(await main([...open, '-o', '-'], { ...testIO({ cwd }), stdout })).toBe(0);
  expect(stdout.text).toBe('CANARY-value');
});

test('the number of stat calls grows with the number of files, not with its square', async () => {
  const cwd = await folderWith('CANARY-value');
  const db = fs.readFileSync(join(cwd, 'db.yaml'));
  for (const folder of ['in', 'out', 'out/in']) fs.mkdirSync(join(cwd, folder));
  const names = Array.from({ length: 50 }, (_, count) => `in/${count}.yaml`);
  for (const name of names) for (const at of ['', 'out']) writeFileSync(join(cwd, at, name), db);
  const stat = vi.spyOn(fs, 'statSync');
  syncBuiltinESMExports();
  // Nothing is opened, because all output files exist.
  expect(await main(['decrypt', 'in', '-o', 'out', '-k', 'k.pem'], testIO({ cwd }))).toBe(2);
  const calls = stat.mock.calls.length;
  stat.mockRestore();
  syncBuiltinESMExports();
  expect(calls).toBeGreaterThan(names.length);
  expect(calls).toBeLessThan(10 * names.length);
});

test('the notes on many files are ten lines at most, with one command for all', async () => {
  const cwd = folderWithKeys();
  fs.mkdirSync(join(cwd, 'many'));
  for (let index = 0; index < 12; index++)
    writeFileSync(
      join(cwd, 'many', `${String(index).padStart(2, '0')}.yaml`),
      `apiVersion: v1\nkind: Secret\nmetadata: {name: db${index}, namespace: hr}\nstringData: {a: CANARY-a}\n`,
    );
  const seal = ['seal', '-f', 'many', '-i', '-k', 'k.pub', '--scope', 'namespace-wide'];
  expect(await main([...seal, '--string-data'], testIO({ cwd }))).toBe(0);
  const linesOf = async (...paths: string[]) => {
    const io = testIO({ cwd });
    expect(await main(['decrypt', ...paths, '-k', 'k.pem'], io)).toBe(0);
    return io.stderr.text.trimEnd().split('\n');
  };
  const lines = await linesOf('many');
  expect(lines).toHaveLength(11);
  expect(lines[8]).toMatch(/^kseal: many\/04\.yaml:1:1: Secret hr\/db4: data key "a" was sealed /);
  expect(lines.slice(9)).toEqual([
    'kseal: hint: to change only the key: kseal rekey FILE --to NEW --from k.pem',
    'kseal: and 15 more messages; --debug prints all',
  ]);
  // For a few files, each has the command that can be pasted.
  expect(
    (await linesOf('many/03.yaml', 'many/04.yaml')).filter((line) => /hint/.test(line)),
  ).toEqual(
    ['03', '04'].map((name) => expect.stringContaining(`kseal rekey many/${name}.yaml --to NEW`)),
  );
});
