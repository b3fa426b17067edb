import * as z from 'zod';
import { known, type Reading } from '../../contract/reading.ts';
import { GPU, type GpuState, type Row } from '../../nvml/readings.ts';

const watts = (reading: Reading<number>): number | undefined => {
  const milliwatts = known(reading);
  return milliwatts === undefined ? undefined : Math.round(milliwatts / 1_000);
};

const MIB = 1024 ** 2;

/** What is sampled of a GPU, by name with its unit. */
export const METRICS: Readonly<Record<string, (gpu: GpuState) => number | undefined>> = {
  temperatureC: gpu => known(gpu.temperatureC),
  memoryTemperatureC: gpu => known(gpu.memoryTemperatureC),
  powerW: gpu => watts(gpu.powerUsageMw),
  smClockMhz: gpu => known(gpu.smClockMhz),
  memoryClockMhz: gpu => known(gpu.memoryClockMhz),
  gpuUtilizationPercent: gpu => known(gpu.gpuUtilizationPercent),
  memoryUtilizationPercent: gpu => known(gpu.memoryUtilizationPercent),
  memoryUsedMib: gpu => {
    const memory = known(gpu.memory);
    return memory && Math.round(memory.usedBytes / MIB);
  },
};

/** The counts of a group of readings that could be read, by name. */
export const countsOf = (group: object): (readonly [string, number])[] =>
  Object.entries(group).flatMap(([name, reading]: [string, Reading<number>]) => {
    const amount = known(reading);
    return amount === undefined ? [] : [[name, amount] as const];
  });

/** What GPM tells of every GPU; of one alone it tells all. */
const GPM_OF_MANY = ['smActivePercent', 'tensorActivePercent', 'dramBandwidthPercent'];

/** The metrics of GPM as means of the readings that have two samples, by name. */
export function gpmMeans(
  readings: readonly GpuState[],
  { all }: { readonly all: boolean },
): Record<string, number> {
  const values = readings.flatMap(gpu => countsOf(gpu.gpm));
  const names = new Set(values.map(([name]) => name));
  return Object.fromEntries(
    [...names]
      .filter(name => all || GPM_OF_MANY.includes(name))
      .map(name => [
        name,
        seriesOf(values.flatMap(([other, value]) => (other === name ? [value] : [])))?.mean ?? 0,
      ]),
  );
}

/** Every counter of a GPU that only grows while its driver lives, by name. */
export function countersOf(gpu: GpuState): ReadonlyMap<string, number> {
  const nvlink: Record<string, number> = {};
  for (const [name, amount] of (known(gpu.nvlinks)?.links ?? []).flatMap(link =>
    countsOf(link.errors),
  )) {
    nvlink[`nvlink.${name}`] = (nvlink[`nvlink.${name}`] ?? 0) + amount;
  }
  const single = {
    energyMj: gpu.energyMj,
    eccCorrected: gpu.eccCorrectedVolatile,
    eccUncorrected: gpu.eccUncorrectedVolatile,
    pcieReplays: gpu.pcieReplayCounter,
    ...gpu.violations,
  };
  const pcie = countsOf(gpu.pcieCounters).map(
    ([name, amount]) => [`pcie.${name}`, amount] as const,
  );
  return new Map([...countsOf(single), ...pcie, ...Object.entries(nvlink)]);
}

/** What the rows of readings say of counters, by the names that countersOf gives them. */
const ROWS: ReadonlyMap<string, Row> = new Map<string, Row>([
  ['energyMj', GPU.energyMj],
  ...Object.entries(GPU.violations.members),
  ...Object.entries(GPU.pcieCounters.members).map(([name, row]) => [`pcie.${name}`, row] as const),
]);

/** A counter of load: it grows on every busy GPU. */
export const growsWithLoad = (name: string): boolean => ROWS.get(name)?.grows === 'with load';

/** What counters grew by between two readings, and which fell: these have started again. */
export function counterDeltas(
  first: GpuState,
  last: GpuState,
): { readonly deltas: Record<string, number>; readonly restarted: string[] } {
  const before = countersOf(first);
  const deltas: Record<string, number> = {};
  const restarted: string[] = [];
  for (const [name, amount] of countersOf(last)) {
    const grown = amount - (before.get(name) ?? amount);
    if (grown > 0) deltas[name] = grown;
    if (grown < 0 && !ROWS.get(name)?.wraps) restarted.push(name);
  }
  return { deltas, restarted };
}

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
const rounded = (value: number): number => Math.round(value * 100) / 100;
