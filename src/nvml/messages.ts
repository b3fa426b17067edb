import * as z from 'zod';
import { type DriverDepth, MissingReason, type Reading } from '../contract/reading.ts';
import { number, reading, text, yes, yesOrNo } from '../contract/reading-schema.ts';
import {
  allProcesses,
  confidentialCompute,
  eccByLocation,
  engines,
  gpm,
  gsp,
  inforom,
  memory,
  migInstances,
  migProfiles,
  mode,
  pcieCounters,
  platform,
  power,
  processes,
  remapHistogram,
  repairPending,
  sramErrors,
  sramUniqueErrors,
  thermal,
  violations,
} from './message-groups.ts';
import { c2c, fabric, nvlinks, topology } from './message-links.ts';
import type { DriverState, GpuState, OnDemand } from './port.ts';

/**
 * What the parent and the child that hosts NVML say to each other: one JSON object a line.
 *
 * The child names each call before it makes it (in a series of equal ones, now and then) and has told
 * each reading before the next call, so a call that never returns loses only what was not read.
 */

/** The readings of the driver as a whole, in the order in which they are read. */
export const DRIVER_READINGS = {
  library: text,
  initialized: yes,
  driverVersion: text,
  nvmlVersion: text,
  cudaDriverVersion: number,
  count: number,
  confidentialCompute,
  topology,
} satisfies { [F in keyof DriverState]?: z.ZodType<DriverState[F]> };

/** The readings of one GPU, in the order in which they are read: identity and memory first. */
export const GPU_READINGS = {
  handle: yes,
  name: text,
  uuid: text,
  serial: text,
  pci: text,
  minorNumber: number,
  vbios: text,
  memory,
  bar1: memory,
  temperatureC: number,
  slowdownTemperatureC: number,
  shutdownTemperatureC: number,
  powerUsageMw: number,
  powerLimitMw: number,
  enforcedPowerLimitMw: number,
  defaultPowerLimitMw: number,
  graphicsClockMhz: number,
  smClockMhz: number,
  memoryClockMhz: number,
  maxGraphicsClockMhz: number,
  maxSmClockMhz: number,
  maxMemoryClockMhz: number,
  applicationGraphicsClockMhz: number,
  applicationMemoryClockMhz: number,
  gpuUtilizationPercent: number,
  memoryUtilizationPercent: number,
  clocksEventReasons: reading(z.array(z.string())),
  performanceState: number,
  persistenceMode: yesOrNo,
  computeMode: text,
  eccMode: mode,
  eccCorrectedVolatile: number,
  eccUncorrectedVolatile: number,
  eccCorrectedAggregate: number,
  eccUncorrectedAggregate: number,
  retiredPagesSingleBit: number,
  retiredPagesDoubleBit: number,
  retiredPagesPending: yesOrNo,
  remappedRows: reading(
    z.object({
      corrected: z.number(),
      uncorrected: z.number(),
      pending: z.boolean(),
      failureOccurred: z.boolean(),
    }),
  ),
  pcieGenerationCurrent: number,
  pcieGenerationMax: number,
  pcieWidthCurrent: number,
  pcieWidthMax: number,
  pcieReplayCounter: number,
  migMode: mode,
  recoveryAction: number,
  processes,
  boardPartNumber: text,
  boardId: number,
  multiGpuBoard: yesOrNo,
  brand: text,
  architecture: text,
  computeCapability: text,
  moduleId: number,
  inforom,
  gsp,
  memoryTemperatureC: number,
  thermal,
  fanPercents: reading(z.array(z.number())),
  power,
  energyMj: number,
  violations,
  defaultApplicationGraphicsClockMhz: number,
  defaultApplicationMemoryClockMhz: number,
  eccByLocation,
  sramErrors,
  sramUniqueErrors,
  remapHistogram,
  repairPending,
  unrepairableMemory: yesOrNo,
  pcieCounters,
  nvlinks,
  c2c,
  fabric,
  platform,
  cpuAffinity: text,
  memoryAffinity: text,
  numaNode: number,
  migInstances,
  engines,
  accountingMode: yesOrNo,
  addressingMode: reading(z.enum(['none', 'hmm', 'ats', 'unknown'])),
  virtualizationMode: text,
  hostVgpuMode: reading(z.enum(['non_sriov', 'sriov', 'unknown'])),
  bridgeChips: number,
  lastBlackBoxFlushMs: number,
  resetRequired: yesOrNo,
  drainAndResetRecommended: yesOrNo,
  allProcesses,
  migProfiles,
  gpm,
} satisfies { [F in keyof Omit<GpuState, 'index'>]: z.ZodType<GpuState[F]> };

