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
import { errorRecords } from './readings/error-records.ts';
import { gpuPair, LINKS, PCIE, TRAFFIC } from './readings/links.ts';
import { MEMORY, MEMORY_ERRORS } from './readings/memory.ts';
import {
  type FieldRow,
  field,
  fieldFlag,
  flag,
  flagOf,
  group,
  numberIn,
  numberOf,
  type Row,
  recordOf,
  schemasOf,
  successOf,
  textOf,
  wordOf,
} from './readings/row.ts';
import { SHARING } from './readings/sharing.ts';
import { ARCHITECTURES, BRANDS } from './table/enums.ts';

/** What a GPU is: its names, its board, where it sits, its firmware. */
// biome-ignore format: a table
const BOARD = {
  /** That there is a handle; else why the driver gives none, as `gpu_is_lost`. */
  handle:            { label: 'handle', depth: 'first', counters: true, now: true, shown: 'apart', schema: yes },
  name:              { label: 'name', depth: 'first', ...textOf('deviceGetName') },
  uuid:              { label: 'UUID', depth: 'first', ...textOf('deviceGetUUID') },
  serial:            { label: 'serial number', depth: 'first', ...textOf('deviceGetSerial') },
  /** nvmlDeviceGetPciInfo, as `dddd:bb:dd`. */
  pci:               { label: 'PCI address', depth: 'first', shown: 'apart', schema: text },
  boardPartNumber:   { label: 'board part number', depth: 'all', ...textOf('deviceGetBoardPartNumber') },
  /** NVML_BRAND_* in lower case, as `tesla`, `nvidia`. */
  brand:             { label: 'brand', depth: 'all', ...wordOf('deviceGetBrand', BRANDS) },
  /** NVML_DEVICE_ARCH_* in lower case, as `hopper`. */
  architecture:      { label: 'architecture', depth: 'all', ...wordOf('deviceGetArchitecture', ARCHITECTURES) },
  /** nvmlDeviceGetCudaComputeCapability, as `9.0`. */
  computeCapability: { label: 'compute capability', depth: 'all', schema: text },
  /** The physical place on the baseboard. */
  moduleId:          { label: 'module id', depth: 'all', ...numberOf('deviceGetModuleId') },
  /** Equal for the GPUs of one board. */
  boardId:           { label: 'board id', depth: 'all', ...numberOf('deviceGetBoardId') },
  multiGpuBoard:     { label: 'multi-GPU board', depth: 'all', ...flagOf('deviceGetMultiGpuBoard') },
  /** nvmlDeviceGetPlatformInfo: where the GPU sits in its rack (NVL72 and the like). */
  platform:          { label: 'place in the rack', depth: 'all', schema: reading(z.object({
    chassisSerial: publicText.exactOptional(),
    slot: z.number(), tray: z.number(), host: z.number(), moduleId: z.number(),
  })) },
  minorNumber:       { label: 'minor number', depth: 'first', ...numberOf('deviceGetMinorNumber') },
  vbios:             { label: 'VBIOS version', depth: 'first', ...textOf('deviceGetVbiosVersion') },
  /** The board's own storage. */
  inforom:           { depth: 'all', ...group({
    /** Of the whole image, as `G520.0200.00.05`. */
    imageVersion:    { label: 'InfoROM', ...textOf('deviceGetInforomImageVersion') },
    oemVersion:      { label: 'InfoROM', ...textOf('deviceGetInforomVersion', 'oem') },
    eccVersion:      { label: 'InfoROM', ...textOf('deviceGetInforomVersion', 'ecc') },
    powerVersion:    { label: 'InfoROM', ...textOf('deviceGetInforomVersion', 'power') },
    /** Of the configuration in it, equal on equal boards; `corrupted_inforom` where it does not fit. */
    configurationChecksum: { label: 'InfoROM', ...numberOf('deviceGetInforomConfigurationChecksum') },
    /** The checksums of all of it, read from the flash ten minutes before at most; `corrupted_inforom` where one does not fit. */
    valid:           { label: 'InfoROM', ...successOf('deviceValidateInforom') },
  }) },
  /** The GPU's system processor, which runs most of the driver since R510. */
  gsp:               { depth: 'all', ...group({
    firmwareVersion: { label: 'GSP firmware version', ...textOf('deviceGetGspFirmwareVersion') },
    firmwareMode:    { label: 'GSP firmware mode', ...recordOf('deviceGetGspFirmwareMode', { enabled: flag('isEnabled'), defaultEnabled: flag('defaultMode') }) },
  }) },
} as const satisfies Record<string, FieldRow>;

