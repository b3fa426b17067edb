import * as z from 'zod';
import { optional } from '../contract/optional.ts';
import { known, type Reading } from '../contract/reading.ts';
import { isoTime } from '../contract/time.ts';
import { type NicSign, nicSignOf } from '../findings/support/nic-signs.ts';
import type { HostCounters, HostState } from '../host/port.ts';
import type { DriverState, GpuState, NvLinkTraffic } from '../nvml/port.ts';
import { counterDeltas, gpmMeans, growsWithLoad } from './support/gpu-counters.ts';

/**
 * How fast the GPUs and adapters of a node work over some seconds, of which a job's nodes are compared:
 * a tool that is not listed, so no model sees it.
 */
export const PACE_TOOL = 'pace_node';

const mean = z.number().optional();

const PaceGpu = z.strictObject({
  index: z.int(),
  name: z.string().optional(),
  pci: z.string().optional(),
  /** Why it could not be read: then all else is absent. */
  error: z.string().optional(),
  /** Of the looks: the least, the mean and the most busy one. */
  busyPercent: z.strictObject({ min: z.number(), mean: z.number(), max: z.number() }).optional(),
  memoryBusyPercent: mean,
  /** GPM, Hopper and newer. */
  smActivePercent: mean,
  powerW: mean,
  /** What the limit of power holds it to, and what the board is made for. */
  enforcedLimitW: mean,
  defaultLimitW: mean,
  smClockMhz: mean,
  maxSmClockMhz: mean,
  memoryClockMhz: mean,
  maxMemoryClockMhz: mean,
  temperatureC: mean,
  /** Of the looks, how many a reason held the clocks down, from 0 to 1; by counters where there are some. */
  held: z.record(z.string(), z.number()),
  pcie: z
    .strictObject({
      generation: z.number(),
      maxGeneration: z.number(),
      width: z.number(),
      maxWidth: z.number(),
    })
    .optional(),
  /** Links that are up, of those that it has; the slowest that is up. */
  nvlink: z
    .strictObject({ up: z.int(), all: z.int(), slowestMbps: z.number().optional() })
    .optional(),
  /** What its links moved, the busier way of the two; that of PCIe by GPM alone, Hopper and newer. */
  pcieMibPerSecond: mean,
  nvlinkMibPerSecond: mean,
  nvlinkBy: z.enum(['GPM', 'counters']).optional(),
  /** Counters of errors that grew. */
  grew: z.record(z.string(), z.number()),
});
export type PaceGpu = z.infer<typeof PaceGpu>;

const PaceNic = z.strictObject({
  nic: z.string(),
  port: z.int(),
  state: z.string().optional(),
  rateGbps: z.number().optional(),
  sentMbps: z.number().optional(),
  receivedMbps: z.number().optional(),
  /** What it has sent and received since its counters began. */
  totalBytes: z.number().optional(),
  /** Counters of errors that grew. */
  grew: z.record(z.string(), z.number()),
});
export type PaceNic = z.infer<typeof PaceNic>;

export const Pace = z.strictObject({
  /** By the node's clock. */
  from: z.string(),
  to: z.string(),
  looks: z.int(),
  gpus: z.array(PaceGpu),
  nics: z.array(PaceNic),
});
export type Pace = z.infer<typeof Pace>;

/** Looks at a node, the first and the last with counters. */
export interface Looks {
  readonly states: readonly DriverState[];
  readonly host: HostState;
  readonly ports?: { readonly before: HostCounters; readonly after: HostCounters } | undefined;
}

/** The looks as one: means, and what counters grew by. Pure. */
export function paceOf({ states, host, ports }: Looks): Pace {
  const [first, last] = [states[0], states.at(-1)];
  if (!first || !last) throw new Error('the node was not looked at');
  const windowMs = last.takenAtMs - first.takenAtMs;
  return {
    from: isoTime(first.takenAtMs),
    to: isoTime(last.takenAtMs),
    looks: states.length,
    gpus: first.gpus.map(gpu => {
      const looks = states.flatMap(
        state => state.gpus.find(({ index }) => index === gpu.index) ?? [],
      );
      return { ...paceOfGpu(gpu, looks, windowMs), ...nvlinkRate(states, gpu) };
    }),
    nics: ports ? nicsOf(host, ports, windowMs) : [],
  };
}

