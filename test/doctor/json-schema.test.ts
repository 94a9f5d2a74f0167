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

test('doctor --json follows its schema, with findings of all outcomes', async () => {
  const cwd = folderWithKeys();
  writeFileSync(join(cwd, '.kseal.yaml'), config);
  const io = testIO({ cwd, env: { HOME: cwd } });
  expect(await main(['doctor', '--json', '--online'], io)).toBe(1);
  expect(faultsOf(io.stdout.text)).toEqual([]);
  const { findings, summary } = JSON.parse(io.stdout.text);
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
  const cwd = folderWithKeys();
  writeFileSync(join(cwd, '.kseal.yaml'), config);
  const io = testIO({ cwd, env: { HOME: cwd } });
  await main(['doctor', '--json', '--online'], io);
  for (const { outcome, hint } of JSON.parse(io.stdout.text).findings)
    expect(hint !== null).toBe(outcome === 'warning' || outcome === 'failed');
});

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
