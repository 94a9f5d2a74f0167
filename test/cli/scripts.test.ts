import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, inject, test } from 'vitest';
import { main } from '../../src/cli/main.ts';
import { runScript } from '../helpers/script.ts';

const folder = join(import.meta.dirname, '../../fixtures/scripts');
const names = readdirSync(folder).filter((name) => name.endsWith('.txtar'));

test('there are scripts', () => {
  expect(names).not.toEqual([]);
});

test.each(names)(
  '%s',
  async (name) => {
    const text = readFileSync(join(folder, name), 'utf8');
    await runScript({ main, text, path: `fixtures/scripts/${name}`, keys: inject('keys') });
  },
  60_000,
);
