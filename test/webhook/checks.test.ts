import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';

// The checks that the webhook has to pass are numbered W1 to W32; tests and cases name theirs.

const root = join(import.meta.dirname, '../..');
const here = 'test/webhook/checks.test.ts';

test('every check is named by the test or the case that shows it', () => {
  const files = ['test/webhook', 'test/cli', 'fixtures/admission', 'fixtures/scripts']
    .flatMap((folder) => readdirSync(join(root, folder)).map((name) => `${folder}/${name}`))
    .filter((file) => /\.(?:test\.ts|json|txtar)$/.test(file) && file !== here);
  const texts = files.map((file) => readFileSync(join(root, file), 'utf8'));
  const named = new Set(texts.flatMap((text) => text.match(/\bW\d+\b/g) ?? []));
  const checks = Array.from({ length: 32 }, (_, index) => `W${index + 1}`);
  expect(checks.filter((check) => !named.has(check))).toEqual([]);
});
