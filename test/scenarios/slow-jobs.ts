import { mapReading, present } from '../../src/contract/reading.ts';
import type { NodeFacts } from '../../src/findings/facts.ts';
import type { HostCounters } from '../../src/host/port.ts';
import type { DriverState, GpuState } from '../../src/nvml/port.ts';
import { machineFrom } from '../../src/simulation/machine.ts';
import { paceOf } from '../../src/tools/pace.ts';
import type { LookedAt } from '../../src/tools/support/pace-suspects.ts';
import { judgePace } from '../../src/tools/support/stragglers.ts';
import { factsFor } from '../fakes/facts.ts';
import { between, type Found, pick, type Random, randomOf, Tally } from './injected.ts';

const TYPES = ['h100-sxm', 'a100-sxm4-80gb', 'h200', 'b200', 'l40s', 'a10'] as const;
const NICS = 4;
const NIC_MBPS = 400_000;
const LOOKS = 5;
const LOOK_MS = 1_000;

/** How a GPU of a job spends the time of one step, as shares of it. */
interface Share {
  readonly computes: number;
  /** Without a kernel: it waits for its CPU, its input or a copy. */
  readonly idles: number;
  readonly talks: number;
  /** It spins in a collective until the others have come. */
  readonly waits: number;
}

/** What one GPU needs for its own part of a step, beside what is usual: 1. */
interface Need {
  readonly computes: number;
  readonly idles: number;
  readonly clock: number;
}

interface Place {
  readonly node: number;
  readonly gpu: number;
}

/** What is done to a job: to one GPU of it, to those of one node, or to all. */
interface Cause {
  readonly name: string;
  readonly strikes?: 'node' | 'all';
  /** What is at fault by our words; undefined where nobody is to be named. */
  readonly said: string | undefined;
  /** Whether machines of this type can have it. */
  readonly on?: (gpu: GpuState) => boolean;
  readonly need?: (random: Random) => Partial<Need>;
  readonly changed?: (gpu: GpuState, random: Random) => Partial<GpuState>;
  /** The share of a step that all spend talking, where it is not the usual one. */
  readonly talks?: (random: Random) => number;
  /** What counters of being held grow by within a look, as shares of it. */
  readonly heldNs?: 'hwThermalNs' | 'swThermalNs' | 'hwPowerBrakeNs';
  readonly nic?: (random: Random) => { readonly rateGbps?: number; readonly errors?: number };
  /** All GPUs alike. */
  readonly all?: (random: Random) => Share;
  /** Each GPU for itself. */
  readonly each?: (random: Random) => Share;
}

const slower = (random: Random) => 0.35 + random() * 0.45;
const held =
  (...reasons: string[]) =>
  () => ({ clocksEventReasons: present(reasons) });
const hasLinks = ({ nvlinks }: GpuState) => nvlinks.ok && nvlinks.value.links.length > 1;

