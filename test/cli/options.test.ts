import { mkdirSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { ageOf, commandLine, keyFileNear } from '../../src/cli/options.ts';
import { folderWithKeys } from '../helpers/folder.ts';
import { testIO } from '../helpers/io.ts';

test('a command line repeats the options that are given, quoted for a shell', () => {
  const options = {
    '-k': ['k.pem', 'my key.pem'],
    '-n': 'hr',
    '--config': undefined,
    '--force': true,
    '--strict': false,
    '-o': "it's",
  };
  expect(commandLine('kseal decrypt db.yaml', options)).toBe(
    "kseal decrypt db.yaml -k k.pem -k 'my key.pem' -n hr --force -o 'it'\\''s'",
  );
});

test.each([
  ['2026-03-15T12:00:01Z', 'today'],
  ['2026-03-14T12:00:01Z', 'today'],
  ['2026-03-14T12:00:00Z', '1 day'],
  ['2026-01-13T12:00:01Z', '60 days'],
  ['2026-01-13T12:00:00Z', '2 months'],
  ['2025-12-01T12:00:00Z', '3 months'],
  ['2024-03-14T12:00:01Z', '24 months'],
  ['2024-03-14T12:00:00Z', '2 years'],
  ['2001-01-01T00:00:00Z', '25 years'],
  ['2026-03-16T00:00:00Z', 'today'],
])('a file of %s has the age %s', (date, age) => {
  expect(ageOf(new Date(date), new Date('2026-03-15T12:00:00Z'))).toBe(age);
});

test('a hint names a key file that exists, or else KEY', () => {
  const cwd = folderWithKeys();
  const near = (folder: string, kind: 'public' | 'private') =>
    keyFileNear(testIO({ cwd: join(cwd, folder) }), kind);
  expect(near('', 'private')).toMatch(/^\w+\.pem$/);
  expect(near('', 'public')).toMatch(/^\w+\.pub$/);
  mkdirSync(join(cwd, 'sub/keys'), { recursive: true });
  expect(near('sub', 'private')).toBe('KEY');
  renameSync(join(cwd, 'k.pem'), join(cwd, 'sub/keys/k.pem'));
  expect(near('sub', 'private')).toBe(join('keys', 'k.pem'));
  expect(near('sub', 'public')).toBe('KEY');
});
