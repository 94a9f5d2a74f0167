import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { textsInFiles } from '../../src/sources/texts.ts';

test('between large files the event loop gets a turn, for Ctrl-C', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'kseal-texts-'));
  for (const name of ['a.yaml', 'b.yaml', 'c.yaml'])
    writeFileSync(join(folder, name), '#'.repeat(64 * 1024));
  const heard: string[] = [];
  for await (const { path } of textsInFiles(folder, ['.'], async () => Buffer.alloc(0))) {
    heard.push(path);
    setImmediate(() => heard.push('turn'));
  }
  expect(heard.slice(0, 5)).toEqual(['a.yaml', 'turn', 'b.yaml', 'turn', 'c.yaml']);
  rmSync(folder, { recursive: true });
});
