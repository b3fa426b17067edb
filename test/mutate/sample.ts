import * as fc from 'fast-check';

const SEED = 20_261_127;

/** Some of a list, drawn at random, the same in each run. */
export function sampleOf<T>(all: readonly T[], count: number): T[] {
  const length = Math.min(count, all.length);
  const drawn = fc.shuffledSubarray([...all], { minLength: length, maxLength: length });
  return fc.sample(drawn, { seed: SEED, numRuns: 1 }).flat();
}
