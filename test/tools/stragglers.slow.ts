import { expect, test } from 'vitest';
import { foundInSlowJobs } from '../scenarios/slow-jobs.ts';
import { foundInUnequalJobs } from '../scenarios/unequal-jobs.ts';
import { foundInUnseenJobs } from '../scenarios/unseen-jobs.ts';

test.each([17, 23])(
  'slow jobs of seed %d: the right one is named, and no machine for nothing',
  async seed => {
    const { byCause, precision, f1, falseClaims } = await foundInSlowJobs({ jobs: 240, seed });
    expect(precision).toBeGreaterThanOrEqual(0.95);
    expect(f1).toBeGreaterThanOrEqual(0.95);
    expect(falseClaims).toBe(0);
    const missed = Object.entries(byCause).filter(([, [right, jobs]]) => right < jobs * 0.8);
    expect(missed).toEqual([]);
  },
);

test.each([101, 7])(
  'jobs of other shapes, by seed %d: the right one is named, and nobody for nothing',
  seed => {
    const { byCase, precision, recall, falseClaims } = foundInUnseenJobs({ rounds: 12, seed });
    expect(falseClaims).toBe(0);
    expect(precision).toBeGreaterThanOrEqual(0.97);
    expect(recall).toBeGreaterThanOrEqual(0.97);
    const missed = Object.entries(byCase).filter(([, [right, jobs]]) => right < jobs * 0.9);
    expect(missed).toEqual([]);
  },
);

test('nodes that are not alike accuse nobody, and what is broken on one is found', () => {
  const seeds = Array.from({ length: 600 }, (_, seed) => seed);
  const { accused, lost, f1 } = foundInUnequalJobs(seeds);
  expect(accused).toEqual([]);
  expect(f1, lost.join('\n')).toBeGreaterThanOrEqual(0.97);
});
