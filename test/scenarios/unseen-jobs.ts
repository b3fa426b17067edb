import type { Pace, PaceGpu, PaceNic } from '../../src/tools/pace.ts';
import type { LookedAt } from '../../src/tools/support/pace-suspects.ts';
import { judgePace } from '../../src/tools/support/stragglers.ts';
import { between, type Found, pick, type Random, randomOf, Tally } from './injected.ts';

/**
 * Jobs of other shapes than those of slow-jobs.ts, which the rules were made with: each GPU's time is
 * drawn look by look, what a state draws and moves is drawn anew for each job, and readings are made
 * without the driver. Written before their first run, of which docs/jobs.md has the figures.
 */

type State = 'computes' | 'talks' | 'waits' | 'idles';
type Time = Readonly<Record<State, number>>;

interface Board {
  readonly name: string;
  readonly limitW: number;
  readonly smMhz: number;
  readonly memoryMhz: number;
  readonly hasGpm: boolean;
  readonly links: number;
  readonly generation: number;
}
const BOARDS: readonly Board[] = [
  {
    ...{ name: 'NVIDIA H100 80GB HBM3', limitW: 700, smMhz: 1_980, memoryMhz: 2_619 },
    ...{ hasGpm: true, links: 18, generation: 5 },
  },
  {
    ...{ name: 'NVIDIA H200', limitW: 700, smMhz: 1_980, memoryMhz: 3_201 },
    ...{ hasGpm: true, links: 18, generation: 5 },
  },
  {
    ...{ name: 'NVIDIA A100-SXM4-80GB', limitW: 400, smMhz: 1_410, memoryMhz: 1_593 },
    ...{ hasGpm: false, links: 12, generation: 4 },
  },
  {
    ...{ name: 'NVIDIA L40S', limitW: 350, smMhz: 2_520, memoryMhz: 9_001 },
    ...{ hasGpm: false, links: 0, generation: 4 },
  },
];

const LOOKS = 5;

/** What a job's kernels do to a GPU, of which no two jobs are alike: shares of power, and percents. */
interface Habit {
  readonly power: Readonly<Record<State, number>>;
  readonly memory: Readonly<Record<State, number>>;
  readonly sm: Readonly<Record<State, number>>;
}

function habitOf(random: Random): Habit {
  const within = (least: number, most: number) => least + random() * (most - least);
  return {
    power: {
      ...{ computes: within(0.62, 0.97), talks: within(0.26, 0.5) },
      ...{ waits: within(0.15, 0.36), idles: within(0.09, 0.18) },
    },
    memory: {
      ...{ computes: within(22, 75), talks: within(4, 28), waits: within(0, 6), idles: 0 },
    },
    sm: {
      ...{ computes: within(52, 95), talks: within(9, 30), waits: within(3, 22), idles: 0 },
    },
  };
}

/** One GPU as it is drawn: its time in each look, and what is wrong with it. */
interface Drawn {
  readonly times: readonly Time[];
  readonly clock?: number;
  readonly over?: (gpu: PaceGpu, board: Board) => Partial<PaceGpu>;
}

interface Job {
  readonly random: Random;
  readonly nodes: number;
  readonly perNode: number;
  readonly board: Board;
  readonly victim: { readonly node: number; readonly gpu: number };
}

interface Case {
  readonly name: string;
  /** Who is to be named: a GPU, all GPUs of a node, an adapter, or nobody. */
  readonly named: 'gpu' | 'node' | 'nic' | 'nobody';
  /** What it may be called; absent: whatever it is called, it is the right one. */
  readonly causes?: readonly string[];
  /** Where nobody has to be named: what is true all the same, and accuses no machine. */
  readonly mayCall?: readonly string[];
  readonly draw: (job: Job, at: { readonly node: number; readonly gpu: number }) => Drawn;
  readonly nics?: (job: Job, node: number) => readonly PaceNic[];
  readonly board?: (job: Job, node: number) => Board;
}

