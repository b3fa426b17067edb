import { defineConfig } from 'vitest/config';

/** The tests of one room, as test/mutate/main.ts names them. */
export default defineConfig({
  test: {
    include: (process.env['MUTATE_TESTS'] ?? '').split(' '),
    setupFiles: ['test/fakes/deadlines.ts'],
    testTimeout: 120_000,
  },
});
