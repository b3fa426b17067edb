import * as z from 'zod';
import { type DriverDepth, missing, type Reading } from '../contract/reading.ts';
import { count, milliseconds } from '../contract/reading-schema.ts';
import { Batch } from '../nvml/child/batch.ts';
import {
  DRIVER_FIELDS,
  type DriverField,
  fieldsAt,
  GPU_FIELDS,
  type GpuField,
  ON_DEMAND,
  unread,
} from '../nvml/messages.ts';
import type { DriverState, OnDemand } from '../nvml/port.ts';
import { NOT_IN_BUNDLE } from './bundle-readings.ts';

const Readings = z.record(z.string(), z.unknown());

const Driver = z.looseObject({
  takenAtMs: milliseconds,
  unresponsive: z
    .object({ call: z.string(), gpu: count.exactOptional(), waitedMs: z.number() })
    .exactOptional(),
  gpus: z.array(z.looseObject({ index: count })).max(1_024),
});

/**
 * The driver in a bundle. It passes the same gate as what the child that hosts NVML says: each
 * reading is checked by itself, one of another form is `unreadable`, one that is absent is missing.
 */
export const driverState = Driver.transform(driver =>
  gated(driver, { driver: DRIVER_FIELDS, gpu: GPU_FIELDS, otherwise: NOT_IN_BUNDLE }),
);

/** What a reading of this depth would have read of it. */
export const readAs = (
  driver: DriverState,
  depth: DriverDepth,
  also: readonly OnDemand[],
): DriverState =>
  gated(
    { ...driver, gpus: driver.gpus.map(gpu => ({ ...gpu })) },
    { ...fieldsAt(depth, also), otherwise: missing('not_read') },
  );

function gated(
  driver: z.output<typeof Driver>,
  fields: {
    readonly driver: readonly DriverField[];
    readonly gpu: readonly GpuField[];
    readonly otherwise: Reading<never>;
  },
): DriverState {
  const { takenAtMs, unresponsive, gpus } = driver;
  const batch = new Batch({ takenAtMs, last: [], depth: 'all', also: ON_DEMAND });
  const readings = Readings.parse(driver);
  for (const field of fields.driver) {
    if (field in readings) batch.addDriver(field, whole(field, readings[field]));
  }
  for (const gpu of gpus) {
    const own = Readings.parse(gpu);
    for (const field of fields.gpu) {
      if (field in own) batch.addGpu(gpu.index, field, whole(field, own[field]));
    }
  }
  if (unresponsive) batch.hung(unresponsive);
  return batch.finish(fields.otherwise);
}

/** A group of readings with all its members: those that it lacks are missing, and the rest is usable. */
function whole(field: DriverField | GpuField, reading: unknown): unknown {
  const lacking = unread(field, NOT_IN_BUNDLE);
  return lacking === NOT_IN_BUNDLE ? reading : { ...Object(lacking), ...Object(reading) };
}
