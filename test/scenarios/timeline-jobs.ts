import type { Pace, PaceGpu, PaceNic } from '../../src/tools/pace.ts';
import type { LookedAt } from '../../src/tools/support/pace-suspects.ts';
import { judgePace } from '../../src/tools/support/stragglers.ts';
import { between, type Found, pick, type Random, randomOf, Tally } from './injected.ts';

/**
 * Jobs on a clock: each rank's time is a row of spans, step after step, and a look sees of them what falls
 * into the window of each counter of its board. Made when the rules were there, apart from the two other
 * generators of slow jobs.
 */

type Kind = 'computes' | 'talks' | 'waits' | 'idles';
interface Span {
  readonly kind: Kind;
  readonly seconds: number;
}

interface Board {
  readonly name: string;
  readonly limitW: number;
  readonly smMhz: number;
  readonly memoryMhz: number;
  readonly hasGpm: boolean;
  readonly links: number;
  readonly generation: number;
  /** Over which time its driver tells power and how busy it is: nvmlDeviceGetPowerUsage, nvmlUtilization_t. */
  readonly powerSeconds: number;
  readonly busySeconds: number;
}
const BOARDS: readonly Board[] = [
  {
    ...{ name: 'NVIDIA H100 80GB HBM3', limitW: 700, smMhz: 1_980, memoryMhz: 2_619, links: 18 },
    ...{ hasGpm: true, generation: 5, powerSeconds: 1, busySeconds: 1 / 6 },
  },
  {
    ...{ name: 'NVIDIA B200', limitW: 1_000, smMhz: 1_965, memoryMhz: 3_996, links: 18 },
    ...{ hasGpm: true, generation: 6, powerSeconds: 1, busySeconds: 1 },
  },
  {
    ...{ name: 'NVIDIA A100-SXM4-80GB', limitW: 400, smMhz: 1_410, memoryMhz: 1_593, links: 12 },
    ...{ hasGpm: false, generation: 4, powerSeconds: 0.025, busySeconds: 1 / 6 },
  },
  {
    ...{ name: 'NVIDIA A10', limitW: 150, smMhz: 1_695, memoryMhz: 6_251, links: 0 },
    ...{ hasGpm: false, generation: 4, powerSeconds: 1, busySeconds: 1 / 6 },
  },
];

interface Place {
  readonly node: number;
  readonly gpu: number;
}

interface Job {
  readonly random: Random;
  readonly nodes: number;
  readonly perNode: number;
  readonly board: Board;
  readonly victim: Place;
  /** Of one step, without anything wrong, and how much of it is talk. */
  readonly stepSeconds: number;
  readonly talk: number;
}

/** What is wrong with one rank: it needs so much longer, its CPU or its input makes it wait so long. */
interface Slow {
  readonly computes?: number;
  readonly idles?: number;
}

type Unit = 'gpu' | 'node' | 'nic';
interface Case {
  readonly name: string;
  readonly strikes?: Unit;
  /** What it may be called; whoever else is named is named wrongly. */
  readonly causes?: readonly string[];
  /** What may be said where nobody has to be named: true, and no claim on a machine. */
  readonly mayCall?: readonly string[];
  readonly job?: Partial<Pick<Job, 'talk' | 'stepSeconds'>>;
  readonly slow?: (job: Job) => Slow;
  /** All spans of all ranks, where the job is no synchronous one. */
  readonly steps?: (job: Job, places: readonly Place[], seconds: number) => readonly Span[][];
  /** How much longer all talk, where a link of one is slow. */
  readonly talks?: (job: Job) => number;
  readonly clock?: (job: Job) => number;
  readonly over?: (job: Job, at: Place, gpu: PaceGpu) => Partial<PaceGpu>;
  readonly nic?: (job: Job, at: { node: number; rail: number }) => Partial<PaceNic>;
  readonly board?: (job: Job, node: number) => Board;
}

const within = (random: Random, least: number, most: number) => least + random() * (most - least);
const isStruck = ({ victim }: Job, { strikes }: Case, { node, gpu }: Place) =>
  node === victim.node && (strikes === 'node' || (strikes === 'gpu' && gpu === victim.gpu));

