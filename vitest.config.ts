import { readFileSync } from 'node:fs';
import { defineConfig } from 'vitest/config';
import { BaseSequencer, type TestSpecification } from 'vitest/node';

const { version } = JSON.parse(readFileSync(new URL('package.json', import.meta.url), 'utf8'));

/**
 * Tests that change what is global to a process or to a module, such as the clock. All
 * others share one module graph, which halves their CPU time.
 */
const alone = [
  'cli/progress',
  'keys/gcpkms/*',
  'webhook/cases',
  'webhook/review',
  'webhook/server/clients',
  'webhook/server/keyring',
  'fs/write',
].map((path) => `test/${path}.test.ts`);

/** Starts long files first: if one starts last, only one core is busy at the end. */
class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const rank = ({ moduleId, project }: TestSpecification) =>
      project.name === 'alone'
        ? 3
        : ['/cli/scripts.test.ts', '/cli/', '/'].findIndex((part) => moduleId.includes(part));
    return (await super.sort(files)).sort((a, b) => rank(a) - rank(b));
  }
}

export default defineConfig({
  define: {
    KSEAL_VERSION: JSON.stringify(version),
    KSEAL_DIST: JSON.stringify(`${import.meta.dirname}/dist`),
  },
  // As in build.config.mjs.
  resolve: {
    alias: [
      { find: /^yaml$/, replacement: `${import.meta.dirname}/node_modules/yaml/browser/index.js` },
    ],
  },
  test: {
    // Every core gets a worker, because many tests wait for the processes that they start.
    maxWorkers: '100%',
    sequence: { sequencer: LongestFirst },
    globalSetup: ['test/helpers/global-setup.ts'],
    // No test waits, but the machine may be busy.
    testTimeout: 20_000,
    projects: [
      {
        extends: true,
        test: { name: 'shared', include: ['test/**/*.test.ts'], exclude: alone, isolate: false },
      },
      { extends: true, test: { name: 'alone', include: alone } },
    ],
  },
});
