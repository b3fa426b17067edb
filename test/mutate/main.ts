/**
 * Changes a room in thousands of small ways and counts how many of them its tests notice:
 *
 *   npm run mutate [-- ROOM...]       session, or a part: findings/rules, session/session.ts
 *   npm run mutate -- --survivors findings/rules      after tests were added, and nothing else changed
 *
 * What was tried before, on the same code with the same tests, is not tried again (but in the findings).
 * docs/testing.md has the scores and what survives.
 */
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Stryker } from '@stryker-mutator/core';
import { mutateFindings } from './findings.ts';

/** Each room with the folders of tests that are about it; the findings have a judge of their own. */
const ROOMS: Readonly<Record<string, readonly string[]>> = {
  findings: ['findings', 'scenarios'],
  xid: ['xid'],
  session: ['session'],
  cluster: ['cluster'],
  bundle: ['bundle'],
  bridge: ['bridge', 'redaction'],
};
const RESULTS = 'coverage/mutants';

async function mutate(room: string, sources: readonly string[]): Promise<void> {
  const folders = ROOMS[room] ?? [];
  process.env['MUTATE_TESTS'] = folders.map(folder => `test/${folder}/*.test.ts`).join(' ');
  const stryker = new Stryker({
    mutate: [...sources],
    testRunner: 'vitest',
    vitest: { configFile: 'test/mutate/vitest.config.ts', related: false },
    coverageAnalysis: 'perTest',
    incremental: true,
    incrementalFile: `${RESULTS}/${room}.json`,
    tempDirName: join(tmpdir(), `gpu-mcp-mutants-${room}`),
    ignorePatterns: ['dist', 'coverage', 'e2e'],
    reporters: ['clear-text', 'html', 'progress-append-only'],
    clearTextReporter: { allowColor: false, logTests: false, reportTests: false },
    htmlReporter: { fileName: `${RESULTS}/${room}.html` },
    // It would rewrite this file by a programming interface that TypeScript 7 does not have.
    tsconfigFile: 'none',
    concurrency: 2,
    // Ends an endless loop: a busy machine needs far less for any one test.
    timeoutMS: 60_000,
  });
  await stryker.runMutationTest();
}

const SURVIVORS = '--survivors';
const onlySurvivors = process.argv.includes(SURVIVORS);
const words = process.argv.slice(2).filter(word => word !== SURVIVORS);
const wanted = Map.groupBy(
  words.length > 0 ? words : Object.keys(ROOMS),
  word => word.split('/')[0] ?? '',
);
for (const [room, paths] of wanted) {
  if (!(room in ROOMS)) {
    process.stderr.write(`no room "${room}"; there are ${Object.keys(ROOMS).join(', ')}\n`);
    process.exit(2);
  }
  const sources = paths.map(path => `src/${path}${path.endsWith('.ts') ? '' : '/**/*.ts'}`);
  if (room === 'findings') {
    await mutateFindings(sources, { results: `${RESULTS}/findings.json`, onlySurvivors });
  } else await mutate(room, sources);
}
