import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import * as fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import {
  fileError,
  isFile,
  isSameFile,
  readFile,
  readRegularFile,
  statOf,
} from '../../src/fs/read.ts';
import { thrownBy } from '../jwe/thrown.ts';

let folder = '';
beforeEach(() => {
  folder = fs.mkdtempSync(join(tmpdir(), 'kseal-files-'));
});
afterEach(() => fs.rmSync(folder, { recursive: true }));

const at = (name: string) => join(folder, name);
const make = (name: string, content = '') => fs.writeFileSync(at(name), content);

test('a file larger than the limit is an error', () => {
  make('a', '12345');
  make('large');
  fs.truncateSync(at('large'), 3 * 2 ** 30);
  expect(readFile(at('a'), 'a', 5).toString()).toBe('12345');
  expect(thrownBy(() => readFile(at('a'), 'a', 4))).toMatchObject({
    code: 'IO',
    message: 'a: larger than 4 bytes',
  });
  expect(thrownBy(() => readFile(at('large'), 'large', 4))).toMatchObject({
    code: 'IO',
    message: 'large: larger than 4 bytes',
  });
});

test.each([
  ['missing', 'no such file', 'check the path'],
  ['.', 'is a folder, not a file', undefined],
  ['a/b', 'no such file', undefined],
])('reading %s is an error: %s', (name, reason, hint) => {
  make('a');
  expect(thrownBy(() => readFile(at(name), 'shown', 5))).toEqual({
    code: 'IO',
    message: `shown: ${reason}`,
    hint,
  });
});

test('a pipe or a device is refused if a regular file is needed', () => {
  execFileSync('mkfifo', [at('pipe')]);
  fs.symlinkSync('pipe', at('link'));
  fs.symlinkSync('a', at('to a'));
  make('a', 'x');
  const message = 'shown: is a pipe or a device, not a file';
  for (const path of [at('pipe'), at('link'), '/dev/zero'])
    expect(thrownBy(() => readRegularFile(path, 'shown', 5))).toMatchObject({ message });
  expect(readRegularFile(at('to a'), 'shown', 5).toString()).toBe('x');
  for (const [name, reason] of Object.entries({ '.': 'is a folder', missing: 'no such file' }))
    expect(thrownBy(() => readRegularFile(at(name), 'shown', 5)).message).toContain(reason);
});

test('an unknown system error shows its code, and never its message', () => {
  const fault = Object.assign(new Error('CANARY'), { code: 'EIO' });
  expect(fileError('a', 'read', fault).message).toBe('a: unexpected system error EIO');
  expect(fileError('a', 'write', new Error('CANARY')).message).not.toContain('CANARY');
});

test('two paths are the same file through hard and symbolic links', () => {
  for (const name of ['a', 'b']) make(name);
  fs.linkSync(at('a'), at('hard'));
  fs.symlinkSync('a', at('soft'));
  fs.symlinkSync('loop', at('loop'));
  const same = (x: string, y: string) => isSameFile(at(x), at(y));
  expect([same('a', 'a'), same('a', 'hard'), same('soft', 'hard')]).toEqual([true, true, true]);
  expect([same('a', 'b'), same('a', 'gone'), same('gone', 'gone')]).toEqual([false, false, false]);
  expect([same('a/x', 'a'), same('loop', 'a')]).toEqual([false, false]);
});

test('a regular file is found through links, and an unreachable path is not', () => {
  make('a', '123');
  fs.symlinkSync('a', at('link'));
  fs.symlinkSync('gone', at('dangling'));
  fs.symlinkSync('loop', at('loop'));
  for (const name of ['a', 'link']) {
    expect([isFile(at(name)), statOf(at(name))?.size]).toEqual([true, 3]);
  }
  for (const name of ['gone', 'dangling', 'loop', 'a/x', 'n'.repeat(300)]) {
    expect([isFile(at(name)), statOf(at(name))]).toEqual([false, undefined]);
  }
  expect([isFile(folder), isFile('/dev/null')]).toEqual([false, false]);
});

test.each([5, 20_000])('an endless device is read up to the limit of %i bytes', (limit) => {
  expect(thrownBy(() => readFile('/dev/zero', 'zero', limit))).toMatchObject({
    code: 'IO',
    message: `zero: larger than ${limit} bytes`,
  });
});

test('a pipe is read to its end', async () => {
  execFileSync('mkfifo', [at('pipe')]);
  const lines = '123456789\n'.repeat(1000);
  const writer = spawn('sh', ['-c', 'cat > "$0"', at('pipe')], {
    stdio: ['pipe', 'ignore', 'ignore'],
  });
  writer.stdin.end(lines);
  await once(writer.stdin, 'finish');
  expect(readFile(at('pipe'), 'pipe', 20_000).toString()).toBe(lines);
  await once(writer, 'exit');
});
