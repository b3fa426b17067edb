import * as z from 'zod';
import type { MissingReason } from '../../contract/reading.ts';
import { plainText } from '../../contract/untrusted.ts';
import { MigInstanceRow, MigProfileRow } from './mig-rows.ts';

export const count = z
  .number()
  .min(0)
  .max(2 ** 53);
const Memory = z.strictObject({
  totalBytes: count,
  usedBytes: count,
  freeBytes: count,
  reservedBytes: count.optional(),
});
const Mode = z.strictObject({ current: z.boolean(), pending: z.boolean() });
/** A group of readings by their names in the driver's port; what is missing is left out. */
const Group = z.record(z.string(), z.unknown()).optional();

/** Fields of GpuState with the schema of their value; the order is the order of the answer. */
export const FIELDS = {
  name: z.string().optional(),
  uuid: z.string().optional(),
  serial: z.string().optional(),
  boardPartNumber: z.string().optional(),
  brand: z.string().optional(),
  architecture: z.string().optional(),
  computeCapability: z.string().optional(),
  moduleId: count.optional(),
  boardId: count.optional(),
  multiGpuBoard: z.boolean().optional(),
  platform: Group,
  minorNumber: count.optional(),
  vbios: z.string().optional(),
  inforom: Group,
  gsp: Group,
  memory: Memory.optional(),
  bar1: Memory.optional(),
  temperatureC: z.number().optional(),
  memoryTemperatureC: z.number().optional(),
  slowdownTemperatureC: z.number().optional(),
  shutdownTemperatureC: z.number().optional(),
  thermal: Group,
  fanPercents: z.array(z.number()).optional(),
  powerUsageMw: count.optional(),
  powerLimitMw: count.optional(),
  enforcedPowerLimitMw: count.optional(),
  defaultPowerLimitMw: count.optional(),
  power: Group,
  energyMj: count.optional(),
  graphicsClockMhz: count.optional(),
  smClockMhz: count.optional(),
  memoryClockMhz: count.optional(),
  maxGraphicsClockMhz: count.optional(),
  maxSmClockMhz: count.optional(),
  maxMemoryClockMhz: count.optional(),
  applicationGraphicsClockMhz: count.optional(),
  applicationMemoryClockMhz: count.optional(),
  defaultApplicationGraphicsClockMhz: count.optional(),
  defaultApplicationMemoryClockMhz: count.optional(),
  gpuUtilizationPercent: count.optional(),
  memoryUtilizationPercent: count.optional(),
  engines: Group,
  clocksEventReasons: z.array(z.string()).optional(),
  violations: Group,
  performanceState: count.optional(),
  persistenceMode: z.boolean().optional(),
  computeMode: z.string().optional(),
  addressingMode: z.string().optional(),
  virtualizationMode: z.string().optional(),
  hostVgpuMode: z.string().optional(),
  accountingMode: z.boolean().optional(),
  eccMode: Mode.optional(),
  eccCorrectedVolatile: count.optional(),
  eccUncorrectedVolatile: count.optional(),
  eccCorrectedAggregate: count.optional(),
  eccUncorrectedAggregate: count.optional(),
  eccByLocation: Group,
  sramErrors: Group,
  sramUniqueErrors: Group,
  retiredPagesSingleBit: count.optional(),
  retiredPagesDoubleBit: count.optional(),
  retiredPagesPending: z.boolean().optional(),
  remappedRows: z
    .strictObject({
      corrected: count,
      uncorrected: count,
      pending: z.boolean(),
      failureOccurred: z.boolean(),
    })
    .optional(),
  remapHistogram: Group,
  repairPending: Group,
  unrepairableMemory: z.boolean().optional(),
  pcieGenerationCurrent: count.optional(),
  pcieGenerationMax: count.optional(),
  pcieWidthCurrent: count.optional(),
  pcieWidthMax: count.optional(),
  pcieReplayCounter: count.optional(),
  pcieCounters: Group,
  c2c: Group,
  fabric: Group,
  cpuAffinity: z.string().optional(),
  memoryAffinity: z.string().optional(),
  numaNode: count.optional(),
  migMode: Mode.optional(),
  migInstances: z.array(MigInstanceRow).optional(),
  migProfiles: z.array(MigProfileRow).optional(),
  bridgeChips: count.optional(),
  lastBlackBoxFlushMs: count.optional(),
  recoveryAction: count.optional(),
  resetRequired: z.boolean().optional(),
  drainAndResetRecommended: z.boolean().optional(),
} as const;
export type Field = keyof typeof FIELDS;