/** The first look reads everything; those between only what changes from one moment to the next. */
function paceOfGpu(gpu: GpuState, looks: readonly GpuState[], windowMs: number): PaceGpu {
  const { index } = gpu;
  const last = looks.at(-1) ?? gpu;
  const names = optional({ name: known(gpu.name), pci: known(gpu.pci) });
  const lost = [gpu, last].flatMap(({ handle }) => (handle.ok ? [] : handle.reason));
  if (lost[0] !== undefined) return { index, ...names, error: lost[0], held: {}, grew: {} };
  const all = (read: (look: GpuState) => number | undefined) =>
    looks.flatMap(look => read(look) ?? []);
  const meanOf = (read: (look: GpuState) => number | undefined) => middle(all(read));
  const busy = all(look => known(look.gpuUtilizationPercent));
  const { deltas } = counterDeltas(gpu, last);
  const gpm = gpmOf(looks);
  return {
    ...{ index, ...names },
    ...optional({
      busyPercent:
        busy.length === 0
          ? undefined
          : { min: Math.min(...busy), mean: middle(busy) ?? 0, max: Math.max(...busy) },
      memoryBusyPercent: meanOf(look => known(look.memoryUtilizationPercent)),
      smActivePercent: gpm['smActivePercent'],
      pcieMibPerSecond: busier(gpm['pcieTxMibPerSecond'], gpm['pcieRxMibPerSecond']),
      powerW: meanOf(look => watts(known(look.powerUsageMw))),
      enforcedLimitW: watts(known(gpu.enforcedPowerLimitMw)),
      defaultLimitW: watts(known(gpu.defaultPowerLimitMw)),
      smClockMhz: meanOf(look => known(look.smClockMhz)),
      maxSmClockMhz: known(gpu.maxSmClockMhz),
      memoryClockMhz: meanOf(look => known(look.memoryClockMhz)),
      maxMemoryClockMhz: known(gpu.maxMemoryClockMhz),
      temperatureC: meanOf(look => known(look.temperatureC)),
      pcie: pcieOf(gpu),
      nvlink: nvlinkOf(last),
    }),
    held: heldBy(looks, deltas, windowMs),
    grew: Object.fromEntries(Object.entries(deltas).filter(([name]) => isError(name))),
  };
}

const gpmOf = (looks: readonly GpuState[]) => gpmMeans(looks.slice(1), { all: true });

/** By GPM where the GPU has that, else by its counters; nothing of a GPU that was lost meanwhile. */
function nvlinkRate(
  states: readonly DriverState[],
  { index }: GpuState,
): Pick<PaceGpu, 'nvlinkMibPerSecond' | 'nvlinkBy'> {
  const looks = states.flatMap(({ takenAtMs, gpus }) =>
    gpus.filter(gpu => gpu.index === index).map(gpu => ({ takenAtMs, gpu })),
  );
  if (looks.some(({ gpu }) => !gpu.handle.ok)) return {};
  const gpm = gpmOf(looks.map(({ gpu }) => gpu));
  const byGpm = busier(gpm['nvlinkTxMibPerSecond'], gpm['nvlinkRxMibPerSecond']);
  if (byGpm !== undefined) return { nvlinkMibPerSecond: byGpm, nvlinkBy: 'GPM' };
  const counted = (read: (traffic: NvLinkTraffic) => Reading<number>) =>
    rateOf(looks.map(({ takenAtMs, gpu }) => [takenAtMs, known(read(gpu.nvlinkTraffic))]));
  const byCounters = busier(
    counted(({ sentKib }) => sentKib),
    counted(({ receivedKib }) => receivedKib),
  );
  // A counter that jumps tells no rate either.
  return byCounters === undefined || byCounters > mostMibPerSecond(looks.at(-1)?.gpu)
    ? {}
    : { nvlinkMibPerSecond: byCounters, nvlinkBy: 'counters' };
}

/** What all links of a GPU can carry one way; without bound where a speed was not told. */
function mostMibPerSecond(gpu: GpuState | undefined): number {
  const links = gpu ? (known(gpu.nvlinks)?.links ?? []) : [];
  const speeds = links.flatMap(({ speedMbps }) => known(speedMbps) ?? []);
  if (links.length === 0 || speeds.length < links.length) return Number.POSITIVE_INFINITY;
  return (speeds.reduce((sum, mbps) => sum + mbps, 0) * 1e6) / 1_024 ** 2;
}

/** Looks from which on those between the first and the last, which read little and at once, tell a rate alone. */
const QUICK_LOOKS_MIN = 4;

/**
 * MiB a second by a counter of KiB. One that fell on the way has begun again or wrapped, and one that stands
 * at 0 has never counted: neither tells a rate.
 */
function rateOf(all: readonly (readonly [atMs: number, kib: number | undefined])[]) {
  const points = all.length >= QUICK_LOOKS_MIN ? all.slice(1, -1) : all;
  const [first, last] = [points[0], points.at(-1)];
  const values = points.flatMap(([, kib]) => kib ?? []);
  const hasFallen = values.some((kib, at) => kib < (values[at - 1] ?? kib));
  if (!first || !last || values.length < points.length || hasFallen) return undefined;
  const [seconds, kib] = [(last[0] - first[0]) / 1_000, (last[1] ?? 0) - (first[1] ?? 0)];
  return last[1] === 0 || seconds <= 0 ? undefined : Math.round((kib / 1_024 / seconds) * 10) / 10;
}

