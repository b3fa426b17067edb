import type { Pace, PaceGpu, PaceNic } from '../../src/tools/pace.ts';
import type { LookedAt } from '../../src/tools/support/pace-suspects.ts';
import { type JobPace, judgePace } from '../../src/tools/support/stragglers.ts';
import { between, pick, type Random, randomOf } from './injected.ts';

const one = <Item>(random: Random, items: readonly [Item, ...Item[]]): Item =>
  pick(random, items) ?? items[0];

/**
 * Jobs over nodes that are not alike and all well: another host under the same GPU, a board made for less
 * power, bridges on one node only, adapters for storage, GPUs of others beside the job's, parts of GPUs
 * (MIG), ranks that wait for their stage. What differs by make accuses nobody; what is broken on such a
 * node is still to be found.
 */

interface Make {
  readonly gpu: Partial<PaceGpu>;
  readonly nics: readonly PaceNic[];
}

const NAMES: readonly [string, ...string[]] = [
  'NVIDIA H100 NVL',
  'NVIDIA A100-SXM4-80GB',
  'NVIDIA L40S',
];

/** One make of server: all of its GPUs and adapters are as it was built. */
function makeOf(random: Random, name: string): Make {
  const generation = one(random, [3, 4, 5]);
  const width = one(random, [8, 16, 16]);
  const watts = one(random, [300, 350, 400]);
  const links = one(random, [0, 12]);
  const collective = one(random, [100, 200, 400]);
  const port = (nic: string, rateGbps: number, sentMbps: number): PaceNic => ({
    ...{ nic, port: 1, state: 'ACTIVE', rateGbps, sentMbps, receivedMbps: sentMbps },
    ...{ totalBytes: sentMbps * 1e9, grew: {} },
  });
  const storage = one(random, [undefined, 25, 50]);
  return {
    gpu: {
      ...{ name, enforcedLimitW: watts, defaultLimitW: watts },
      pcie: { generation, maxGeneration: generation, width, maxWidth: width },
      nvlink: { up: links, all: 12, ...(links > 0 && { slowestMbps: 25_781 }) },
    },
    nics: [
      ...(storage === undefined ? [] : [port('mlx5_0', storage, storage * 300)]),
      ...Array.from({ length: between(random, 1, 4) }, (_, at) =>
        port(`mlx5_${at + (storage === undefined ? 0 : 1)}`, collective, 40_000),
      ),
    ],
  };
}

/** What all ranks do: they wait for storage or each other, all compute, or each its stage by turns. */
type Phase = 'wait' | 'work' | 'stages';

function gpuOf(random: Random, { gpu }: Make, { index, phase }: { index: number; phase: Phase }) {
  const busy = phase === 'stages' ? between(random, 10, 100) : 100;
  const part = phase === 'work' ? 0.85 + random() * 0.1 : 0.25 + random() * 0.05;
  const isCapped = phase === 'work' && random() < 0.5;
  const clock = phase === 'work' ? between(random, 1_750, 1_980) : 1_965;
  return {
    ...{
      index,
      powerW: (gpu.defaultLimitW ?? 300) * part,
      smClockMhz: clock,
      maxSmClockMhz: 1_980,
    },
    ...{ memoryClockMhz: 2_619, maxMemoryClockMhz: 2_619, temperatureC: between(random, 45, 84) },
    busyPercent: { min: phase === 'stages' ? 0 : 98, mean: busy, max: 100 },
    memoryBusyPercent: phase === 'work' ? 60 : 4,
    ...{ held: isCapped ? { sw_power_cap: 0.6 } : {}, grew: {} },
    ...gpu,
  } satisfies PaceGpu;
}

/** A GPU that is cut into parts tells neither how busy it is nor what its links carry. */
function cut({ busyPercent: _, memoryBusyPercent: __, ...gpu }: PaceGpu): PaceGpu {
  return gpu;
}

interface Fault {
  readonly cause: string;
  readonly on?: (gpu: PaceGpu) => boolean;
  readonly changed: (gpu: PaceGpu) => Partial<PaceGpu>;
}

const FAULTS: readonly Fault[] = [
  {
    cause: 'heat',
    changed: () => ({ smClockMhz: 1_100, held: { hw_thermal_slowdown: 0.9 }, temperatureC: 91 }),
  },
  {
    cause: 'power brake',
    changed: () => ({ smClockMhz: 900, held: { hw_power_brake_slowdown: 0.95 } }),
  },
  {
    cause: 'power limit',
    changed: ({ defaultLimitW = 300 }) => ({
      ...{ enforcedLimitW: defaultLimitW * 0.55, smClockMhz: 1_200, held: { sw_power_cap: 1 } },
    }),
  },
  { cause: 'SM clock', changed: () => ({ smClockMhz: 1_005 }) },
  { cause: 'memory clock', changed: () => ({ memoryClockMhz: 1_593 }) },
  {
    cause: 'PCIe',
    changed: ({ pcie }) => (pcie ? { pcie: { ...pcie, width: 4 } } : {}),
  },
  {
    cause: 'NVLink',
    on: ({ nvlink }) => (nvlink?.up ?? 0) > 0,
    changed: ({ nvlink }) => (nvlink ? { nvlink: { ...nvlink, up: nvlink.up - 1 } } : {}),
  },
];

