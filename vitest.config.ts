import { readFileSync } from 'node:fs';
import { defineConfig } from 'vitest/config';

const { version } = JSON.parse(readFileSync(new URL('package.json', import.meta.url), 'utf8'));

export default defineConfig({
  define: { KSEAL_VERSION: JSON.stringify(version) },
  // As in build.config.mjs.
  resolve: {
    alias: [
      { find: /^yaml$/, replacement: `${import.meta.dirname}/node_modules/yaml/browser/index.js` },
    ],
  },
  test: {
    // Many tests wait for processes they started, so every core gets a worker.
    maxWorkers: '100%',
    include: ['test/**/*.test.ts'],
    globalSetup: ['test/helpers/global-setup.ts'],
    // No test waits; but a machine may be busy.
    testTimeout: 20_000,
  },
});
