import * as z from 'zod';
import { publicText } from '../contract/names-in-text.ts';
import type { DriverDepth, Reading } from '../contract/reading.ts';
import {
  count,
  type Fixed,
  isGroup,
  milliseconds,
  number,
  reading,
  text,
  yes,
} from '../contract/reading-schema.ts';
import { ACTIVITY, GPM, HEAT_AND_POWER } from './readings/activity.ts';
import { BOARD, UPKEEP } from './readings/board.ts';
import { gpuPair, LINKS, PCIE } from './readings/links.ts';
import { MEMORY, MEMORY_ERRORS } from './readings/memory.ts';
import { type FieldRow, type Row, schemasOf } from './readings/row.ts';
import { SHARING } from './readings/sharing.ts';

/**
 * All that is read of the driver, each reading stated once (readings/row.ts). From these two tables
 * follow the types of the port, what a child process is asked and sends, what a bundle keeps, and
 * what answers show. No reading of NVML holds a name that a person gave: processes come as pids.
 */

export type { Row };

/** The driver as a whole. reader/read.ts asks for these in this order. */
// biome-ignore format: a table
export const DRIVER = {
  /** The library in use, as a path on the node. */
  library:             { label: 'library', depth: 'first', counters: true, schema: text },
  /** That nvmlInit_v2 succeeded; else its return code is the reason. */
  initialized:         { label: 'start', depth: 'first', counters: true, schema: yes },
  driverVersion:       { label: 'driver version', depth: 'first', schema: text },
  nvmlVersion:         { label: 'NVML version', depth: 'first', schema: text },
  /** As the driver counts it: 13000 is CUDA 13.0. */
  cudaDriverVersion:   { label: 'CUDA version', depth: 'first', schema: number },
  count:               { label: 'count of GPUs', depth: 'first', counters: true, schema: number },
  /** Every pair of GPUs once; none where there is one GPU. */
  topology:            { label: 'topology', depth: 'all', schema: reading(z.array(gpuPair)) },
} as const satisfies Record<string, FieldRow>;

/** Of one GPU, in the order in which answers show it. */
export const GPU = {
  ...BOARD,
  ...MEMORY,
  ...HEAT_AND_POWER,
  ...ACTIVITY,
  ...MEMORY_ERRORS,
  ...PCIE,
  ...LINKS,
  ...SHARING,
  ...UPKEEP,
  ...GPM,
} as const;

export const DriverReadings = z.object(schemasOf(DRIVER));
export const GpuReadings = z.object(schemasOf(GPU));
export type DriverField = keyof typeof DRIVER;
export type GpuField = keyof typeof GPU;
export const DRIVER_FIELDS = DriverReadings.keyof().options;
export const GPU_FIELDS = GpuReadings.keyof().options;

export const gpuState = GpuReadings.extend({ index: count });
export interface GpuState extends Fixed<z.infer<typeof gpuState>> {}

export const driverState = DriverReadings.extend({
  /** When the reading began. */
  takenAtMs: milliseconds,
  /** Set when NVML did not answer in time: the call it hung in, and for how long we waited. */
  unresponsive: z
    .object({ call: publicText, gpu: count.exactOptional(), waitedMs: z.number() })
    .exactOptional(),
  /** One entry per index below count, also for those that give no handle. */
  gpus: z.array(gpuState),
});
export interface DriverState extends Fixed<z.infer<typeof driverState>> {}

/** Fields that are read on demand only, as the compiler sees them. */
type OnDemandOf<T> = {
  [F in keyof T]: T[F] extends { readonly depth: 'on demand' } ? F : never;
}[keyof T];
/** What is `not_read` unless a request names it. */
export type OnDemand = OnDemandOf<typeof GPU>;
const isOnDemand = (field: GpuField): field is OnDemand => GPU[field].depth === 'on demand';
export const ON_DEMAND: readonly OnDemand[] = GPU_FIELDS.filter(isOnDemand);

export const isFirst = (field: GpuField): boolean => GPU[field].depth === 'first';

/** Fields that answers show in a form of their own, as the compiler sees them. */
type ApartOf<T> = {
  [F in keyof T]: T[F] extends { readonly shown: 'apart' } ? F : never;
}[keyof T];
/** Fields that answers show among the values of a GPU's row. */
export type ShownField = Exclude<GpuField, ApartOf<typeof GPU>>;
const isShown = (field: GpuField): field is ShownField => !('shown' in GPU[field]);
export const SHOWN_FIELDS: readonly ShownField[] = GPU_FIELDS.filter(isShown);

/** What belongs to a reading of each depth: what is `first` is read before the rest. */
function fieldsOf<F extends string>(
  rows: Readonly<Record<F, FieldRow>>,
  fields: readonly F[],
): Readonly<Record<DriverDepth, readonly F[]>> {
  const of = (depth: FieldRow['depth']) => fields.filter(field => rows[field].depth === depth);
  const first = of('first');
  const all = [...first, ...of('all')];
  return { first, all, counters: all.filter(field => rows[field].counters) };
}
const DRIVER_FIELDS_AT = fieldsOf(DRIVER, DRIVER_FIELDS);
const GPU_FIELDS_AT = fieldsOf(GPU, GPU_FIELDS);

/** The fields that a request reads, of the driver and of every GPU. */
export const fieldsAt = (depth: DriverDepth, also: readonly OnDemand[] = []) => ({
  driver: DRIVER_FIELDS_AT[depth],
  gpu: [...GPU_FIELDS_AT[depth], ...also],
});

/** A field that was not read: the reason, or for a group the reason of each of its members. */
export function unread(field: DriverField | GpuField, reason: Reading<never>): unknown {
  const rows: Readonly<Record<string, Row>> = { ...DRIVER, ...GPU };
  const schema = rows[field]?.schema;
  return isGroup(schema)
    ? Object.fromEntries(Object.keys(schema.shape).map(member => [member, reason]))
    : reason;
}

/** What people call a reading of a GPU, by its place in the state: `nvlinks.links.errors.replay`. */
export function labelOf(path: string): string | undefined {
  let label: string | undefined;
  let rows: Readonly<Record<string, Row>> = GPU;
  for (const name of path.split('.')) {
    // Lists have no rows of their own: what lies in them has.
    const row = rows[name];
    label = row?.label ?? label;
    rows = row?.members ?? (row ? {} : rows);
  }
  return label;
}
