import { join } from 'node:path';
import { defineConfig } from 'vitest/config';

// Tests that need more programs than Node, npm, git and openssl.
export default defineConfig({
  test: {
    root: join(import.meta.dirname, '../..'),
    testTimeout: 60_000,
    include: ['test/interop/**/*.interop.ts'],
  },
});
