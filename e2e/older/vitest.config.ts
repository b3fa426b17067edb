import { defineConfig } from 'vitest/config';

/** What is asked of any Kubernetes, and of the older one alone: a run of its own, for two clusters at once do not work. */
export default defineConfig({
  test: {
    testTimeout: 120_000,
    hookTimeout: 120_000,
    fileParallelism: false,
    pool: 'forks',
    include: [
      // no-image passes there too; its two minutes go to what an API server's version changes more.
      ...[
        ...['cluster-view', 'doctor', 'endings', 'ephemeral', 'policy'],
        ...['proxies', 'refusals', 'triage'],
      ].map(subject => `e2e/${subject}.e2e.ts`),
      'e2e/older/*.e2e.ts',
    ],
    globalSetup: ['e2e/older/setup.ts'],
  },
});