const middle = (values: readonly number[]): number | undefined =>
  values.length === 0
    ? undefined
    : Math.round((values.reduce((sum, value) => sum + value, 0) / values.length) * 10) / 10;

const busier = (sent: number | undefined, received: number | undefined): number | undefined =>
  sent === undefined || received === undefined ? undefined : Math.max(sent, received);

const watts = (milliwatts: number | undefined) =>
  milliwatts === undefined ? undefined : milliwatts / 1_000;

/** Counters of how long clocks were held are told as shares of the time. */
const HELD_NS: Readonly<Record<string, string>> = {
  hwThermalNs: 'hw_thermal_slowdown',
  swThermalNs: 'sw_thermal_slowdown',
  hwPowerBrakeNs: 'hw_power_brake_slowdown',
};

const isError = (name: string): boolean => !growsWithLoad(name) && !name.endsWith('Ns');

/** A counter that did not grow speaks against one look that saw the reason. */
function heldBy(
  looks: readonly GpuState[],
  deltas: Readonly<Record<string, number>>,
  windowMs: number,
): Record<string, number> {
  const held: Record<string, number> = {};
  for (const reason of looks.flatMap(look => known(look.clocksEventReasons) ?? [])) {
    held[reason] = (held[reason] ?? 0) + 1 / looks.length;
  }
  for (const [counter, reason] of Object.entries(HELD_NS)) {
    const share = Math.min(1, (deltas[counter] ?? 0) / Math.max(1, windowMs * 1e6));
    if (share > (held[reason] ?? 0)) held[reason] = share;
  }
  return Object.fromEntries(
    Object.entries(held).map(([reason, share]) => [reason, Math.round(share * 100) / 100]),
  );
}

function pcieOf(gpu: GpuState): PaceGpu['pcie'] {
  const generation = known(gpu.pcieGenerationCurrent);
  const maxGeneration = known(gpu.pcieGenerationMax);
  const width = known(gpu.pcieWidthCurrent);
  const maxWidth = known(gpu.pcieWidthMax);
  if (generation === undefined || maxGeneration === undefined) return undefined;
  if (width === undefined || maxWidth === undefined) return undefined;
  return { generation, maxGeneration, width, maxWidth };
}

function nvlinkOf(gpu: GpuState): PaceGpu['nvlink'] {
  const links = known(gpu.nvlinks)?.links ?? [];
  // A link whose state was not read is neither up nor down.
  if (links.length === 0 || links.some(({ state }) => !state.ok)) return undefined;
  // A sleeping link is up: it saves power.
  const up = links.filter(({ state }) => ['active', 'sleep'].includes(known(state) ?? ''));
  const speeds = up.flatMap(({ speedMbps }) => known(speedMbps) ?? []);
  return {
    ...{ up: up.length, all: links.length },
    ...(speeds.length > 0 && { slowestMbps: Math.min(...speeds) }),
  };
}

type Port = HostCounters['ports'][number];

function nicsOf(
  host: HostState,
  { before, after }: NonNullable<Looks['ports']>,
  windowMs: number,
): PaceNic[] {
  return (known(host.nics) ?? []).flatMap(({ name, ports }) =>
    ports.map(({ port, state, rateGbps }) => {
      const at = (counters: HostCounters) =>
        counters.ports.find(each => each.nic === name && each.port === port);
      const [first, last] = [at(before), at(after)];
      return {
        ...{ nic: name, port },
        ...optional({ state: known(state), rateGbps: known(rateGbps) }),
        ...ratesOf(first, last, windowMs),
        grew: grownIn(first, last),
      };
    }),
  );
}

/** A counter that fell has begun again: it tells no rate. */
function ratesOf(
  first: Port | undefined,
  last: Port | undefined,
  windowMs: number,
): Partial<Pick<PaceNic, 'sentMbps' | 'receivedMbps' | 'totalBytes'>> {
  const rate = (before: number | undefined, after: number | undefined) =>
    before === undefined || after === undefined || after < before || windowMs <= 0
      ? undefined
      : Math.round(((after - before) * 8) / 1_000 / windowMs);
  return optional({
    sentMbps: rate(first?.sentBytes, last?.sentBytes),
    receivedMbps: rate(first?.receivedBytes, last?.receivedBytes),
    totalBytes:
      last?.sentBytes === undefined || last.receivedBytes === undefined
        ? undefined
        : last.sentBytes + last.receivedBytes,
  });
}

/** Marks of congestion, and of a program that is late, grow on ports that are well. */
const ARE_ERRORS: readonly (NicSign | undefined)[] = ['link', 'path'];

function grownIn(first: Port | undefined, last: Port | undefined): Record<string, number> {
  return Object.fromEntries(
    Object.entries(last?.counters ?? {}).flatMap(([name, count]) => {
      const grown = count - (first?.counters[name] ?? count);
      return grown > 0 && ARE_ERRORS.includes(nicSignOf(name)) ? [[name, grown]] : [];
    }),
  );
}