const CAUSES: readonly Cause[] = [
  {
    ...{ name: 'heat', said: 'heat', heldNs: 'hwThermalNs' },
    need: random => clocked(slower(random)),
    changed: held('hw_slowdown', 'hw_thermal_slowdown'),
  },
  {
    ...{ name: 'heat, by the driver', said: 'heat', heldNs: 'swThermalNs' },
    need: random => clocked(0.6 + random() * 0.3),
    changed: held('sw_thermal_slowdown'),
  },
  {
    ...{ name: 'power brake', said: 'power brake', heldNs: 'hwPowerBrakeNs' },
    need: random => clocked(slower(random)),
    changed: held('hw_slowdown', 'hw_power_brake_slowdown'),
  },
  {
    ...{ name: 'power limit', said: 'power limit' },
    need: random => clocked(0.45 + random() * 0.4),
    changed: (gpu, random) => ({
      enforcedPowerLimitMw: mapReading(gpu.powerLimitMw, mw => mw * (0.4 + random() * 0.4)),
      clocksEventReasons: present(['sw_power_cap']),
    }),
  },
  {
    ...{ name: 'locked clocks', said: 'SM clock' },
    need: random => clocked(0.3 + random() * 0.45),
    changed: held(),
  },
  {
    ...{ name: 'slow memory', said: 'memory clock' },
    need: random => ({ computes: 1.3 + random() }),
    changed: gpu => ({ memoryClockMhz: mapReading(gpu.maxMemoryClockMhz, mhz => mhz * 0.6) }),
  },
  {
    ...{ name: 'PCIe at half its lanes', said: 'PCIe' },
    need: random => ({ idles: 0.4 + random() }),
    changed: gpu => ({ pcieWidthCurrent: mapReading(gpu.pcieWidthMax, lanes => lanes / 2) }),
  },
  {
    ...{ name: 'PCIe at an older generation', said: 'PCIe' },
    need: random => ({ idles: 0.4 + random() }),
    changed: gpu => ({ pcieGenerationCurrent: mapReading(gpu.pcieGenerationMax, () => 1) }),
  },
  {
    ...{ name: 'an NVLink down', said: 'NVLink', on: hasLinks },
    talks: random => 0.5 + random() * 0.3,
    changed: gpu => ({ nvlinks: linksWith(gpu, { state: present('inactive') }) }),
  },
  {
    ...{ name: 'an NVLink at half its speed', said: 'NVLink', on: hasLinks },
    talks: random => 0.5 + random() * 0.3,
    changed: gpu => ({ nvlinks: linksWith(gpu, { slow: true }) }),
  },
  {
    ...{ name: 'a slow adapter', said: 'network' },
    talks: random => 0.55 + random() * 0.35,
    nic: () => ({ rateGbps: 200 }),
  },
  {
    ...{ name: 'an adapter with errors', said: 'network' },
    talks: random => 0.55 + random() * 0.35,
    nic: random => ({ errors: between(random, 500, 90_000) }),
  },
  { name: 'a starved GPU', said: 'idle GPU', need: random => ({ idles: 0.3 + random() * 1.5 }) },
  { name: 'more work', said: 'more work', need: random => ({ computes: 1.5 + random() * 1.5 }) },
  {
    ...{ name: 'all wait', said: undefined },
    all: random => ({ computes: 0, idles: 0, talks: 0, waits: 0.9 + random() * 0.1 }),
  },
  {
    ...{ name: 'all starve', said: undefined },
    all: random => ({ computes: 0.1, idles: 0.4 + random() * 0.5, talks: 0.05, waits: 0.05 }),
  },
  {
    ...{ name: 'uneven phases', said: undefined },
    each: random => {
      const computes = 0.2 + random() * 0.6;
      return { computes, idles: (1 - computes) * random(), talks: 0.1, waits: 0.1 };
    },
  },
  {
    ...{ name: 'a hot node', said: 'heat', strikes: 'node', heldNs: 'swThermalNs' },
    need: random => clocked(0.5 + random() * 0.4),
    changed: held('sw_thermal_slowdown'),
  },
  {
    ...{ name: 'a hot room', said: undefined, strikes: 'all', heldNs: 'swThermalNs' },
    need: random => clocked(0.7 + random() * 0.05),
    changed: held('sw_thermal_slowdown'),
  },
  {
    ...{ name: 'half the lanes, and nobody waits', said: undefined },
    changed: gpu => ({ pcieWidthCurrent: mapReading(gpu.pcieWidthMax, lanes => lanes / 2) }),
  },
  {
    ...{ name: 'a slow adapter, and nobody waits', said: undefined },
    ...{ talks: () => 0.08, nic: () => ({ rateGbps: 200 }) },
  },
  {
    ...{ name: 'heat among uneven phases', said: 'heat', heldNs: 'hwThermalNs' },
    need: random => clocked(slower(random)),
    changed: held('hw_slowdown', 'hw_thermal_slowdown'),
    each: random => ({ computes: 0.5 + random() * 0.3, idles: 0.1, talks: 0.1, waits: 0.1 }),
  },
  { name: 'nothing', said: undefined },
  { name: 'nothing, and all talk much', said: undefined, talks: random => 0.5 + random() * 0.3 },
];

const clocked = (clock: number): Partial<Need> => ({ clock, computes: 1 / clock });

function linksWith(
  gpu: GpuState,
  {
    state,
    slow,
  }: { readonly state?: ReturnType<typeof present<'inactive'>>; readonly slow?: true },
): GpuState['nvlinks'] {
  return mapReading(gpu.nvlinks, all => ({
    ...all,
    links: all.links.map((link, at) =>
      at === 0
        ? {
            ...link,
            ...(state && { state }),
            ...(slow && { speedMbps: mapReading(link.speedMbps, mbps => mbps / 2) }),
          }
        : link,
    ),
  }));
}

