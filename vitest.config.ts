import { readFileSync } from 'node:fs';
import { defineConfig } from 'vitest/config';
import { BaseSequencer, type TestSpecification } from 'vitest/node';

const { version } = JSON.parse(readFileSync(new URL('package.json', import.meta.url), 'utf8'));

/** Long files begin first: one that begins last keeps one core busy and the other waiting. */
class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const rank = ({ moduleId }: TestSpecification) =>
      ['/cli/scripts.test.ts', '/cli/', '/'].findIndex((part) => moduleId.includes(part));
    return (await super.sort(files)).sort((a, b) => rank(a) - rank(b));
  }
}

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
    sequence: { sequencer: LongestFirst },
    include: ['test/**/*.test.ts'],
    globalSetup: ['test/helpers/global-setup.ts'],
    // No test waits; but a machine may be busy.
    testTimeout: 20_000,
  },
});
