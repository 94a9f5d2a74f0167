import { cpSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { main } from '../../src/cli/main.ts';
import { folderWithKeys } from '../helpers/folder.ts';
import { testIO } from '../helpers/io.ts';
import { snapshot } from '../helpers/snapshot.ts';
import { manifest } from '../verify/values.ts';

// Files as other programs have them, with the anchors, tags, merge keys and braces that are refused
// in a Secret.
const others = join(import.meta.dirname, '../../fixtures/other-documents');
const names = readdirSync(others);

function folderOfOthers() {
  const cwd = folderWithKeys();
  cpSync(others, join(cwd, 'deploy'), { recursive: true });
  return { cwd, io: testIO({ cwd }) };
}

test('verify finds nothing in the documents of other programs', async () => {
  const { io } = folderOfOthers();
  expect(await main(['verify', 'deploy', '--fail-on', 'warning'], io)).toBe(0);
  expect(io.stdout.text).toMatch(`no findings in ${names.length} files; no Secrets`);
});

test('seal leaves the documents of other programs unchanged beside a Secret', async () => {
  const { cwd, io } = folderOfOthers();
  const folder = join(cwd, 'deploy');
  rmSync(join(folder, 'service-template.yaml')); // seal refuses what is not YAML.
  const before = snapshot(folder);
  expect(before.size).toBeGreaterThan(20);
  writeFileSync(join(folder, 'db.yaml'), manifest('stringData: { a: CANARY-value }'));
  const exit = await main(['seal', '-f', 'deploy', '-i', '-k', 'k.pub'], io);
  expect([exit, io.stderr.text]).toEqual([0, expect.stringContaining('db.yaml: 1 value sealed')]);
  const { 'db.yaml': sealed, ...rest } = Object.fromEntries(snapshot(folder));
  expect(sealed?.content.toString()).not.toContain('CANARY');
  expect(new Map(Object.entries(rest))).toEqual(before);
});