/** A synchronous step: all wait for the one that needs longest, then talk. */
function sharesOf(needs: readonly Need[], talks: number): readonly Share[] {
  const own = needs.map(({ computes, idles }) => computes + idles);
  const longest = Math.max(...own);
  const step = longest / (1 - talks);
  return needs.map(({ computes, idles }, at) => ({
    computes: computes / step,
    idles: idles / step,
    talks,
    waits: (longest - (own[at] ?? longest)) / step,
  }));
}

interface Drawn {
  readonly random: Random;
  readonly share: Share;
  readonly clock: number;
}

/** What one look shows of a GPU that spends its time so. */
function lookAt(gpu: GpuState, { random, share, clock }: Drawn): GpuState {
  const noise = (spread: number) => 1 + (random() * 2 - 1) * spread;
  const percent = (value: number) => present(Math.round(Math.max(0, Math.min(100, value))));
  const { computes, idles, talks, waits } = share;
  const power = idles * 0.13 + waits * 0.2 + talks * 0.34 + computes * 0.9 * clock ** 1.5;
  const hasGpm = gpu.gpm.smActivePercent.ok;
  const isCapped = computes > 0.8 && random() < 0.5;
  return {
    ...gpu,
    clocksEventReasons: present(isCapped ? ['sw_power_cap'] : []),
    gpuUtilizationPercent: percent(100 - idles * 100 * noise(0.4)),
    memoryUtilizationPercent: percent((computes * 52 + talks * 9 + waits * 2) * noise(0.2)),
    powerUsageMw: mapReading(gpu.defaultPowerLimitMw, mw => mw * power * noise(0.1)),
    smClockMhz: mapReading(gpu.maxSmClockMhz, mhz => Math.round(mhz * clock * noise(0.03))),
    gpm: {
      ...gpu.gpm,
      ...(hasGpm && {
        smActivePercent: percent((computes * 88 + (talks + waits) * 13) * noise(0.08)),
      }),
    },
  };
}

interface Base {
  readonly facts: NodeFacts;
  readonly like: GpuState;
}

/** One job of two GPUs and more, and what is named as what its GPUs wait for. */
function played(base: Base, cause: Cause, random: Random) {
  const nodes = pick(random, cause.strikes === 'node' ? [2, 4, 8] : [1, 1, 2, 4, 8, 16]) ?? 1;
  const gpus = pick(random, nodes === 1 ? [2, 4, 8] : [1, 2, 4, 8, 8]) ?? 8;
  const victim = { node: between(random, 0, nodes - 1), gpu: between(random, 0, gpus - 1) };
  const isVictim = ({ node, gpu }: Place) =>
    cause.strikes === 'all' ||
    (node === victim.node && (cause.strikes === 'node' || gpu === victim.gpu));
  const places = Array.from({ length: nodes * gpus }, (_, at) => ({
    node: Math.floor(at / gpus),
    gpu: at % gpus,
  }));
  const usual = 0.94 + random() * 0.06;
  const needs = places.map(place => ({
    ...{ computes: 0.95 + random() * 0.1, idles: random() * 0.04, clock: usual },
    ...(isVictim(place) && cause.need?.(random)),
  }));
  const talks = cause.talks?.(random) ?? 0.08 + random() * 0.2;
  const same = cause.all?.(random);
  const shares = sharesOf(needs, talks).map(share => same ?? cause.each?.(random) ?? share);
  const nic = cause.nic?.(random) ?? {};
  const looks = Array.from({ length: nodes }, (_, node): LookedAt => {
    const states = Array.from({ length: LOOKS }, (_, look): DriverState => {
      const own = Array.from({ length: gpus }, (_, gpu) => {
        const at = node * gpus + gpu;
        const [share, need] = [shares[at], needs[at]];
        if (!share || !need) throw new Error('no such GPU');
        const index = { ...base.like, index: gpu };
        const seen = lookAt(index, { random, share, clock: need.clock });
        if (!isVictim({ node, gpu })) return seen;
        return countedOn({ ...seen, ...cause.changed?.(index, random) }, cause, look);
      });
      return { ...base.facts.driver, takenAtMs: look * LOOK_MS, gpus: own };
    });
    const isSlow = node === victim.node;
    const pace = paceOf({
      ...{ states, host: hostWith(base.facts, isSlow ? nic.rateGbps : undefined) },
      ports: portsOf(talks, random, isSlow ? (nic.errors ?? 0) : 0),
    });
    return { node: String(node), pace, gpus: [] };
  });
  return { looks, victims: places.filter(isVictim), sick: `${victim.node}/${SICK_NIC}` };
}

