import { expect, test } from 'vitest';
import { foundInUnequalJobs } from '../scenarios/unequal-jobs.ts';

test('nodes that are not alike accuse nobody, and what is broken on one is found', () => {
  const seeds = Array.from({ length: 600 }, (_, seed) => seed);
  const { accused, lost, f1 } = foundInUnequalJobs(seeds);
  expect(accused).toEqual([]);
  expect(f1, lost.join('\n')).toBeGreaterThanOrEqual(0.97);
});
