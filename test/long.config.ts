import { defineConfig, mergeConfig } from 'vitest/config';
import main from '../vitest.config.ts';

// Fuzzing, scaling and whatever else takes long and depends on chance: `npm run test:long`.
const config = mergeConfig(main, defineConfig({ test: { testTimeout: 600_000 } }));

export default { ...config, test: { ...config.test, include: ['test/**/*.long.ts'] } };