const time = (computes: number, talks: number, idles = 0): Time => ({
  ...{ computes, talks, idles, waits: Math.max(0, 1 - computes - talks - idles) },
});
const steady = (of: Time): readonly Time[] => Array.from({ length: LOOKS }, () => of);
const within = (random: Random, least: number, most: number) => least + random() * (most - least);
const isVictim = ({ victim }: Job, { node, gpu }: { node: number; gpu: number }) =>
  victim.node === node && victim.gpu === gpu;

/** A synchronous job in which one GPU, or those of a node, need longer: the others wait. */
const behind =
  (strikes: 'gpu' | 'node', slow: (job: Job) => Omit<Drawn, 'times'> & { need: number }) =>
  (job: Job, at: { node: number; gpu: number }): Drawn => {
    const { need, ...own } = slow(job);
    const talks = within(job.random, 0.06, 0.25);
    const isSlow = strikes === 'node' ? at.node === job.victim.node : isVictim(job, at);
    const works = 1 - talks;
    return isSlow
      ? { times: steady(time(works, talks)), ...own }
      : { times: steady(time(works / need, talks)) };
  };

const even = (job: Job): Drawn => ({
  times: steady(time(within(job.random, 0.66, 0.74), within(job.random, 0.14, 0.2), 0.03)),
});

const held = (reason: string, share: number) => ({ held: { [reason]: share } });

const nic = (name: string, over: Partial<PaceNic> = {}): PaceNic => ({
  ...{ nic: name, port: 1, state: 'ACTIVE', rateGbps: 400, grew: {} },
  ...{ sentMbps: 90_000, receivedMbps: 90_000 },
  ...over,
});
const rails = [0, 1, 2, 3].map(at => `mlx5_${at}`);

