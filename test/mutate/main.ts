/**
 * Changes a room in thousands of small ways and counts how many of them its tests notice:
 *
 *   npm run mutate [-- ROOM...]       session, or one file: session/session.ts
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
  cluster: ['cluster'],
  bundle: ['bundle'],
  bridge: ['bridge', 'redaction'],
};
const RESULTS = 'coverage/mutants';

async function mutate(room: string, files: readonly string[]): Promise<void> {
  const folders = ROOMS[room] ?? [];
  process.env['MUTATE_TESTS'] = folders.map(folder => `test/${folder}/*.test.ts`).join(' ');
  const stryker = new Stryker({
    mutate: files.map(file => `src/${file}`),
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
    // What is evaluated while a file loads needs a new process for each change: in this room tables
    // and declarations, which test/matrix and test/house hold.
    ignoreStatic: room === 'findings',
    // It would rewrite this file by a programming interface that TypeScript 7 does not have.
    tsconfigFile: 'none',
    concurrency: 2,
    timeoutMS: 10_000,
  });
  await stryker.runMutationTest();
}

const words = process.argv.slice(2);
const wanted = new Map<string, string[]>();
for (const word of words.length > 0 ? words : Object.keys(ROOMS)) {
  const [room = '', ...path] = word.split('/');
  if (!(room in ROOMS)) {
    process.stderr.write(`no room "${room}"; there are ${Object.keys(ROOMS).join(', ')}\n`);
    process.exit(2);
  }
  const files = path.length > 0 ? word : `${room}/**/*.ts`;
  wanted.set(room, [...(wanted.get(room) ?? []), files]);
}
for (const [room, files] of wanted) await mutate(room, files);