/** What the board has recorded, and what the driver asks to be done with it. */
// biome-ignore format: a table
const UPKEEP = {
  bridgeChips:         { label: 'bridge chips', depth: 'all', ...numberIn('deviceGetBridgeChipInfo', 'bridgeCount') },
  /** nvmlDeviceGetLastBBXFlushTime: when the board's black box was last written, in ms since 1970. */
  lastBlackBoxFlushMs: { label: 'black box', depth: 'all', schema: number },
  /** 0 none ... 5 recover the IMEX domain. */
  recoveryAction:      { label: 'recovery action', depth: 'first', ...field('gpuRecoveryAction') },
  /** What older drivers have instead of the recovery action; newer ones call these two deprecated. */
  resetRequired:       { label: 'reset status', depth: 'all', ...fieldFlag('resetStatus') },
  drainAndResetRecommended: { label: 'drain and reset status', depth: 'all', ...fieldFlag('drainAndResetStatus') },
} as const satisfies Record<string, FieldRow>;

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
  library:             { label: 'library', depth: 'first', counters: true, now: true, schema: text },
  /** That nvmlInit_v2 succeeded; else its return code is the reason. */
  initialized:         { label: 'start', depth: 'first', counters: true, now: true, schema: yes },
  driverVersion:       { label: 'driver version', depth: 'first', schema: text },
  nvmlVersion:         { label: 'NVML version', depth: 'first', schema: text },
  /** As the driver counts it: 13000 is CUDA 13.0. */
  cudaDriverVersion:   { label: 'CUDA version', depth: 'first', schema: number },
  count:               { label: 'count of GPUs', depth: 'first', counters: true, now: true, schema: reading(count) },
  /** nvmlSystemGetNvlinkBwMode: `full` unless someone has set another; Hopper and newer. */
  nvlinkBandwidthMode: { label: 'NVLink bandwidth mode', depth: 'all', schema: text },
  /** nvmlSystemGetCPER_v1: what firmware and driver wrote down of hardware errors. R610, root alone. */
  errorRecords:        { label: 'hardware error records', depth: 'all', schema: reading(errorRecords) },
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
  ...TRAFFIC,
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

/** An answer of an earlier reading, which was not asked for again. */
export const kept = z.object({
  what: publicText,
  /** When the reading began that asked for it. */
  readAtMs: milliseconds,
});
export type Kept = z.infer<typeof kept>;

export const driverState = DriverReadings.extend({
  /** When the reading began. */
  takenAtMs: milliseconds,
  /** Set when NVML did not answer in time: the call it hung in, and for how long we waited. */
  unresponsive: z
    .object({ call: publicText, gpu: count.exactOptional(), waitedMs: z.number() })
    .exactOptional(),
  /** Absent where all was asked for now. */
  kept: z.array(kept).exactOptional(),
  /** One entry per index below count, also for those that give no handle. */
  gpus: z.array(gpuState),
});
export interface DriverState extends Fixed<z.infer<typeof driverState>> {}

/** A driver that did not answer: where it stands in for one that nobody gave, it must not be called that. */
export const isUnanswered = ({ unresponsive, initialized }: DriverState): boolean =>
  unresponsive !== undefined ||
  (!initialized.ok && ['timeout', 'crashed', 'not_read'].includes(initialized.reason));

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
  return {
    ...{ first, all },
    counters: all.filter(field => rows[field].counters),
    now: all.filter(field => rows[field].now),
  };
}
const DRIVER_FIELDS_AT = fieldsOf(DRIVER, DRIVER_FIELDS);
const GPU_FIELDS_AT = fieldsOf(GPU, GPU_FIELDS);

/** The fields that a request reads, of the driver and of every GPU. */
export const fieldsAt = (depth: DriverDepth, also: readonly OnDemand[] = []) => ({
  driver: DRIVER_FIELDS_AT[depth],
  gpu: [...GPU_FIELDS_AT[depth], ...also],
});

const ROWS: Readonly<Record<string, Row>> = { ...DRIVER, ...GPU };

/** A field that was not read: the reason, or for a group the reason of each of its members. */
export function unread(field: DriverField | GpuField, reason: Reading<never>): unknown {
  const schema = ROWS[field]?.schema;
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
