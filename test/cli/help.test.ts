import { expect, test } from 'vitest';
import { main } from '../../src/cli/main.ts';
import { testIO } from '../helpers/io.ts';

const commands = [
  ...['init', 'keygen', 'fetch-pubkey', 'keys', 'seal', 'inspect', 'verify', 'decrypt', 'webhook'],
  ...['webhook serve', 'webhook manifests'],
];

test.each(['', ...commands])('the help of "%s" fits into 80 columns', async (command) => {
  const io = testIO({ cwd: '/' });
  const words = command.split(' ').filter(Boolean);
  expect(await main([...words, '--help'], io)).toBe(0);
  expect(io.stdout.text).toMatch(new RegExp(`^Usage: ${['kseal', ...words].join(' ')}`));
  expect(io.stdout.text.split('\n').filter((line) => line.length > 80)).toEqual([]);
});
