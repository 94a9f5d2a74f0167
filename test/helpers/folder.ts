import { chmodSync, chownSync, cpSync, mkdtempSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inject, onTestFinished } from 'vitest';
import { unprivileged } from './spawn.ts';

/** A new folder with the key files of the run, which is removed after the test. */
export function folderWithKeys(): string {
  const folder = realpathSync(mkdtempSync(join(tmpdir(), 'kseal-bin-')));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  cpSync(inject('keys'), folder, { recursive: true });
  return folder;
}

/** A folder of an unprivileged user, and a function that gives a file in it to the user. */
export function folderOfUser() {
  const cwd = folderWithKeys();
  const give = (name: string, mode: number) => {
    if (unprivileged !== undefined) chownSync(join(cwd, name), unprivileged, unprivileged);
    chmodSync(join(cwd, name), mode);
  };
  give('.', 0o755);
  return { cwd, give };
}