const CASES: readonly Case[] = [
  {
    ...{ name: 'pipeline stages of unlike size', named: 'nobody', mayCall: ['more work'] },
    draw: (job, { node }) => {
      const stage = [0.5, 0.62, 0.78, 0.6, 0.7, 0.55, 0.66, 0.9][node % 8] ?? 0.6;
      return { times: steady(time(stage * within(job.random, 0.96, 1), 0.05)) };
    },
  },
  {
    ...{ name: 'bubbles of a pipeline', named: 'nobody' },
    draw: (job, { node }) => ({
      times: Array.from({ length: LOOKS }, (_, look) =>
        (look + node) % Math.max(2, job.nodes) === 0 ? time(0.1, 0.05, 0.1) : time(0.8, 0.1),
      ),
    }),
  },
  {
    ...{ name: 'the loader of one rank stalls now and then', named: 'gpu', causes: ['idle GPU'] },
    draw: (job, at) => ({
      times: Array.from({ length: LOOKS }, (_, look) =>
        isVictim(job, at)
          ? look % 2 === 0
            ? time(0.1, 0.02, 0.85)
            : time(0.75, 0.15, 0.1)
          : look % 2 === 0
            ? time(0.1, 0.02)
            : time(0.75, 0.15),
      ),
    }),
  },
  {
    ...{ name: 'the CPUs of one node starve its GPUs', named: 'node', causes: ['idle GPU'] },
    draw: (job, { node }) => {
      const idles = within(job.random, 0.35, 0.6);
      return {
        times: steady(node === job.victim.node ? time(0.9 - idles, 0.1, idles) : time(0.4, 0.1)),
      };
    },
  },
  {
    ...{
      name: 'a checkpoint: rank 0 writes, all others wait',
      named: 'nobody',
      mayCall: ['idle GPU'],
    },
    draw: (_, { node, gpu }) => ({
      times: steady(node === 0 && gpu === 0 ? time(0, 0, 1) : time(0, 0.02)),
    }),
  },
  {
    ...{ name: 'a checkpoint: all write, all idle', named: 'nobody' },
    draw: job => ({
      times: Array.from({ length: LOOKS }, (_, look) =>
        look < 2 ? time(0.7, 0.2) : time(0, 0, within(job.random, 0.9, 1)),
      ),
    }),
  },
  {
    ...{
      name: 'experts that get unlike shares of the tokens',
      named: 'nobody',
      mayCall: ['more work'],
    },
    draw: job => ({
      times: Array.from({ length: LOOKS }, () => time(within(job.random, 0.25, 0.8), 0.2)),
    }),
  },
  {
    ...{ name: 'one port of one node is slow', named: 'nic', causes: ['network'] },
    draw: job => ({ times: steady(time(within(job.random, 0.18, 0.3), 0.6)) }),
    nics: (job, node) =>
      rails.map((name, at) =>
        nic(name, {
          sentMbps: 95_000,
          rateGbps:
            node === job.victim.node && at === 1 ? (pick(job.random, [100, 200]) ?? 200) : 400,
        }),
      ),
  },
  {
    ...{ name: 'a GPU throttles for its heat, a little', named: 'gpu', causes: ['heat'] },
    draw: behind('gpu', ({ random }) => {
      const clock = within(random, 0.66, 0.9);
      return {
        ...{ need: 1 / clock, clock },
        over: () => ({ temperatureC: 86, ...held('sw_thermal_slowdown', within(random, 0.6, 1)) }),
      };
    }),
  },
  {
    ...{ name: 'the air of one node is warm', named: 'node', causes: ['heat'] },
    draw: behind('node', ({ random }) => {
      const clock = within(random, 0.7, 0.88);
      return {
        ...{ need: 1 / clock, clock },
        over: () => ({ temperatureC: 85, ...held('sw_thermal_slowdown', within(random, 0.7, 1)) }),
      };
    }),
  },
  {
    ...{ name: 'a power cap on one node', named: 'node', causes: ['power limit'] },
    draw: behind('node', ({ random }) => {
      const cap = within(random, 0.5, 0.75);
      const clock = cap ** (1 / 2.4);
      return {
        ...{ need: 1 / clock, clock },
        over: ({ powerW }, { limitW }) => ({
          ...{ enforcedLimitW: limitW * cap, powerW: Math.min(powerW ?? 0, limitW * cap * 0.99) },
          ...held('sw_power_cap', 1),
        }),
      };
    }),
  },
  {
    ...{ name: 'a GPU stands still while a page is retired', named: 'gpu' },
    draw: (job, at) => ({
      times: Array.from({ length: LOOKS }, (_, look) =>
        look < 3 ? (isVictim(job, at) ? time(0.05, 0, 0.9) : time(0.05, 0)) : time(0.74, 0.2),
      ),
      ...(isVictim(job, at) && { over: () => ({ grew: { eccUncorrectedVolatile: 1 } }) }),
    }),
  },
  {
    ...{ name: 'one node has an older driver, and all is well', named: 'nobody' },
    draw: (job, { node }) => ({
      ...even(job),
      ...(node === job.victim.node && {
        over: () => ({
          smActivePercent: undefined,
          nvlink: undefined,
          maxMemoryClockMhz: undefined,
        }),
      }),
    }),
  },
  {
    ...{
      name: 'one node has an older driver, and a GPU elsewhere is hot',
      named: 'gpu',
      causes: ['heat'],
    },
    draw: (job, at) => {
      const slow = behind('gpu', () => ({
        ...{ need: 1.6, clock: 0.62 },
        over: () => ({ temperatureC: 89, ...held('hw_thermal_slowdown', 0.97) }),
      }))(job, at);
      const isOld = at.node !== job.victim.node && at.node === (job.victim.node + 1) % job.nodes;
      return isOld
        ? { ...slow, over: () => ({ smActivePercent: undefined, nvlink: undefined }) }
        : slow;
    },
  },
  {
    ...{ name: 'a job over two models of GPU', named: 'nobody' },
    draw: (_, { node }) => ({
      times: steady(node % 2 === 0 ? time(0.8, 0.18) : time(0.55, 0.18)),
    }),
    board: ({ board }, node) =>
      node % 2 === 0 ? board : (BOARDS.find(other => other !== board) ?? board),
  },
  {
    ...{
      name: 'servers, each with requests of its own',
      named: 'nobody',
      mayCall: ['more work', 'idle GPU'],
    },
    draw: ({ random }) => ({
      times: Array.from({ length: LOOKS }, () => {
        const load = random() ** 0.7;
        return time(load * 0.9, 0.02, 1 - load * 0.95);
      }),
    }),
  },
  {
    ...{ name: 'Python holds one rank back', named: 'gpu', causes: ['idle GPU'] },
    draw: (job, at) => {
      const idles = within(job.random, 0.22, 0.5);
      return {
        times: steady(isVictim(job, at) ? time(0.88 - idles, 0.12, idles) : time(0.5, 0.12)),
      };
    },
  },
  {
    ...{ name: 'a fabric that is congested for all', named: 'nobody' },
    draw: job => ({ times: steady(time(within(job.random, 0.2, 0.25), 0.7)) }),
    nics: job =>
      rails.map(name => nic(name, { sentMbps: 60_000 + between(job.random, 0, 20_000) })),
  },
  {
    ...{ name: 'a port for storage that is down and carries nothing', named: 'nobody' },
    draw: job => ({ times: steady(time(0.02, within(job.random, 0, 0.03))) }),
    nics: (job, node) => [
      ...rails.map(name => nic(name, { sentMbps: 40, receivedMbps: 40 })),
      nic('mlx5_8', {
        ...{ rateGbps: 100, sentMbps: 0, receivedMbps: 0 },
        state: node === job.victim.node ? 'DOWN' : 'ACTIVE',
      }),
    ],
  },
  {
    ...{ name: 'links that sleep while all wait for data', named: 'nobody' },
    draw: job => ({
      times: steady(time(0.05, 0.02, within(job.random, 0.85, 0.93))),
      over: ({ pcie }) => ({
        ...(pcie && job.random() < 0.4 && { pcie: { ...pcie, generation: 1 } }),
        ...held('gpu_idle', 0.9),
      }),
    }),
  },
  {
    ...{ name: 'chips of one bin and another under full power', named: 'nobody' },
    draw: job => ({
      times: steady(time(0.8, 0.16)),
      clock: within(job.random, 0.86, 0.97),
      over: (_, { limitW }) => ({ powerW: limitW * 0.985, ...held('sw_power_cap', 1) }),
    }),
  },
  {
    ...{ name: 'clocks that were locked low on one node', named: 'node', causes: ['SM clock'] },
    draw: behind('node', ({ random }) => {
      const clock = within(random, 0.5, 0.75);
      return { need: 1 / clock, clock };
    }),
  },
  { name: 'a job that is well', named: 'nobody', draw: even },
];

