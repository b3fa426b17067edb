import * as z from 'zod';

/** One metric over a window: what it was at least, on average and at most, and how it went. */
export const Series = z
  .strictObject({
    min: z.number(),
    mean: z.number(),
    max: z.number(),
    samples: z.array(z.number()),
  })
  .meta({ listedKeys: ['min', 'mean', 'max'] });
export type Series = z.infer<typeof Series>;

/** Statistics of some samples; undefined of none. */
export function seriesOf(samples: readonly number[]): Series | undefined {
  if (samples.length === 0) return undefined;
  const sum = samples.reduce((total, value) => total + value, 0);
  return {
    min: Math.min(...samples),
    mean: rounded(sum / samples.length),
    max: Math.max(...samples),
    samples: [...samples],
  };
}

const BARS = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/** Samples as bars between the least and the greatest of them; level where all are equal. */
export function sparkline({ min, max, samples }: Series): string {
  const span = max - min;
  return samples
    .map(value => BARS[span === 0 ? 3 : Math.round(((value - min) / span) * (BARS.length - 1))])
    .join('');
}

/** Two digits after the point at most. */
export const rounded = (value: number): number => Math.round(value * 100) / 100;