/** Step after step: all need their own time, wait for the last, then talk. */
function synchronous(job: Job, of: Case, places: readonly Place[], seconds: number): Span[][] {
  const { random, stepSeconds, talk } = job;
  const slow = of.slow?.(job) ?? {};
  const talks = stepSeconds * talk * (of.talks?.(job) ?? 1);
  const rows = places.map((): Span[] => []);
  for (let at = 0; at < seconds; ) {
    const own = places.map(place => {
      const isSlow = isStruck(job, of, place);
      const work = stepSeconds * (1 - talk) * within(random, 0.98, 1.02);
      return {
        idles: work * (isSlow ? (slow.idles ?? 0) : 0) + work * within(random, 0, 0.03),
        computes: work * (isSlow ? (slow.computes ?? 1) : 1),
      };
    });
    const longest = Math.max(...own.map(({ idles, computes }) => idles + computes));
    own.forEach(({ idles, computes }, rank) => {
      rows[rank]?.push(
        { kind: 'idles', seconds: idles },
        { kind: 'computes', seconds: computes },
        { kind: 'waits', seconds: longest - idles - computes },
        { kind: 'talks', seconds: talks },
      );
    });
    at += longest + talks;
  }
  return rows;
}

/** The same spans for all ranks. */
const alike = (places: readonly Place[], spans: (at: Place) => readonly Span[], seconds: number) =>
  places.map(place => {
    const row: Span[] = [];
    for (let at = 0; at < seconds; ) {
      const more = spans(place);
      row.push(...more);
      at += more.reduce((sum, each) => sum + each.seconds, 0);
    }
    return row;
  });

const span = (kind: Kind, seconds: number): Span => ({ kind, seconds: Math.max(0.001, seconds) });

/** 1F1B: a stage does its part of each micro-batch and spins for the next; between steps there is a bubble. */
const pipeline =
  (weights: readonly number[]) =>
  (job: Job, places: readonly Place[], seconds: number): readonly Span[][] => {
    const micro = within(job.random, 0.03, 0.3);
    const most = Math.max(...weights);
    return alike(
      places,
      ({ node }) => {
        const own = (weights[node % weights.length] ?? 1) * micro;
        const bubble = (job.nodes - 1) * micro * most;
        return [
          span('waits', (bubble * node) / job.nodes),
          ...Array.from({ length: 8 }, () => [
            span('computes', own * 0.93),
            span('talks', own * 0.07),
            span('waits', most * micro - own),
          ]).flat(),
          span('waits', bubble * (1 - node / job.nodes)),
          span('talks', micro),
        ];
      },
      seconds,
    );
  };

const held = (reason: string, share: number) => ({ held: { [reason]: share } });
const capped = (): Partial<PaceGpu> => held('sw_power_cap', 0.8);
const talkative = { talk: 0.45 };
const isNode = (job: Job, node: number, after = 0) =>
  node === (job.victim.node + after) % job.nodes;

