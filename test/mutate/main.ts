/**
 * Changes a room in thousands of small ways and counts how many of them its tests notice:
 *
 *   npm run mutate [-- ROOM...]       session, or a part: findings/rules, session/session.ts
 *   npm run mutate -- --survivors findings/rules      after tests were added, and nothing else changed
 *   npm run mutate -- --sample 300 [--seed 2] xid        so many of its lines; of the findings so many mutants
 *
 * What was tried before, on the same code with the same tests, is not tried again (but in the findings).
 * docs/testing.md has the scores and what survives.
 */
import { globSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { Stryker } from '@stryker-mutator/core';
import { mutateFindings } from './findings.ts';
import { type Draw, sampleOf } from './sample.ts';

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

async function mutate(room: string, patterns: readonly string[]): Promise<void> {
  const folders = ROOMS[room] ?? [];
  process.env['MUTATE_TESTS'] = folders.map(folder => `test/${folder}/*.test.ts`).join(' ');
  const stryker = new Stryker({
    mutate: sample === undefined ? [...patterns] : linesOf(patterns, sample),
    testRunner: 'vitest',
    vitest: { configFile: 'test/mutate/vitest.config.ts', related: false },
    coverageAnalysis: 'perTest',
    incremental: sample === undefined,
    incrementalFile: `${RESULTS}/${room}.json`,
    tempDirName: join(tmpdir(), `gpu-mcp-mutants-${room}`),
    ignorePatterns: ['dist', 'coverage', 'e2e'],
    reporters: ['clear-text', 'html', 'progress-append-only'],
    clearTextReporter: { allowColor: false, logTests: false, reportTests: false },
    htmlReporter: { fileName: `${RESULTS}/${room}.html` },
    // It would rewrite this file by a programming interface that TypeScript 7 does not have.
    tsconfigFile: 'none',
    concurrency: 2,
    // These end what hangs: a busy machine needs far less for all tests once, and for any one of them.
    dryRunTimeoutMinutes: 30,
    timeoutMS: 60_000,
  });
  await stryker.runMutationTest();
}

/** So many lines of code, as Stryker writes ranges; what of a mutant stands on other lines too is left out. */
const linesOf = (patterns: readonly string[], draw: Draw): string[] =>
  sampleOf(
    globSync([...patterns]).flatMap(file =>
      readFileSync(file, 'utf8')
        .split('\n')
        .flatMap((line, at) =>
          /^\s*(?:$|\/?\*|\/\/|import|[})\];,]+$)/.test(line) ? [] : `${file}:${at + 1}-${at + 1}`,
        ),
    ),
    draw,
  );

const { values, positionals: words } = parseArgs({
  options: {
    survivors: { type: 'boolean', default: false },
    sample: { type: 'string' },
    seed: { type: 'string', default: '20261127' },
  },
  allowPositionals: true,
});
const sample =
  values.sample === undefined
    ? undefined
    : { count: Number(values.sample), seed: Number(values.seed) };
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
    await mutateFindings(sources, {
      results: `${RESULTS}/findings.json`,
      onlySurvivors: values.survivors,
      sample,
    });
  } else await mutate(room, sources);
}
