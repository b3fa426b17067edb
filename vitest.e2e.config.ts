import { defineConfig } from 'vitest/config';

/** Tests with a real cluster, a compiler or Go, and with the AI clients of others: one file at a time. */
export default defineConfig({
  test: {
    testTimeout: 120_000,
    hookTimeout: 120_000,
    fileParallelism: false,
    pool: 'forks',
    projects: [
      {
        extends: true,
        test: {
          name: 'cluster',
          include: ['e2e/*.e2e.ts', 'e2e/!(clients|older|release)/**/*.e2e.ts', 'test/**/*.e2e.ts'],
          globalSetup: ['e2e/setup.ts'],
        },
      },
      {
        extends: true,
        test: {
          name: 'clients',
          include: ['e2e/clients/*.e2e.ts'],
          globalSetup: ['e2e/clients/setup.ts'],
          // They wait more than they compute.
          maxConcurrency: 4,
          testTimeout: 240_000,
        },
      },
      {
        extends: true,
        test: {
          name: 'release',
          include: ['e2e/release/*.e2e.ts'],
          // It builds dist/ anew, which the others start.
          sequence: { groupOrder: 1 },
        },
      },
    ],
  },
});