const CASES: readonly Case[] = [
  { name: 'nothing' },
  {
    ...{ name: 'clocks throttled by heat', strikes: 'gpu', causes: ['heat'] },
    ...{ slow: job => ({ computes: 1 / within(job.random, 0.45, 0.8) }), clock: () => 0.62 },
    over: () => ({ ...held('hw_thermal_slowdown', 0.93), temperatureC: 91 }),
  },
  {
    ...{ name: 'a node whose power supply fails', strikes: 'node', causes: ['power brake'] },
    ...{ slow: () => ({ computes: 2.2 }), clock: () => 0.4 },
    over: () => held('hw_power_brake_slowdown', 1),
  },
  {
    ...{ name: 'a clock that is locked', strikes: 'gpu', causes: ['SM clock'] },
    ...{ slow: () => ({ computes: 1.6 }), clock: () => 0.6 },
  },
  {
    ...{ name: 'PCIe at a quarter of its lanes', strikes: 'gpu', causes: ['PCIe'] },
    slow: job => ({ idles: within(job.random, 0.8, 2) }),
    over: (_, __, { pcie }) => ({
      ...(pcie && { pcie: { ...pcie, width: 4 } }),
      pcieMibPerSecond: 12_000,
    }),
  },
  {
    ...{ name: 'an NVLink that is down', strikes: 'gpu', causes: ['NVLink'], job: talkative },
    talks: () => 1.6,
    over: (_, __, { nvlink }) => ({ ...(nvlink && { nvlink: { ...nvlink, up: nvlink.up - 1 } }) }),
  },
  {
    ...{ name: 'an adapter at a quarter of its rate', strikes: 'nic', causes: ['network'] },
    ...{ job: talkative, talks: () => 3.4 },
    nic: (job, { node, rail }) => (isNode(job, node) && rail === 2 ? { rateGbps: 100 } : {}),
  },
  {
    name: 'a bad cable: errors of its link, and its peers send again',
    ...{ strikes: 'nic', causes: ['network'], job: talkative, talks: () => 2.5 },
    nic: (job, { node, rail }) => {
      const lost = between(job.random, 400, 4_000);
      if (rail !== 2) return {};
      if (isNode(job, node)) {
        return { grew: { symbol_error: lost, port_rcv_errors: lost, out_of_sequence: lost } };
      }
      const isPeer = isNode(job, node, 1) || isNode(job, node, job.nodes - 1);
      return isPeer ? { grew: { packet_seq_err: lost * 3, roce_adp_retrans: lost * 2 } } : {};
    },
  },
  {
    // Both ends of a path count what is lost between them: none of their counters says at which end.
    ...{ name: 'losses between two nodes', mayCall: ['path'], job: talkative, talks: () => 2.5 },
    nic: (job, { node, rail }) => {
      const lost = between(job.random, 400, 4_000);
      if (rail !== 2) return {};
      if (isNode(job, node)) return { grew: { out_of_sequence: lost } };
      return isNode(job, node, 1) ? { grew: { packet_seq_err: lost, roce_adp_retrans: lost } } : {};
    },
  },
  {
    // A peer that has posted no buffer is late: that is its program.
    ...{ name: 'a late rank, and its peers are told to send later', strikes: 'node' },
    ...{ causes: ['idle GPU'], slow: job => ({ idles: within(job.random, 0.5, 2) }) },
    nic: (job, { node }) =>
      isNode(job, node, 1) ? { grew: { rnr_nak_retry_err: between(job.random, 200, 9_000) } } : {},
  },
  {
    ...{ name: 'congestion by many senders to one', talks: () => 2, job: talkative },
    nic: (job, { node }) =>
      isNode(job, node)
        ? { grew: { roce_slow_restart: 400, roce_adp_retrans: 40 } }
        : { grew: { roce_slow_restart: between(job.random, 0, 60) } },
  },
  {
    ...{ name: 'CPUs of a node that others use', strikes: 'node', causes: ['idle GPU'] },
    slow: job => ({ idles: within(job.random, 0.4, 2) }),
  },
  {
    ...{ name: 'storage that is slow on one node', strikes: 'node', causes: ['idle GPU'] },
    job: { stepSeconds: 3 },
    slow: job => ({ idles: within(job.random, 0.6, 3) }),
  },
  {
    ...{ name: 'storage that is slow for all' },
    steps: (job, places, seconds) => {
      const waits = within(job.random, 1, 4);
      return alike(places, () => [span('computes', 0.3), span('idles', waits)], seconds);
    },
    over: (_, __, { pcie }) => ({ ...(pcie && { pcie: { ...pcie, generation: 1 } }) }),
  },
  {
    ...{ name: 'all wait for one that is not looked at' },
    steps: (_, places, seconds) => alike(places, () => [span('waits', 1)], seconds),
  },
  {
    // The one that needs longest is another one in every step.
    ...{ name: 'sequences of unlike length', mayCall: ['more work', 'idle GPU'] },
    steps: (job, places, seconds) => {
      const rows = places.map((): Span[] => []);
      for (let at = 0; at < seconds; ) {
        const own = places.map(() => job.stepSeconds * within(job.random, 0.5, 1.5));
        const longest = Math.max(...own);
        own.forEach((seconds, rank) => {
          rows[rank]?.push(span('computes', seconds), span('waits', longest - seconds));
        });
        at += longest;
      }
      return rows;
    },
  },
  {
    ...{ name: 'bubbles of a pipeline', steps: pipeline([1, 1, 1, 1]) },
    mayCall: ['more work', 'idle GPU'],
  },
  {
    ...{ name: 'a pipeline whose last stage has the head', steps: pipeline([0.9, 1, 1, 1.35]) },
    mayCall: ['more work', 'idle GPU'],
  },
  {
    ...{ name: 'rollouts and learners by turns', mayCall: ['more work', 'idle GPU'] },
    steps: (job, places, seconds) => {
      const turn = within(job.random, 0.5, 8);
      return alike(
        places,
        ({ node }) =>
          node % 2 === 0
            ? [span('computes', turn), span('idles', turn)]
            : [span('idles', turn), span('computes', turn)],
        seconds,
      );
    },
  },
  {
    ...{ name: 'a rank that keeps the parameters', mayCall: ['idle GPU'] },
    steps: (job, places, seconds) =>
      alike(
        places,
        ({ node, gpu }) =>
          node + gpu === 0
            ? [span('idles', 0.95 * job.stepSeconds), span('talks', 0.05 * job.stepSeconds)]
            : [span('computes', 0.85 * job.stepSeconds), span('talks', 0.15 * job.stepSeconds)],
        seconds,
      ),
  },
  {
    ...{ name: 'parts of GPUs' },
    over: ({ random }) => ({
      ...{ busyPercent: undefined, memoryBusyPercent: undefined, smActivePercent: undefined },
      ...(random() < 0.3 && held('sw_power_cap', 1)),
    }),
  },
  {
    ...{ name: 'two models in one job', mayCall: ['more work', 'idle GPU'] },
    board: (job, node) => (node % 2 === 0 ? job.board : (BOARDS[3] ?? job.board)),
  },
  { name: 'chips that differ, all at their limit of power', over: capped, job: { talk: 0.05 } },
  {
    ...{ name: 'cards bridged by pairs, the last two not', mayCall: [] },
    steps: (_, places, seconds) => alike(places, () => [span('waits', 1)], seconds),
    over: ({ perNode, board }, { gpu }) =>
      board.links === 0
        ? {}
        : { nvlink: { up: gpu < perNode - 2 ? board.links : 0, all: board.links } },
  },
];

