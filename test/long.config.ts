import { defineConfig } from 'vitest/config';
import main from '../vitest.config.ts';

// Tests that take minutes, or that need a quiet machine.
const { projects: _, ...test } = main.test ?? {};

export default defineConfig({
  ...main,
  root: `${import.meta.dirname}/..`,
  test: { ...test, include: ['test/**/*.long.ts'], testTimeout: 600_000 },
});