/** One adapter of a node that has several of its kind came up at a quarter of its rate. */
function withSlowAdapter(look: LookedAt): LookedAt | undefined {
  const fast = look.pace.nics.filter(({ rateGbps = 0 }) => rateGbps >= 100);
  const struck = fast.at(-1);
  if (!struck || fast.length < 2) return undefined;
  const nics = look.pace.nics.map(nic =>
    nic === struck ? { ...nic, rateGbps: (nic.rateGbps ?? 0) / 4 } : nic,
  );
  return { ...look, pace: { ...look.pace, nics } };
}

export interface UnequalJob {
  readonly looks: readonly LookedAt[];
  readonly broken?: { readonly cause: string; readonly node: string; readonly gpu: number };
}

export function unequalJob(seed: number, isBroken: boolean): UnequalJob {
  const random = randomOf(seed);
  const names: typeof NAMES = random() < 0.3 ? NAMES : [one(random, NAMES)];
  const makes = Array.from({ length: between(random, 1, 3) }, () =>
    makeOf(random, one(random, names)),
  );
  // What holds a job up is seen where the others wait.
  const phase = isBroken ? 'wait' : one<Phase>(random, ['wait', 'work', 'stages']);
  const areUnknown = !isBroken && random() < 0.2;
  const nodes = Array.from({ length: between(random, 1, 6) }, (_, at) => {
    const make = pick(random, makes) ?? makeOf(random, names[0]);
    const count = between(random, isBroken ? 4 : 1, 8);
    const isCut = !isBroken && random() < 0.1;
    const gpus = Array.from({ length: count }, (_, index) => {
      const gpu = gpuOf(random, make, { index, phase });
      return isCut ? cut(gpu) : gpu;
    });
    // Beside the job's there may be GPUs that nobody uses.
    const spare = Array.from({ length: areUnknown ? between(random, 0, 2) : 0 }, (_, more) => ({
      ...gpuOf(random, make, { index: count + more, phase }),
      ...{ busyPercent: { min: 0, mean: 0, max: 0 }, powerW: 60, smClockMhz: 210 },
    }));
    const pace: Pace = {
      ...{ from: '2026-03-01T12:00:00.000Z', to: '2026-03-01T12:00:04.000Z', looks: 5 },
      ...{ gpus: [...gpus, ...spare], nics: [...make.nics] },
    };
    return { node: `node-${at}`, pace, gpus: areUnknown ? [] : gpus.map(({ index }) => index) };
  });
  if (!isBroken) return { looks: nodes };
  // Of its model there is to be another one to be compared with.
  const alike = (gpu: PaceGpu) =>
    nodes.flatMap(({ pace }) => pace.gpus).filter(({ name }) => name === gpu.name).length > 3;
  const struck = pick(random, nodes);
  const gpu = pick(random, struck?.pace.gpus ?? []);
  if (!struck || !gpu) return { looks: nodes };
  const fault = pick(
    random,
    FAULTS.filter(({ on }) => alike(gpu) && (on?.(gpu) ?? true)),
  );
  if (!fault) return { looks: nodes };
  const broken = { cause: fault.cause, node: struck.node, gpu: gpu.index };
  const looks = nodes.map(look =>
    look === struck
      ? {
          ...look,
          pace: {
            ...look.pace,
            gpus: look.pace.gpus.map(each =>
              each === gpu
                ? { ...each, powerW: 210, memoryBusyPercent: 45, ...fault.changed(each) }
                : each,
            ),
          },
        }
      : look,
  );
  return { looks, broken };
}

type Straggler = JobPace['stragglers'][number];

const OF_A_MACHINE = ['hardware', 'host', 'fabric', 'driver', 'configuration'];

/** How often a well fleet is accused, and how well a broken GPU is found in one. */
export function foundInUnequalJobs(seeds: readonly number[]) {
  const accused = seeds.flatMap(seed => {
    const { fault, text } = judgePace(unequalJob(seed, false).looks);
    return OF_A_MACHINE.includes(fault) ? [`${seed}: ${fault}: ${text}`] : [];
  });
  let [right, wrong, missed] = [0, 0, 0];
  const lost: string[] = [];
  const count = (looks: readonly LookedAt[], isIt: (one: Straggler) => boolean, what: string) => {
    const { stragglers, text } = judgePace(looks);
    const found = stragglers.filter(isIt).length;
    wrong += stragglers.length - found;
    right += Math.min(1, found);
    if (found > 0) return;
    missed += 1;
    lost.push(`${what}: ${text}`);
  };
  for (const seed of seeds) {
    const { looks, broken } = unequalJob(seed, true);
    if (broken) {
      const { cause, node, gpu } = broken;
      count(
        looks,
        one => one.node === node && one.gpus.includes(gpu) && one.cause === cause,
        `${seed}: ${cause} on GPU ${gpu} of ${node}`,
      );
    }
    const [first, ...rest] = unequalJob(seed + 1_000_000, true).looks;
    const slow = first && withSlowAdapter(first);
    if (!slow) continue;
    const { node } = slow;
    const others = rest.filter(each => each.pace.gpus.every(({ powerW = 0 }) => powerW !== 210));
    if (slow.pace.gpus.some(({ powerW }) => powerW === 210)) continue;
    count(
      [slow, ...others],
      one => one.node === node && one.nic !== undefined,
      `${seed}: an adapter`,
    );
  }
  return { accused, lost, f1: (2 * right) / (2 * right + wrong + missed) };
}
