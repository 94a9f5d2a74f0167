import { cpSync, mkdtempSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inject, onTestFinished } from 'vitest';

/** A fresh folder with the key files of the run, gone when the test is over. */
export function folderWithKeys(): string {
  const folder = realpathSync(mkdtempSync(join(tmpdir(), 'kseal-bin-')));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  cpSync(inject('keys'), folder, { recursive: true });
  return folder;
}