const RATES: Readonly<Record<Kind, { power: number; memory: number; sm: number }>> = {
  computes: { power: 0.84, memory: 48, sm: 86 },
  talks: { power: 0.38, memory: 14, sm: 18 },
  waits: { power: 0.22, memory: 1.5, sm: 12 },
  idles: { power: 0.12, memory: 0, sm: 0 },
};

const LOOKS = 5;
const SECONDS = LOOKS + 12;

/** The mean of something over a part of a rank's time. */
function over(row: readonly Span[], from: number, to: number, read: (kind: Kind) => number) {
  let [at, sum] = [0, 0];
  for (const { kind, seconds } of row) {
    const part = Math.min(to, at + seconds) - Math.max(from, at);
    if (part > 0) sum += read(kind) * part;
    at += seconds;
    if (at >= to) break;
  }
  return sum / (to - from);
}

interface RankView {
  readonly job: Job;
  readonly of: Case;
  readonly place: Place;
  readonly row: readonly Span[];
  readonly startSeconds: number;
}

function gpuOf({ job, of, place, row, startSeconds }: RankView): PaceGpu {
  const board = of.board?.(job, place.node) ?? job.board;
  const { random } = job;
  const ends = Array.from({ length: LOOKS }, (_, look) => startSeconds + look);
  const mean = (values: readonly number[]) =>
    Math.round((values.reduce((sum, value) => sum + value, 0) / values.length) * 10) / 10;
  const told = (seconds: number, read: (kind: Kind) => number) =>
    ends.map(end => over(row, end - seconds, end, read) * within(random, 0.97, 1.03));
  const isSlow = isStruck(job, of, place);
  const clock = (isSlow ? (of.clock?.(job) ?? 1) : 1) * within(random, 0.97, 1);
  const busy = told(board.busySeconds, kind => (kind === 'idles' ? 0 : 100)).map(value =>
    Math.round(Math.min(100, value)),
  );
  const power = told(board.powerSeconds, kind => RATES[kind].power).map(
    share => share * board.limitW * clock ** 1.5,
  );
  const gpu: PaceGpu = {
    ...{ index: place.gpu, name: board.name },
    busyPercent: { min: Math.min(...busy), mean: mean(busy), max: Math.max(...busy) },
    memoryBusyPercent: mean(told(board.busySeconds, kind => RATES[kind].memory)),
    ...(board.hasGpm && { smActivePercent: mean(told(1, kind => RATES[kind].sm)) }),
    ...{ powerW: mean(power), enforcedLimitW: board.limitW, defaultLimitW: board.limitW },
    ...{ smClockMhz: Math.round(board.smMhz * clock), maxSmClockMhz: board.smMhz },
    ...{ memoryClockMhz: board.memoryMhz, maxMemoryClockMhz: board.memoryMhz },
    ...{ temperatureC: between(random, 45, 70), held: {}, grew: {} },
    pcie: {
      ...{ generation: board.generation, maxGeneration: board.generation },
      ...{ width: 16, maxWidth: 16 },
    },
    ...(board.links > 0 && { nvlink: { up: board.links, all: board.links, slowestMbps: 26_562 } }),
  };
  const isForAll = of.strikes === undefined;
  return { ...gpu, ...(isSlow || isForAll ? of.over?.(job, place, gpu) : {}) };
}

