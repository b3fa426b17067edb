/**
 * Changes a room in thousands of small ways and counts how many of them its tests notice:
 *
 *   npm run mutate [-- ROOM...]
 *
 * What was tried before, on the same code with the same tests, is not tried again. docs/testing.md has
 * the scores and what survives.
 */
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Stryker } from '@stryker-mutator/core';

/** Each room with the folders of tests that are about it. */
const ROOMS: Readonly<Record<string, readonly string[]>> = {
  findings: ['findings', 'scenarios'],
  xid: ['xid'],
  session: ['session'],
  cluster: ['cluster', 'session'],
  bundle: ['bundle'],
  bridge: ['bridge'],
};

const asked = process.argv.slice(2);
const strange = asked.filter(room => !(room in ROOMS));
if (strange.length > 0) {
  process.stderr.write(
    `no room ${strange.join(', ')}; there are ${Object.keys(ROOMS).join(', ')}\n`,
  );
  process.exit(2);
}
for (const [room, folders] of Object.entries(ROOMS)) {
  if (asked.length > 0 && !asked.includes(room)) continue;
  process.env['MUTATE_TESTS'] = folders.map(folder => `test/${folder}/*.test.ts`).join(' ');
  const results = join('coverage/mutants', room);
  const stryker = new Stryker({
    mutate: [`src/${room}/**/*.ts`],
    testRunner: 'vitest',
    vitest: { configFile: 'test/mutate/vitest.config.ts', related: false },
    coverageAnalysis: 'perTest',
    incremental: true,
    incrementalFile: `${results}.json`,
    tempDirName: join(tmpdir(), `gpu-mcp-mutants-${room}`),
    ignorePatterns: ['dist', 'coverage', 'e2e'],
    reporters: ['clear-text', 'html', 'progress-append-only'],
    clearTextReporter: { allowColor: false, logTests: false, reportTests: false },
    htmlReporter: { fileName: `${results}.html` },
    concurrency: 2,
    // It would rewrite it by a programming interface that TypeScript 7 has no more.
    tsconfigFile: 'none',
    timeoutMS: 10_000,
  });
  await stryker.runMutationTest();
}
