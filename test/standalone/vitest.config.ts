import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { defineConfig } from 'vitest/config';
import main from '../../vitest.config.ts';

// Tests of the executable in standalone/, which they start in place of bin/kseal.js.

const root = join(import.meta.dirname, '../..');
const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
const name = `kseal-${version}-${process.platform}-${process.arch}`;
const { projects: _, sequence: __, ...test } = main.test ?? {};

export default defineConfig({
  ...main,
  root,
  test: {
    ...test,
    include: [
      'test/standalone/*.standalone.ts',
      'test/cli/{bin,bin-files,git-hook,kms-bin,seal-form}.test.ts',
    ],
    testTimeout: 60_000,
    env: { KSEAL_EXECUTABLE: join(root, 'standalone', name) },
  },
});