function looksAt(of: Case, job: Job): readonly LookedAt[] {
  const places = Array.from({ length: job.nodes * job.perNode }, (_, at) => ({
    node: Math.floor(at / job.perNode),
    gpu: at % job.perNode,
  }));
  const rows = of.steps?.(job, places, SECONDS) ?? synchronous(job, of, places, SECONDS);
  const startSeconds = 1 + job.random() * 10;
  return Array.from({ length: job.nodes }, (_, node) => {
    const pace: Pace = {
      ...{ from: '2026-03-01T12:00:00.000Z', to: '2026-03-01T12:00:04.000Z', looks: LOOKS },
      gpus: places.flatMap((place, rank) =>
        place.node === node ? gpuOf({ job, of, place, row: rows[rank] ?? [], startSeconds }) : [],
      ),
      nics: Array.from({ length: 4 }, (_, rail) => ({
        ...{ nic: `mlx5_${rail}`, port: 1, state: 'ACTIVE', rateGbps: 400, grew: {} },
        ...{ sentMbps: 40_000, receivedMbps: 40_000 },
        ...of.nic?.(job, { node, rail }),
      })),
    };
    return { node: `node-${node}`, pace, gpus: [] };
  });
}

interface Timelines extends Found {
  /** Claims on hardware, the host or the network where none of them was at fault. */
  readonly falseClaims: readonly string[];
  readonly byCase: Readonly<Record<string, readonly [right: number, jobs: number]>>;
  readonly missed: readonly string[];
}

/** Every case so often, in jobs of 2 to 16 nodes. */
export function foundInTimelines({ rounds = 40, seed = 5 } = {}): Timelines {
  const random = randomOf(seed);
  const tally = new Tally();
  const byCase: Record<string, readonly [number, number]> = {};
  const falseClaims: string[] = [];
  const missed: string[] = [];
  for (const of of Array.from({ length: rounds }, () => CASES).flat()) {
    const nodes = pick(random, of.strikes === 'gpu' ? [1, 2, 4, 8, 16] : [2, 3, 4, 8, 16]) ?? 4;
    const perNode = pick(random, [4, 8]) ?? 8;
    const board = pick(random, BOARDS);
    if (!board || (of.causes?.includes('NVLink') && board.links === 0)) continue;
    const victim = { node: between(random, 0, nodes - 1), gpu: between(random, 0, perNode - 1) };
    const talk = within(random, 0.08, 0.2);
    const stepSeconds = pick(random, [0.15, 0.4, 1.1, 2.7]) ?? 0.4;
    const job: Job = { random, nodes, perNode, board, victim, talk, stepSeconds, ...of.job };
    const { stragglers, fault, text } = judgePace(looksAt(of, job));
    const at = `node-${victim.node}`;
    const right =
      of.strikes === undefined
        ? []
        : of.strikes === 'nic'
          ? [`${at}/mlx5_2`]
          : of.strikes === 'gpu'
            ? [`${at}/${victim.gpu}`]
            : Array.from({ length: perNode }, (_, gpu) => `${at}/${gpu}`);
    const named = stragglers
      .filter(({ cause }) => !of.mayCall?.includes(cause))
      .flatMap(({ node, gpus, nic }) =>
        nic === undefined ? gpus.map(gpu => `${node}/${gpu}`) : [`${node}/${nic}`],
      );
    const isCalled = stragglers.every(({ cause }) =>
      (of.causes ?? of.mayCall ?? []).includes(cause),
    );
    tally.add(new Set(right), new Set(named));
    const isMachine = ['hardware', 'host', 'fabric', 'configuration'].includes(fault);
    if (isMachine && !isCalled) falseClaims.push(`${of.name} (${board.name}): ${text}`);
    const isRight = isCalled && named.toSorted().join() === right.toSorted().join();
    if (!isRight)
      missed.push(`${of.name} (${board.name}, ${nodes}x${perNode}, ${stepSeconds}): ${text}`);
    const [rights, all] = byCase[of.name] ?? [0, 0];
    byCase[of.name] = [rights + (isRight ? 1 : 0), all + 1];
  }
  return { ...tally.found, falseClaims, byCase, missed };
}
