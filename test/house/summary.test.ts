import { expect, test } from 'vitest';
import { type Report, type Skips, tally } from '../../.ci/summary.ts';

const passed = { fullName: 'a', status: 'passed' };
const green: Report = {
  success: true,
  numPassedTests: 7,
  numFailedTests: 0,
  numPendingTests: 1,
  numTodoTests: 0,
  testResults: [{ name: 'a.test.ts', status: 'passed', message: '', assertionResults: [passed] }],
};
const skips: Skips = [{ test: 'a.test.ts > on a GPU', why: 'this machine has none' }];
const files = green.testResults;

test('a green report is counted as it is', () => {
  const found = tally('test', { report: green, skips, runnerFailed: false });
  expect(found).toEqual({ passed: 7, failed: 0, skipped: 1, wrong: [], failures: [] });
});

test.each([
  ['there is no report', {}],
  ['did not run', { report: { ...green, testResults: [...files, broken('b.test.ts')] } }],
  ['no test ran', { report: { ...green, numPassedTests: 0 } }],
  ['without a reason: a.test.ts > b', { skips: [{ test: 'a.test.ts > b', why: '' }] }],
  ['the reasons of 0 are known', { skips: [] }],
  ['failed outside its tests', { report: { ...green, success: false } }],
  ['failed outside its tests', { runnerFailed: true }],
])('"%s" is one failure', (sentence, change) => {
  const report = 'report' in change || Object.keys(change).length > 0 ? green : undefined;
  const given = { ...(report && { report }), skips, runnerFailed: false, ...change };
  expect(tally('test', given).wrong).toEqual([expect.stringContaining(sentence)]);
});

test('a runner that failed because its tests did adds nothing to them', () => {
  const report = { ...green, success: false, numFailedTests: 2 };
  const found = tally('test', { report, skips, runnerFailed: true });
  expect(found).toEqual({ passed: 7, failed: 2, skipped: 1, wrong: [], failures: [] });
});

test('a failed test is told with both ends of what its assertion said, in plain characters', () => {
  const failureMessages = [`\x1b[31mexpected 1\x1b[39m ${'x'.repeat(5000)} to be 2`];
  const failed = { fullName: 'adds', status: 'failed', failureMessages };
  const file = { name: 'a.test.ts', status: 'failed', message: '', assertionResults: [failed] };
  const report = { ...green, success: false, numFailedTests: 1, testResults: [...files, file] };
  const [told = '', ...more] = tally('test', { report, skips, runnerFailed: true }).failures;
  expect(more).toEqual([]);
  expect(told).toMatch(/^test: a\.test\.ts > adds\nexpected 1 x+\n… \d+ characters …\nx+ to be 2$/);
  expect(told.length).toBeLessThan(1700);
});

function broken(name: string): Report['testResults'][number] {
  return { name, status: 'failed', message: 'SyntaxError', assertionResults: [] };
}
