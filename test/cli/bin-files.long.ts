import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import {
  decryptKilled,
  folderWithBig,
  kills,
  sealArgs,
  sealKilled,
  sealWhole,
} from '../helpers/killed.ts';
import { runBin } from '../helpers/spawn.ts';

const names = Object.keys(kills) as (keyof typeof kills)[];

test.each(names)('a file that is sealed in place survives 30 kills %s', async (moment) => {
  const reference = await sealWhole();
  const signals: unknown[] = [];
  for (let i = 0; i < 30; i++) signals.push(await sealKilled(kills[moment], reference));
  expect(signals).toContain('SIGKILL');
});

test('the output of decrypt survives 30 kills', async () => {
  const cwd = folderWithBig();
  await runBin(sealArgs, { cwd });
  const sealed = readFileSync(join(cwd, 'big.yaml'));
  const opened = `${(await runBin(['decrypt', 'big.yaml', '-k', 'k.pem'], { cwd })).stdout}`;
  const signals: unknown[] = [];
  for (let i = 0; i < 30; i++) signals.push(await decryptKilled(sealed, opened));
  expect(signals).toContain('SIGKILL');
});
