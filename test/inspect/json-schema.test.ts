import { join } from 'node:path';
import { expect, inject, test } from 'vitest';
import { main } from '../../src/cli/main.ts';
import { testIO } from '../helpers/io.ts';
import { faultsBy } from '../helpers/json-schema.ts';

const faultsOf = faultsBy('inspect.schema.json');
const manifests = join(import.meta.dirname, '../../fixtures/verify/clean');
const dirty = join(import.meta.dirname, '../../fixtures/verify/dirty');

async function inspected(...args: readonly string[]): Promise<string> {
  const io = testIO({ cwd: inject('keys') });
  expect(await main(['inspect', '--json', ...args], io)).toBe(0);
  return io.stdout.text;
}

test('inspect --json follows its schema, for values and for keys', async () => {
  const output = await inspected(manifests, dirty, 'k.pub', 'k.pem');
  expect(faultsOf(output)).toEqual([]);
  const { values, keys } = JSON.parse(output);
  expect(keys).toHaveLength(2);
  const states = new Set(values.map(({ state }: { state: string }) => state));
  expect([...states].sort()).toEqual([
    ...['damaged', 'foreign', 'misplaced', 'plaintext', 'sealed', 'unbound'],
  ]);
});

test('inspect --json --by-key follows its schema', async () => {
  const output = await inspected('--by-key', manifests, dirty);
  expect(faultsOf(output)).toEqual([]);
  expect(JSON.parse(output).keys.length).toBeGreaterThan(1);
});

test('the schema of inspect rejects other output', () => {
  const value = { path: 'a', line: 1, secret: 'a', state: 'plaintext' };
  expect(faultsOf(JSON.stringify({ values: [value], keys: [] }))).toEqual([]);
  expect(faultsOf(JSON.stringify({ values: [{ ...value, state: 'open' }], keys: [] }))).not.toEqual(
    [],
  );
  expect(faultsOf(JSON.stringify({ values: [{ ...value, text: 'a' }], keys: [] }))).not.toEqual([]);
  expect(faultsOf(JSON.stringify({ values: [] }))).not.toEqual([]);
});