export const DriverReadings = z.object(DRIVER_READINGS);
export const GpuReadings = z.object(GPU_READINGS);
export type DriverField = keyof typeof DRIVER_READINGS;
export type GpuField = keyof typeof GPU_READINGS;
export const DRIVER_FIELDS = DriverReadings.keyof().options;
export const GPU_FIELDS = GpuReadings.keyof().options;
/** What a GPU is and how it is; what else there is to know of it comes after. */
export const FIRST_GPU_FIELDS = GPU_FIELDS.slice(0, GPU_FIELDS.indexOf('processes') + 1);
/** What is read only where a request names it. */
export const ON_DEMAND = ['gpm', 'migProfiles'] as const satisfies readonly OnDemand[];
const isOnDemand = (field: GpuField): boolean => ON_DEMAND.some(name => name === field);

/** What is asked of the driver only when all is. */
const DEEP_DRIVER_FIELDS: readonly DriverField[] = ['confidentialCompute', 'topology'];

/** Fields of the driver and of every GPU. */
interface Fields {
  readonly driver: readonly DriverField[];
  readonly gpu: readonly GpuField[];
}

/** What belongs to a reading of each depth. */
const FIELDS_AT: Readonly<Record<DriverDepth, Fields>> = {
  first: {
    driver: DRIVER_FIELDS.filter(field => !DEEP_DRIVER_FIELDS.includes(field)),
    gpu: FIRST_GPU_FIELDS,
  },
  counters: {
    driver: ['library', 'initialized', 'count'],
    gpu: [
      ...(['handle', 'clocksEventReasons', 'pcieReplayCounter'] as const),
      ...(['violations', 'pcieCounters', 'nvlinks'] as const),
    ],
  },
  all: { driver: DRIVER_FIELDS, gpu: GPU_FIELDS.filter(field => !isOnDemand(field)) },
};

/** The fields that a request reads. */
export const fieldsAt = (depth: DriverDepth, also: readonly OnDemand[] = []): Fields => ({
  driver: FIELDS_AT[depth].driver,
  gpu: [...FIELDS_AT[depth].gpu, ...also],
});

/** A field that was not read: the reason, or for a group the reason of each of its members. */
export function unread(field: DriverField | GpuField, reason: Reading<never>): unknown {
  const schema: z.ZodType = { ...DRIVER_READINGS, ...GPU_READINGS }[field];
  return schema instanceof z.ZodObject
    ? Object.fromEntries(Object.keys(schema.shape).map(member => [member, reason]))
    : reason;
}

/** A call that is not made again in this batch, and the reading it gives instead. */
const Skip = z.object({
  call: z.string(),
  gpu: z.number().exactOptional(),
  reason: MissingReason,
  detail: z.string().exactOptional(),
});
export type Skip = z.infer<typeof Skip>;

/** Parent to child: read all but what is `had`; the GPUs of `last` after the others. */
export const ReadRequest = z.object({
  id: z.number(),
  had: z.object({
    driver: z.array(z.enum(DRIVER_FIELDS)),
    gpus: z.record(z.string(), z.array(z.enum(GPU_FIELDS))),
  }),
  skip: z.array(Skip),
  last: z.array(z.number()),
  depth: z.enum(['first', 'counters', 'all']),
  also: z.array(z.enum(ON_DEMAND)).exactOptional(),
});
export type ReadRequest = z.infer<typeof ReadRequest>;

/** Child to parent. `call` comes before the call; `opens` marks one that may initialise a GPU. */
export const ChildMessage = z.discriminatedUnion('kind', [
  z.object({
    kind: z.literal('call'),
    call: z.string(),
    gpu: z.number().exactOptional(),
    opens: z.boolean(),
  }),
  z.object({
    kind: z.literal('driver'),
    id: z.number(),
    field: z.enum(DRIVER_FIELDS),
    reading: z.unknown(),
  }),
  z.object({
    kind: z.literal('gpu'),
    id: z.number(),
    gpu: z.number(),
    field: z.enum(GPU_FIELDS),
    reading: z.unknown(),
  }),
  z.object({ kind: z.literal('done'), id: z.number() }),
]);
export type ChildMessage = z.infer<typeof ChildMessage>;
