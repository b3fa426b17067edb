/**
 * Sums vitest's JSON reports: node .ci/summary.ts FOLDER NAME... -- FAILED-STEP...
 *
 * Prints why tests were skipped, what failed and how (the runner's own words of it stand far above, and
 * a long log is often kept by its end only), and as the last line `N passed, N failed, N skipped`. A report that is
 * missing, a file without tests, an error outside the tests, a failed step without a report and a skip
 * without a reason count as failures. The exit code is 0 only when there is none.
 */
import { readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { stripVTControlCharacters } from 'node:util';
import * as z from 'zod';

const Report = z.object({
  success: z.boolean(),
  numPassedTests: z.int(),
  numFailedTests: z.int(),
  numPendingTests: z.int(),
  numTodoTests: z.int(),
  testResults: z.array(
    z.object({
      name: z.string(),
      status: z.string(),
      message: z.string(),
      assertionResults: z.array(
        z.object({
          fullName: z.string(),
          status: z.string(),
          failureMessages: z.array(z.string()).optional(),
        }),
      ),
    }),
  ),
});
export type Report = z.infer<typeof Report>;

const Skips = z.array(z.object({ test: z.string(), why: z.string() }));
export type Skips = z.infer<typeof Skips>;

export interface Tally {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
  /** A sentence for everything that is wrong beside failed tests; each counts as a failure. */
  readonly wrong: readonly string[];
  /** The failed tests with what their assertions said. */
  readonly failures: readonly string[];
}

/** What one runner's report says. `runnerFailed`: its process ended with another code than 0. */
export function tally(
  name: string,
  { report, skips, runnerFailed }: { report?: Report; skips: Skips; runnerFailed: boolean },
): Tally {
  if (!report) {
    const wrong = [`${name}: there is no report`];
    return { passed: 0, failed: 0, skipped: 0, wrong, failures: [] };
  }
  const { numPassedTests: passed, numFailedTests: failed } = report;
  const skipped = report.numPendingTests + report.numTodoTests;
  const wrong: string[] = [];
  for (const file of report.testResults) {
    if (file.status === 'failed' && file.assertionResults.length === 0) {
      wrong.push(`${name}: ${file.name} did not run: ${file.message}`);
    }
  }
  if (passed + failed === 0) wrong.push(`${name}: no test ran`);
  for (const { test, why } of skips) {
    if (why === '') wrong.push(`${name}: skipped without a reason: ${test}`);
  }
  if (skips.length !== skipped) {
    wrong.push(
      `${name}: ${skipped} tests were skipped, and the reasons of ${skips.length} are known`,
    );
  }
  if ((!report.success || runnerFailed) && failed + wrong.length === 0) {
    wrong.push(`${name}: the runner failed outside its tests`);
  }
  return { passed, failed, skipped, wrong, failures: failuresOf(name, report) };
}

const FAILURE_CHARACTERS_MAX = 1500;

const failuresOf = (name: string, { testResults }: Report): readonly string[] =>
  testResults.flatMap(file =>
    file.assertionResults
      .filter(({ status }) => status === 'failed')
      .map(({ fullName, failureMessages = [] }) => {
        const message = stripVTControlCharacters(failureMessages.join('\n'));
        return `${name}: ${relative('.', file.name)} > ${fullName}\n${ends(message)}`;
      }),
  );

/** An assertion's sentence stands at its beginning, what was got and where at its end. */
function ends(text: string): string {
  if (text.length <= FAILURE_CHARACTERS_MAX) return text;
  const half = FAILURE_CHARACTERS_MAX / 2;
  return `${text.slice(0, half)}\n… ${text.length - FAILURE_CHARACTERS_MAX} characters …\n${text.slice(-half)}`;
}

function read<T>(file: string, schema: z.ZodType<T>): T | undefined {
  try {
    return schema.parse(JSON.parse(readFileSync(file, 'utf8')));
  } catch {
    // Absent or cut: the runner did not come to its end, which `tally` counts as a failure.
    return undefined;
  }
}

function main([folder = '', ...rest]: readonly string[]): number {
  const say = (line: string) => process.stdout.write(`${line}\n`);
  const end = rest.indexOf('--');
  const names = rest.slice(0, end);
  const failedSteps = rest.slice(end + 1);
  const otherSteps = failedSteps.filter(step => !names.includes(step));
  const total = { passed: 0, failed: otherSteps.length, skipped: 0 };
  for (const name of names) {
    const report = read(join(folder, `${name}.json`), Report);
    const skips = read(join(folder, `${name}.skips.json`), Skips) ?? [];
    const runnerFailed = failedSteps.includes(name);
    const found = tally(name, { ...(report && { report }), skips, runnerFailed });
    for (const { test, why } of skips) say(`skipped: ${test}: ${why || 'no reason given'}`);
    for (const sentence of [...found.failures, ...found.wrong]) say(`failed: ${sentence}`);
    total.passed += found.passed;
    total.failed += found.failed + found.wrong.length;
    total.skipped += found.skipped;
  }
  for (const step of otherSteps) say(`failed: ${step}`);
  say(`${total.passed} passed, ${total.failed} failed, ${total.skipped} skipped`);
  return total.failed === 0 ? 0 : 1;
}

if (import.meta.main) process.exitCode = main(process.argv.slice(2));
