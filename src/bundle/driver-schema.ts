import * as z from 'zod';
import { type DriverDepth, missing } from '../contract/reading.ts';
import {
  DRIVER_FIELDS,
  type DriverState,
  driverState,
  fieldsAt,
  GPU_FIELDS,
  gpuState,
  type OnDemand,
  unread,
} from '../nvml/readings.ts';
import { kept } from './bundle-readings.ts';

/** More GPUs than any bundle has. */
const GPUS_MAX = 1_024;

const keptGpu = kept(gpuState);

/** The driver in a bundle, with a row for each GPU that it counts, also for one that the bundle lacks. */
export const keptDriver = kept(
  driverState.extend({ gpus: z.array(gpuState).max(GPUS_MAX) }),
).transform(
  ({ gpus, ...driver }): DriverState => ({
    ...driver,
    gpus: Array.from(
      { length: driver.count.ok ? Math.min(driver.count.value, GPUS_MAX) : 0 },
      (_, index) => gpus.find(gpu => gpu.index === index) ?? keptGpu.parse({ index }),
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
