import * as z from 'zod';
import { type DriverDepth, missing } from '../contract/reading.ts';
import { count, lenient, milliseconds } from '../contract/reading-schema.ts';
import {
  DRIVER_FIELDS,
  DriverReadings,
  type DriverState,
  fieldsAt,
  GPU_FIELDS,
  GpuReadings,
  type OnDemand,
  unread,
} from '../nvml/readings.ts';
import { NOT_IN_BUNDLE } from './bundle-readings.ts';

/** More GPUs than any bundle has. */
const GPUS_MAX = 1_024;

const REASONS = {
  absent: NOT_IN_BUNDLE,
  unreadable: missing('unreadable', 'of another form in this bundle'),
};

const Gpu = GpuReadings.extend({ index: count });
const Driver = DriverReadings.extend({
  takenAtMs: milliseconds,
  unresponsive: z
    .object({ call: z.string(), gpu: count.exactOptional(), waitedMs: z.number() })
    .exactOptional(),
  gpus: z.array(Gpu).max(GPUS_MAX),
});
const LenientGpu = lenient(Gpu, REASONS);

/** The driver in a bundle, with a row for each GPU that it counts, also for one that the bundle lacks. */
export const driverState = lenient(Driver, REASONS).transform(
  ({ gpus, ...driver }): DriverState => ({
    ...driver,
    gpus: Array.from(
      { length: driver.count.ok ? Math.min(driver.count.value, GPUS_MAX) : 0 },
      (_, index) => gpus.find(gpu => gpu.index === index) ?? LenientGpu.parse({ index }),
    ),
  }),
);

/** What a reading of this depth would have read of it. */
export function readAs(
  driver: DriverState,
  depth: DriverDepth,
  also: readonly OnDemand[],
): DriverState {
  const read = fieldsAt(depth, also);
  const notRead = missing('not_read');
  const leftOut = <F extends Parameters<typeof unread>[0]>(all: readonly F[], kept: readonly F[]) =>
    Object.fromEntries(
      all.filter(field => !kept.includes(field)).map(field => [field, unread(field, notRead)]),
    );
  const ofGpus = leftOut(GPU_FIELDS, read.gpu);
  return {
    ...driver,
    ...leftOut(DRIVER_FIELDS, read.driver),
    gpus: driver.gpus.map(gpu => ({ ...gpu, ...ofGpus })),
  };
}