function gpuOf(job: Job, habit: Habit, board: Board, index: number, drawn: Drawn): PaceGpu {
  const { random } = job;
  const { times, clock = 1, over } = drawn;
  const mean = (values: readonly number[]) =>
    Math.round((values.reduce((sum, value) => sum + value, 0) / values.length) * 10) / 10;
  const of = (share: Readonly<Record<State, number>>, spread: number) =>
    times.map(
      ({ computes, talks, waits, idles }) =>
        (computes * share.computes +
          talks * share.talks +
          waits * share.waits +
          idles * share.idles) *
        within(random, 1 - spread, 1 + spread),
    );
  const busy = times.map(({ idles }) =>
    Math.max(0, Math.min(100, Math.round((1 - idles) * 100 - within(random, 0, 2)))),
  );
  const idles = mean(times.map(each => each.idles));
  const power = of({ ...habit.power, computes: habit.power.computes * clock ** 2 }, 0.05);
  const gpu: PaceGpu = {
    ...{ index, name: board.name, pci: `0000:${(16 + index).toString(16)}:00` },
    busyPercent: { min: Math.min(...busy), mean: mean(busy), max: Math.max(...busy) },
    memoryBusyPercent: mean(of(habit.memory, 0.08)),
    ...(board.hasGpm && { smActivePercent: mean(of(habit.sm, 0.05)) }),
    powerW: mean(power.map(share => share * board.limitW)),
    ...{ enforcedLimitW: board.limitW, defaultLimitW: board.limitW },
    smClockMhz: Math.round(
      board.smMhz * clock * within(random, 0.985, 1) * (idles > 0.95 ? 0.5 : 1),
    ),
    maxSmClockMhz: board.smMhz,
    ...{ memoryClockMhz: board.memoryMhz, maxMemoryClockMhz: board.memoryMhz },
    temperatureC: Math.round(within(random, 48, 66)),
    ...{ held: {}, grew: {} },
    pcie: {
      ...{ generation: board.generation, maxGeneration: board.generation },
      ...{ width: 16, maxWidth: 16 },
    },
    ...(board.links > 0 && { nvlink: { up: board.links, all: board.links, slowestMbps: 26_562 } }),
  };
  return { ...gpu, ...over?.(gpu, board) };
}

