import { gpusOf } from '../../src/contract/finding.ts';
import { known, mapReading, present, type Reading } from '../../src/contract/reading.ts';
import { diagnose } from '../../src/findings/diagnosis.ts';
import type { NodeFacts } from '../../src/findings/facts.ts';
import type { GpuState } from '../../src/nvml/port.ts';
import { machineFrom } from '../../src/simulation/machine.ts';
import { SUMMARY_FIELDS } from '../../src/tools/support/gpu-fields.ts';
import { gpuRows } from '../../src/tools/support/gpu-rows.ts';
import { nodeOutliers } from '../../src/tools/support/node-outliers.ts';
import { factsFor } from '../fakes/facts.ts';
import { isSerious } from './scenario.ts';

/** How well something that stands out is found: of what was said, of what was there, and both. */
export interface Found {
  readonly injected: number;
  readonly precision: number;
  readonly recall: number;
  readonly f1: number;
}

/** A number in [0, 1) from a seed; mulberry32. */
export function randomOf(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
export type Random = () => number;

export const between = (random: Random, least: number, most: number): number =>
  Math.round(least + random() * (most - least));
export const pick = <Item>(random: Random, items: readonly Item[]): Item | undefined =>
  items[Math.floor(random() * items.length)];

const scaled = (reading: Reading<number>, by: number): Reading<number> =>
  mapReading(reading, value => Math.round(value * by));

/** The same GPU as it is on another day: what healthy GPUs of one model differ by. */
function onAnotherDay(gpu: GpuState, random: Random): GpuState {
  const share = (spread: number) => 1 + (random() * 2 - 1) * spread;
  return {
    ...gpu,
    temperatureC: mapReading(gpu.temperatureC, value => value + between(random, -5, 5)),
    memoryTemperatureC: mapReading(gpu.memoryTemperatureC, value => value + between(random, -6, 6)),
    powerUsageMw: mapReading(gpu.powerUsageMw, value => Math.round(value * (1 - random() * 0.08))),
    smClockMhz: scaled(gpu.smClockMhz, share(0.04)),
    memoryUtilizationPercent: present(between(random, 15, 70)),
    eccCorrectedVolatile: mapReading(gpu.eccCorrectedVolatile, () => between(random, 0, 200_000)),
    pcieReplayCounter: mapReading(gpu.pcieReplayCounter, () => between(random, 0, 60)),
    remappedRows: mapReading(gpu.remappedRows, rows => ({
      ...rows,
      corrected: between(random, 0, 3),
      uncorrected: random() < 0.1 ? 1 : 0,
    })),
  };
}

type Fault = (gpu: GpuState, random: Random) => Partial<GpuState>;

/** What makes one GPU of a node the odd one, each with a size of its own. */
const GPU_FAULTS: readonly Fault[] = [
  (gpu, random) => ({
    smClockMhz: scaled(gpu.maxSmClockMhz, 0.25 + random() * 0.33),
    clocksEventReasons: present([]),
  }),
  (gpu, random) => ({
    powerUsageMw: scaled(gpu.enforcedPowerLimitMw, 0.2 + random() * 0.25),
    memoryUtilizationPercent: present(30),
  }),
  (gpu, random) => ({ enforcedPowerLimitMw: scaled(gpu.powerLimitMw, 0.3 + random() * 0.55) }),
  (gpu, random) => ({
    powerLimitMw: scaled(gpu.powerLimitMw, 0.5 + random() * 0.4),
    enforcedPowerLimitMw: scaled(gpu.powerLimitMw, 0.5),
  }),
  (gpu, random) => ({
    memoryClockMhz: scaled(gpu.maxMemoryClockMhz, 0.3 + random() * 0.35),
    clocksEventReasons: present([]),
  }),
  gpu => ({ eccMode: mapReading(gpu.eccMode, () => ({ current: false, pending: false })) }),
  (gpu, random) => ({
    memory: mapReading(gpu.memory, memory => ({
      ...memory,
      totalBytes: memory.totalBytes - between(random, 1, 8) * 2 ** 30,
    })),
  }),
  (_, random) => ({ eccCorrectedVolatile: present(between(random, 3e6, 1e9)) }),
  (gpu, random) => ({
    temperatureC: present(
      (known(gpu.thermal.gpuMaxC) ?? known(gpu.slowdownTemperatureC) ?? 90) + between(random, 1, 4),
    ),
  }),
  (_, random) => ({ pcieReplayCounter: present(between(random, 5_000, 1e6)) }),
  gpu => ({ pcieWidthCurrent: scaled(gpu.pcieWidthMax, 0.5) }),
  gpu => ({ clocksEventReasons: mapReading(gpu.clocksEventReasons, () => ['hw_slowdown']) }),
];

const NODE_TYPES = ['h100-sxm', 'a100-sxm4-80gb', 'h200', 'b200', 'l40s', 'gb200', 'a10'] as const;
const factsOfTypes = () =>
  Promise.all(NODE_TYPES.map(like => factsFor(machineFrom(like, { like }))));

const withGpus = (facts: NodeFacts, gpus: readonly GpuState[]): NodeFacts => ({
  ...facts,
  driver: { ...facts.driver, gpus },
});

export class Tally {
  injected = 0;
  hits = 0;
  said = 0;

  add(injected: ReadonlySet<unknown>, said: ReadonlySet<unknown>): void {
    this.injected += injected.size;
    this.said += said.size;
    this.hits += [...said].filter(each => injected.has(each)).length;
  }

  get found(): Found {
    const { injected, hits, said } = this;
    const f1 = (2 * hits) / (injected + said);
    return { injected, precision: hits / said, recall: hits / injected, f1 };
  }
}

/** One fault on one GPU of every second node, nodes of two to eight GPUs: which GPUs are accused. */
export async function foundWithinNodes({ nodes = 1_000, seed = 7 } = {}): Promise<Found> {
  const types = await factsOfTypes();
  const random = randomOf(seed);
  const tally = new Tally();
  for (let at = 0; at < nodes; at++) {
    const base = types[at % types.length];
    if (!base) continue;
    const well = base.driver.gpus.map(gpu => onAnotherDay(gpu, random));
    const victim = at % 2 === 0 ? pick(random, well) : undefined;
    const fault = pick(random, GPU_FAULTS);
    const gpus = well.map(gpu => (gpu === victim ? { ...gpu, ...fault?.(gpu, random) } : gpu));
    const serious = diagnose(withGpus(base, gpus)).findings.filter(isSerious);
    const said = serious.flatMap(finding => gpusOf(finding).map(({ index }) => index));
    tally.add(new Set(victim ? [victim.index] : []), new Set(said));
  }
  return tally.found;
}

/** What makes all GPUs of one node worse than those of the other nodes. */
const NODE_FAULTS: readonly Fault[] = [
  (gpu, random) => ({ smClockMhz: scaled(gpu.smClockMhz, 0.4 + random() * 0.4) }),
  (gpu, random) => ({ powerUsageMw: scaled(gpu.powerUsageMw, 0.3 + random() * 0.4) }),
  (gpu, random) => ({
    temperatureC: mapReading(gpu.temperatureC, value => value + between(random, 15, 30)),
  }),
  (gpu, random) => ({ enforcedPowerLimitMw: scaled(gpu.powerLimitMw, 0.4 + random() * 0.5) }),
  gpu => ({
    memory: mapReading(gpu.memory, memory => ({
      ...memory,
      totalBytes: memory.totalBytes - 2 * 2 ** 30,
    })),
  }),
  gpu => ({ pcieGenerationCurrent: mapReading(gpu.pcieGenerationCurrent, value => value - 1) }),
  gpu => ({ pcieWidthCurrent: scaled(gpu.pcieWidthCurrent, 0.5) }),
];

/** One answer of several nodes, none to two of them worse: which nodes are said to stand out. */
export async function foundBetweenNodes({ answers = 200, seed = 11 } = {}): Promise<Found> {
  const types = await factsOfTypes();
  const random = randomOf(seed);
  const tally = new Tally();
  for (let at = 0; at < answers; at++) {
    const base = types[at % types.length];
    if (!base) continue;
    const count = between(random, 3, 16);
    const worse = new Map(
      Array.from({ length: at % 3 === 0 ? 0 : count < 8 ? 1 : 1 + (at % 2) }, () => [
        between(random, 0, count - 1),
        pick(random, NODE_FAULTS),
      ]),
    );
    const nodes = Array.from({ length: count }, (_, node) => {
      const fault = worse.get(node);
      // Rooms and shares of a job differ from node to node.
      const warmer = between(random, -5, 5);
      const faster = 0.96 + random() * 0.08;
      const gpus = base.driver.gpus.map(gpu => {
        const day = onAnotherDay(gpu, random);
        const now = {
          ...day,
          temperatureC: mapReading(day.temperatureC, value => value + warmer),
          powerUsageMw: scaled(day.powerUsageMw, faster),
          smClockMhz: scaled(day.smClockMhz, faster),
        };
        return { ...now, ...fault?.(now, random) };
      });
      return {
        node: String(node),
        structured: { gpus: gpuRows(withGpus(base, gpus), SUMMARY_FIELDS) },
      };
    });
    const said = nodeOutliers(nodes).map(({ node }) => Number(node));
    tally.add(new Set(worse.keys()), new Set(said));
  }
  return tally.found;
}
