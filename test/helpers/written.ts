import * as fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach } from 'vitest';

// A new folder for each test of written files, and short functions for its files.

let folder = '';
beforeEach(() => {
  folder = fs.realpathSync(fs.mkdtempSync(join(tmpdir(), 'kseal-files-')));
});
afterEach(() => fs.rmSync(folder, { recursive: true }));

export const at = (name: string) => join(folder, name);
export const text = (name: string) => fs.readFileSync(at(name), 'utf8');
export const mode = (name: string) => (fs.statSync(at(name)).mode & 0o7777).toString(8);
export const names = () => fs.readdirSync(folder, { recursive: true, encoding: 'utf8' }).sort();

export function make(name: string, content = 'old', fileMode = 0o644): void {
  fs.writeFileSync(at(name), content);
  fs.chmodSync(at(name), fileMode);
}