function played(of: Case, job: Job): readonly LookedAt[] {
  const habit = habitOf(job.random);
  return Array.from({ length: job.nodes }, (_, node) => {
    const board = of.board?.(job, node) ?? job.board;
    const pace: Pace = {
      ...{ from: '2026-03-01T12:00:00.000Z', to: '2026-03-01T12:00:04.000Z', looks: LOOKS },
      gpus: Array.from({ length: job.perNode }, (_, gpu) =>
        gpuOf(job, habit, board, gpu, of.draw(job, { node, gpu })),
      ),
      nics: [...(of.nics?.(job, node) ?? rails.map(name => nic(name)))],
    };
    return { node: `node-${node}`, pace, gpus: [] };
  });
}

/** The unit that is to be named: GPUs, or an adapter. */
function rightOf({ named }: Case, { victim, perNode }: Job): readonly string[] {
  const node = `node-${victim.node}`;
  if (named === 'nobody') return [];
  if (named === 'nic') return [`${node}/mlx5_1`];
  if (named === 'gpu') return [`${node}/${victim.gpu}`];
  return Array.from({ length: perNode }, (_, gpu) => `${node}/${gpu}`);
}

interface Unseen extends Found {
  readonly falseClaims: number;
  readonly byCase: Readonly<Record<string, readonly [right: number, jobs: number]>>;
}

/** Every case so often, in jobs of 2 to 8 nodes of 4 or 8 GPUs. */
export function foundInUnseenJobs({ rounds = 40, seed = 101 } = {}): Unseen {
  const random = randomOf(seed);
  const tally = new Tally();
  const byCase: Record<string, readonly [number, number]> = {};
  let falseClaims = 0;
  for (const of of Array.from({ length: rounds }, () => CASES).flat()) {
    const nodes = between(random, 2, 8);
    const perNode = pick(random, [4, 8]) ?? 8;
    const board = pick(random, BOARDS);
    if (!board) continue;
    const victim = { node: between(random, 0, nodes - 1), gpu: between(random, 0, perNode - 1) };
    const job: Job = { random, nodes, perNode, board, victim };
    const { stragglers, fault } = judgePace(played(of, job));
    const right = rightOf(of, job);
    const told = stragglers.filter(({ cause }) => !of.mayCall?.includes(cause));
    const named = told.flatMap(({ node, gpus, nic: adapter }) =>
      adapter === undefined ? gpus.map(gpu => `${node}/${gpu}`) : [`${node}/${adapter}`],
    );
    const isCalled = told.every(({ cause }) => of.causes?.includes(cause) ?? true);
    tally.add(new Set(right), new Set(named));
    const isMachine = ['hardware', 'host', 'fabric'].includes(fault);
    if (isMachine && (of.named === 'nobody' || !isCalled)) falseClaims += 1;
    const isRight = isCalled && named.toSorted().join() === right.toSorted().join();
    const [rights, all] = byCase[of.name] ?? [0, 0];
    byCase[of.name] = [rights + (isRight ? 1 : 0), all + 1];
  }
  return { ...tally.found, falseClaims, byCase };
}
