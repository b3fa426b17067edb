import * as z from 'zod';
import { MissingReason } from '../contract/reading.ts';
import type { DriverState, GpuState } from './port.ts';

/**
 * What the parent and the child that hosts NVML say to each other: one JSON object a line.
 *
 * The child names each call before it makes it and tells each reading when it has it, so a call
 * that never returns loses only what was not read.
 */

const reading = <T extends z.ZodType>(value: T) =>
  z.discriminatedUnion('ok', [
    z.object({ ok: z.literal(true), value }),
    z.object({ ok: z.literal(false), reason: MissingReason, detail: z.string().exactOptional() }),
  ]);
const text = reading(z.string());
const number = reading(z.number());
const yes = reading(z.literal(true));
const memory = reading(
  z.object({
    totalBytes: z.number(),
    usedBytes: z.number(),
    freeBytes: z.number(),
    reservedBytes: z.number().exactOptional(),
  }),
);
const mode = reading(z.object({ current: z.boolean(), pending: z.boolean() }));

/** The readings of the driver as a whole, in the order in which they are read. */
export const DRIVER_READINGS = {
  library: text,
  initialized: yes,
  driverVersion: text,
  nvmlVersion: text,
  cudaDriverVersion: number,
  count: number,
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
  persistenceMode: reading(z.boolean()),
  computeMode: text,
  eccMode: mode,
  eccCorrectedVolatile: number,
  eccUncorrectedVolatile: number,
  eccCorrectedAggregate: number,
  eccUncorrectedAggregate: number,
  retiredPagesSingleBit: number,
  retiredPagesDoubleBit: number,
  retiredPagesPending: reading(z.boolean()),
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
  processes: reading(
    z.array(
      z.object({
        pid: z.number(),
        kind: z.enum(['compute', 'graphics']),
        usedBytes: z.number().exactOptional(),
        gpuInstance: z.number().exactOptional(),
        computeInstance: z.number().exactOptional(),
      }),
    ),
  ),
} satisfies { [F in keyof Omit<GpuState, 'index'>]: z.ZodType<GpuState[F]> };

export const DriverReadings = z.object(DRIVER_READINGS);
export const GpuReadings = z.object(GPU_READINGS);
export type DriverField = keyof typeof DRIVER_READINGS;
export type GpuField = keyof typeof GPU_READINGS;
export const DRIVER_FIELDS = DriverReadings.keyof().options;
export const GPU_FIELDS = GpuReadings.keyof().options;

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
