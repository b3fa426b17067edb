import * as z from 'zod';
import type { MissingReason } from '../../contract/reading.ts';
import { type Shown, shown } from '../../contract/reading-schema.ts';
import { plainText } from '../../contract/untrusted.ts';
import { GPU, type GpuState, SHOWN_FIELDS, type ShownField } from '../../nvml/readings.ts';

export const count = z
  .number()
  .min(0)
  .max(2 ** 53);

export type Field = ShownField;
export const ALL_FIELDS = SHOWN_FIELDS;

/** The values of a GPU's row; each is absent where it was not read. */
export const VALUES = shownValues();
function shownValues(): { [F in Field]: z.ZodOptional<z.ZodType<Shown<GpuState[F]>>> };
function shownValues(): Record<string, z.ZodType> {
  return Object.fromEntries(SHOWN_FIELDS.map(field => [field, shown(GPU[field].schema)]));
}

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
  'eccCorrectedVolatile',
  'eccCorrectedAggregate',
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
interface FieldValues {
  readonly values: Record<string, unknown>;
  readonly unavailable: Partial<Record<MissingReason, string[]>>;
}

/** The values of some members of a record of readings and groups of readings; texts made plain. */
export function fieldValues(source: object, names: readonly string[]): FieldValues {
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
    const inner = plain(member, `${path}.${key}`, miss);
    return inner === undefined ? [] : [[key, inner] as const];
  });
  return members.length === 0 ? undefined : Object.fromEntries(members);
}

const isMissing = (value: object): value is { reason: MissingReason } => 'reason' in value;
