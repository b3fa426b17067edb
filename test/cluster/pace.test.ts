import { expect, test } from 'vitest';
import { Pace } from '../../src/cluster/pace.ts';
import { API_REQUESTS_AT_ONCE, API_REQUESTS_PER_SECOND } from '../../src/contract/limits.ts';

/** A pace at a clock of the test's own. */
function paced() {
  let nowMs = 0;
  const pace = new Pace({ nowMs: () => nowMs });
  return {
    wait: (isRemoval = false) => pace.waitMs(isRemoval),
    pass(ms: number) {
      nowMs += ms;
    },
  };
}

const STEP_MS = 1_000 / API_REQUESTS_PER_SECOND;
const drain = (wait: () => number) =>
  Array.from({ length: API_REQUESTS_AT_ONCE }, () => wait()).filter(ms => ms > 0);

test('so many leave at once, then each waits one step longer than the one before', () => {
  const { wait, pass } = paced();
  expect(drain(wait)).toEqual([]);
  expect([wait(), wait(), wait()]).toEqual([STEP_MS, 2 * STEP_MS, 3 * STEP_MS]);
  pass(3 * STEP_MS);
  expect(wait()).toBe(STEP_MS);
});

test('what removes something never waits, and those after it do', () => {
  const { wait } = paced();
  drain(wait);
  expect([wait(true), wait(true), wait()]).toEqual([0, 0, 3 * STEP_MS]);
});

test('a pause fills it up and no further; a clock that is set back takes nothing', () => {
  const { wait, pass } = paced();
  drain(wait);
  pass(3_600_000);
  expect(drain(wait)).toEqual([]);
  pass(-3_600_000);
  expect(wait()).toBe(STEP_MS);
});
