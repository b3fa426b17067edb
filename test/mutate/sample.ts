import * as fc from 'fast-check';

/** A draw of so many, by a number that gives the same draw again. */
export interface Draw {
  readonly count: number;
  readonly seed: number;
}

/** Some of a list, drawn at random. */
export function sampleOf<T>(all: readonly T[], { count, seed }: Draw): T[] {
  const length = Math.min(count, all.length);
  const drawn = fc.shuffledSubarray([...all], { minLength: length, maxLength: length });
  return fc.sample(drawn, { seed, numRuns: 1 }).flat();
}
