import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, inject, test } from 'vitest';
import type { TestIO } from '../helpers/io.ts';
import { type Main, runScript } from '../helpers/script.ts';
import { unknownError } from '../helpers/script-run.ts';
import { runBin } from '../helpers/spawn.ts';

const folder = join(import.meta.dirname, '../../fixtures/scripts');
const texts = readdirSync(folder).map((name): [string, string] => [
  name,
  readFileSync(join(folder, name), 'utf8'),
]);
// The other commands need kseal in the process of the tests. Screens are real terminals.
const fit = texts.filter(([, text]) => !/^(?:terminal|kms-limits) /m.test(text));

/** Runs the executable in place of `main` in the process of the tests. */
const main: Main = async (argv, io) => {
  const chunks: Buffer[] = [];
  for await (const chunk of io.stdin) chunks.push(chunk);
  const { cwd, env } = io as TestIO;
  const variables = { NO_COLOR: '', ...env } as Record<string, string>;
  const ended = await runBin(argv, { cwd, stdin: Buffer.concat(chunks), env: variables });
  io.stdout.write(ended.stdout);
  io.stderr.write(ended.stderr);
  // 1 is the exit code of `verify` for findings.
  if (ended.code !== 0 && ended.code !== 1) io.onError?.(unknownError);
  return ended.code ?? -1;
};

test('most scripts run on the executable, and screens are among them', () => {
  expect(fit.length).toBeGreaterThan(0.75 * texts.length);
  expect(fit.some(([, text]) => /^screen /m.test(text))).toBe(true);
});

test.each(fit)(
  '%s',
  async (name, text) => {
    await runScript({ main, text, path: `fixtures/scripts/${name}`, keys: inject('keys') });
  },
  120_000,
);
