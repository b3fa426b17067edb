import { defineConfig } from 'vitest/config';

/** Tests with a real cluster, a compiler or Go: one at a time, on one cluster. */
export default defineConfig({
  test: {
    include: ['e2e/**/*.e2e.ts', 'test/**/*.e2e.ts'],
    globalSetup: ['e2e/setup.ts'],
    testTimeout: 120_000,
    hookTimeout: 120_000,
    fileParallelism: false,
    pool: 'forks',
  },
});