const isField = (name: string): name is Field => name in FIELDS;
export const ALL_FIELDS: readonly Field[] = Object.keys(FIELDS).filter(isField);

/** What an inventory of few words tells. */
export const SUMMARY_FIELDS: readonly Field[] = [
  'name',
  'uuid',
  'serial',
  'memory',
  'temperatureC',
  'powerUsageMw',
  'enforcedPowerLimitMw',
  'smClockMhz',
  'gpuUtilizationPercent',
  'eccUncorrectedVolatile',
  'pcieGenerationCurrent',
  'pcieWidthCurrent',
  'migMode',
];

/** What tells the health of a GPU. */
export const HEALTH_FIELDS: readonly Field[] = [
  'name',
  'uuid',
  'temperatureC',
  'memoryTemperatureC',
  'slowdownTemperatureC',
  'powerUsageMw',
  'enforcedPowerLimitMw',
  'clocksEventReasons',
  'eccCorrectedVolatile',
  'eccUncorrectedVolatile',
  'eccUncorrectedAggregate',
  'retiredPagesPending',
  'remappedRows',
  'pcieWidthCurrent',
  'pcieWidthMax',
  'pcieReplayCounter',
  'recoveryAction',
];

/** By what a board is known to its maker. */
export const IDENTITY_FIELDS: readonly Field[] = [
  'name',
  'uuid',
  'serial',
  'boardPartNumber',
  'vbios',
];

/** The same, and what it has worn out: for tickets. */
export const TICKET_FIELDS: readonly Field[] = [
  ...IDENTITY_FIELDS,
  'inforom',
  'platform',
  'eccUncorrectedVolatile',
  'eccUncorrectedAggregate',
  'sramErrors',
  'sramUniqueErrors',
  'retiredPagesSingleBit',
  'retiredPagesDoubleBit',
  'retiredPagesPending',
  'remappedRows',
  'remapHistogram',
  'repairPending',
  'recoveryAction',
];

/** Values that were read, and the names of those that were not, under their reasons. */
export interface Told {
  readonly values: Record<string, unknown>;
  readonly unavailable: Partial<Record<MissingReason, string[]>>;
}

/** The values of some members of a record of readings and groups of readings; texts made plain. */
export function told(source: object, names: readonly string[]): Told {
  const members = new Map<string, unknown>(Object.entries(source));
  const values: Record<string, unknown> = {};
  const unavailable: Partial<Record<MissingReason, string[]>> = {};
  const miss = (reason: MissingReason, path: string) => {
    unavailable[reason] = [...(unavailable[reason] ?? []), path];
  };
  for (const name of names) {
    const value = plain(members.get(name), name, miss);
    if (value !== undefined) values[name] = value;
  }
  return { values, unavailable };
}

type Miss = (reason: MissingReason, path: string) => void;

/** A value with the readings inside it replaced by what they hold; empty groups are left out. */
function plain(value: unknown, path: string, miss: Miss): unknown {
  if (typeof value === 'string') return plainText(value, 96);
  if (Array.isArray(value)) return value.map(item => plain(item, path, miss));
  if (typeof value !== 'object' || value === null) return value;
  if ('ok' in value) {
    if (value.ok === true && 'value' in value) return plain(value.value, path, miss);
    miss(isMissing(value) ? value.reason : 'unknown', path);
    return undefined;
  }
  const members = Object.entries(value).flatMap(([key, member]) => {
    const told = plain(member, `${path}.${key}`, miss);
    return told === undefined ? [] : [[key, told] as const];
  });
  return members.length === 0 ? undefined : Object.fromEntries(members);
}

const isMissing = (value: object): value is { reason: MissingReason } => 'reason' in value;
