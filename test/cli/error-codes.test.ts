import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { exitCodes } from '../../src/errors.ts';
import { parseTxtar } from '../helpers/txtar.ts';

const folder = join(import.meta.dirname, '../../fixtures/scripts');

/** The error codes in lines `fails CODE kseal ...` of the scripts. */
function provokedCodes(): Set<string> {
  const scripts = readdirSync(folder).filter((name) => name.endsWith('.txtar'));
  const lines = scripts.flatMap(
    (name) => parseTxtar(readFileSync(join(folder, name), 'utf8')).lines,
  );
  const codes = lines.filter(({ words }) => words[0] === 'fails').map(({ words }) => words[1]);
  return new Set(codes.filter((code) => code !== undefined));
}

test('every error code is tested in a script', () => {
  const provoked = provokedCodes();
  const missing = Object.keys(exitCodes).filter((code) => !provoked.has(code));
  expect(missing).toEqual([]);
});
