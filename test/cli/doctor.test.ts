import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { main } from '../../src/cli/main.ts';
import { checks } from '../../src/doctor/check.ts';
import { folderWithKeys } from '../helpers/folder.ts';
import { testIO } from '../helpers/io.ts';
import { faultsBy } from '../helpers/json-schema.ts';

const faultsOf = faultsBy('doctor.schema.json');

/** A configuration with a sound key, a weak one, and one without a file. */
const config = `version: 1
keys:
  prod: { file: k.pub, source: k.pub }
  weak: { file: small.pub, private: small.pem }
  gone: { file: gone.pub }
`;

/** The output of a doctor that finds faults, in a pipe or on a terminal of that width. */
async function diagnosed(args: readonly string[], columns?: number): Promise<string> {
  const cwd = folderWithKeys();
  writeFileSync(join(cwd, '.kseal.yaml'), config);
  const io = testIO({ cwd, env: { HOME: cwd, NO_COLOR: '1' } });
  if (columns !== undefined) Object.assign(io.stdout, { isTTY: true, columns });
  expect(await main(['doctor', '--online', ...args], io)).toBe(1);
  return io.stdout.text;
}

test('doctor --json follows its schema, with findings of all outcomes', async () => {
  const output = await diagnosed(['--json']);
  expect(faultsOf(output)).toEqual([]);
  const { findings, summary } = JSON.parse(output);
  const count = (wanted: string) =>
    findings.filter(({ outcome }: { outcome: string }) => outcome === wanted).length;
  expect(summary).toEqual({
    ok: count('ok'),
    warning: count('warning'),
    failed: count('failed'),
    skipped: count('skipped'),
  });
  for (const number of Object.values(summary)) expect(number).toBeGreaterThan(0);
  const ids = new Set(findings.map(({ check }: { check: string }) => check));
  expect(Object.keys(checks)).toEqual(expect.arrayContaining([...ids]));
});

test('a warning and a failure have a hint, and nothing else has one', async () => {
  for (const { outcome, hint } of JSON.parse(await diagnosed(['--json'])).findings)
    expect(hint !== null).toBe(outcome === 'warning' || outcome === 'failed');
});

test.each([80, 40])(
  'on a terminal of %i columns messages are wrapped, and hints are not',
  async (columns) => {
    const isHint = (line: string) => /^ +hint: /.test(line);
    const [shown, whole] = await Promise.all([diagnosed([], columns), diagnosed([])]);
    const lines = shown.split('\n');
    expect(lines.filter((line) => line.length > columns && !isHint(line))).toEqual([]);
    expect(lines.filter(isHint)).toEqual(whole.split('\n').filter(isHint));
    const words = (text: string) => text.split(/\s+/);
    expect(words(shown)).toEqual(words(whole));
  },
);

test('the schema of doctor rejects other output', () => {
  const summary = { ok: 1, warning: 0, failed: 0, skipped: 0 };
  const finding = { check: 'key-pin', outcome: 'ok', message: 'key prod: pinned', hint: null };
  const textOf = (findings: readonly unknown[]) =>
    JSON.stringify({ version: 1, findings, summary });
  expect(faultsOf(textOf([finding]))).toEqual([]);
  expect(faultsOf(textOf([{ ...finding, outcome: 'error' }]))).not.toEqual([]);
  expect(faultsOf(textOf([{ ...finding, value: 'a' }]))).not.toEqual([]);
  expect(faultsOf(textOf([{ check: 'key-pin' }]))).not.toEqual([]);
  expect(faultsOf(JSON.stringify({ version: 1, findings: [] }))).not.toEqual([]);
});