function countedOn(gpu: GpuState, { heldNs }: Cause, look: number): GpuState {
  if (heldNs === undefined) return gpu;
  const ns = present(look * LOOK_MS * 1e6 * 0.95);
  return { ...gpu, violations: { ...gpu.violations, [heldNs]: ns } };
}

const SICK_NIC = 'mlx5_2';

const hostWith = ({ host }: NodeFacts, rateGbps: number | undefined): NodeFacts['host'] => ({
  ...host,
  nics: mapReading(host.nics, all =>
    all.map(nic => ({
      ...nic,
      ports: nic.ports.map(port =>
        nic.name === SICK_NIC && rateGbps !== undefined
          ? { ...port, rateGbps: present(rateGbps) }
          : port,
      ),
    })),
  ),
});

/** Rings send as much over each adapter of each node, the slow one too. */
function portsOf(talks: number, random: Random, errors: number) {
  const bytes = (NIC_MBPS / 8) * 1_000 * (LOOKS - 1) * LOOK_MS * talks * (0.3 + random() * 0.1);
  const at = (end: 0 | 1): HostCounters => ({
    aer: [],
    ports: Array.from({ length: NICS }, (_, number) => {
      const nic = `mlx5_${number}`;
      const symbolErrors = 7 + (nic === SICK_NIC ? errors * end : 0);
      return {
        ...{ nic, port: 1, counters: { symbol_error: symbolErrors } },
        ...{ sentBytes: end * bytes, receivedBytes: end * bytes },
      };
    }),
  });
  return { before: at(0), after: at(1) };
}

interface SlowJobs extends Found {
  /** Of those that were found, how many were given their true cause. */
  readonly causes: number;
  /** Claims on hardware, the host or the network where none of them was at fault. */
  readonly falseClaims: number;
  /** By cause: jobs, and those in which the right one and no other was named. */
  readonly byCause: Readonly<Record<string, readonly [right: number, jobs: number]>>;
}

/** Jobs of 2 to 128 GPUs, most with something that holds them up: whom the answer names, and for what. */
export async function foundInSlowJobs({ jobs = 1_000, seed = 17 } = {}): Promise<SlowJobs> {
  const nics = Array.from({ length: NICS }, (_, at) => ({ name: `mlx5_${at}` }));
  const bases = await Promise.all(
    TYPES.map(async like => {
      const facts = await factsFor(machineFrom(like, { like, host: { nics } }));
      const [gpu] = facts.driver.gpus;
      if (!gpu) throw new Error(`${like} has no GPU`);
      const isNew = ['h100-sxm', 'h200', 'b200'].includes(like);
      const gpm = isNew ? { ...gpu.gpm, smActivePercent: present(0) } : gpu.gpm;
      return { facts, like: { ...gpu, gpm, clocksEventReasons: present([]) } };
    }),
  );
  const random = randomOf(seed);
  const tally = new Tally();
  const byCause: Record<string, readonly [number, number]> = {};
  let causes = 0;
  let falseClaims = 0;
  for (let at = 0; at < jobs; at++) {
    const cause = CAUSES[at % CAUSES.length];
    const base = pick(random, bases);
    if (!cause || !base || cause.on?.(base.like) === false) continue;
    const { looks, victims, sick } = played(base, cause, random);
    const { stragglers, fault } = judgePace(looks);
    const named = stragglers.flatMap(({ node, gpus, nic }) =>
      nic === undefined ? gpus.map(gpu => `${node}/${gpu}`) : [`${node}/${nic}`],
    );
    const right = cause.nic ? [sick] : victims.map(({ node, gpu }) => `${node}/${gpu}`);
    const injected = cause.said === undefined ? [] : right;
    tally.add(new Set(injected), new Set(named));
    if (stragglers[0]?.cause === cause.said && named[0] === right[0]) causes += 1;
    const isMachine = ['hardware', 'host', 'fabric'].includes(fault);
    if (isMachine && (cause.said === undefined || WITHOUT.includes(cause.said))) falseClaims += 1;
    const [rights, all] = byCause[cause.name] ?? [0, 0];
    byCause[cause.name] = [rights + (named.join() === injected.join() ? 1 : 0), all + 1];
  }
  return { ...tally.found, causes, falseClaims, byCause };
}

/** Causes that are no fault of a machine. */
const WITHOUT = ['power limit', 'SM clock', 'memory clock', 'idle GPU', 'more work'];
