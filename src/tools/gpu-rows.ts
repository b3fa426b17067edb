import * as z from 'zod';
import { UsageError } from '../contract/errors.ts';
import { pciKey } from '../contract/pci.ts';
import { known, MISSING_REASONS, type MissingReason, type Reading } from '../contract/reading.ts';
import { plainText } from '../contract/untrusted.ts';
import type { NodeFacts } from '../findings/facts.ts';
import { certainPlace, namelessGpus, unaccountedPcis } from '../findings/places.ts';
import type { HostState } from '../host/port.ts';
import type { GpuState } from '../nvml/port.ts';

const count = z
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

/** Fields of GpuState with the schema of their value; the order is the order of the answer. */
const FIELDS = {
  name: z.string().optional(),
  uuid: z.string().optional(),
  serial: z.string().optional(),
  minorNumber: count.optional(),
  vbios: z.string().optional(),
  memory: Memory.optional(),
  bar1: Memory.optional(),
  temperatureC: z.number().optional(),
  slowdownTemperatureC: z.number().optional(),
  shutdownTemperatureC: z.number().optional(),
  powerUsageMw: count.optional(),
  powerLimitMw: count.optional(),
  enforcedPowerLimitMw: count.optional(),
  defaultPowerLimitMw: count.optional(),
  graphicsClockMhz: count.optional(),
  smClockMhz: count.optional(),
  memoryClockMhz: count.optional(),
  maxGraphicsClockMhz: count.optional(),
  maxSmClockMhz: count.optional(),
  maxMemoryClockMhz: count.optional(),
  applicationGraphicsClockMhz: count.optional(),
  applicationMemoryClockMhz: count.optional(),
  gpuUtilizationPercent: count.optional(),
  memoryUtilizationPercent: count.optional(),
  clocksEventReasons: z.array(z.string()).optional(),
  performanceState: count.optional(),
  persistenceMode: z.boolean().optional(),
  computeMode: z.string().optional(),
  eccMode: Mode.optional(),
  eccCorrectedVolatile: count.optional(),
  eccUncorrectedVolatile: count.optional(),
  eccCorrectedAggregate: count.optional(),
  eccUncorrectedAggregate: count.optional(),
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
  pcieGenerationCurrent: count.optional(),
  pcieGenerationMax: count.optional(),
  pcieWidthCurrent: count.optional(),
  pcieWidthMax: count.optional(),
  pcieReplayCounter: count.optional(),
  migMode: Mode.optional(),
  recoveryAction: count.optional(),
} as const;
type Field = keyof typeof FIELDS;

/** What a listed schema says of a row; the other readings are named in the descriptions. */
export const GPU_ROW_KEYS = ['index', 'pci', 'error', 'name', 'uuid'];

/**
 * One GPU of an answer. A value that could not be read is absent, and its name stands under its
 * reason in `unavailable`; a GPU that cannot be opened has `error` and what other layers know.
 */
export const GpuRow = z
  .strictObject({
    index: z.int().min(0).max(1024).optional(),
    pci: z.string().optional(),
    error: z.string().optional(),
    ...FIELDS,
    processes: z
      .array(
        z.strictObject({
          pid: z.int(),
          kind: z.enum(['compute', 'graphics']),
          name: z.string().optional(),
          usedBytes: count.optional(),
          gpuInstance: count.optional(),
          computeInstance: count.optional(),
        }),
      )
      .optional(),
    unavailable: z.partialRecord(z.enum(MISSING_REASONS), z.array(z.string())).optional(),
  })
  .meta({ listedKeys: GPU_ROW_KEYS });
export type GpuRow = z.infer<typeof GpuRow>;

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
export const HEALTH_FIELDS: readonly Field[] = [
  'name',
  'uuid',
  'temperatureC',
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
const isField = (name: string): name is Field => name in FIELDS;
export const ALL_FIELDS: readonly Field[] = Object.keys(FIELDS).filter(isField);

/**
 * The GPUs of the node, also those that the driver cannot open or does not count: a broken GPU is
 * a row with its error and never a missing row.
 */
export function gpuRows(facts: NodeFacts, fields: readonly Field[]): readonly GpuRow[] {
  const { driver, host } = facts;
  const certain = certainPlace(facts);
  const rows = driver.gpus.map(gpu => gpuRow(gpu, known(gpu.pci) ?? certain, fields, host));
  const error = driver.initialized.ok ? 'not_counted_by_driver' : driver.initialized.reason;
  // As many addresses as there are nameless GPUs are those GPUs, whichever is which.
  const others = unaccountedPcis(facts).slice(namelessGpus(facts).length);
  return [...rows, ...others.map(pci => GpuRow.parse({ pci, error, ...identity(host, pci) }))];
}

function gpuRow(
  gpu: GpuState,
  pci: string | undefined,
  fields: readonly Field[],
  host: HostState,
): GpuRow {
  const place = { index: gpu.index, ...(pci === undefined ? {} : { pci }) };
  if (!gpu.handle.ok) {
    return GpuRow.parse({
      ...place,
      error: gpu.handle.reason,
      ...(pci === undefined ? {} : identity(host, pci)),
    });
  }
  const values: Record<string, unknown> = {};
  const unavailable: Partial<Record<MissingReason, string[]>> = {};
  for (const field of fields) {
    const reading: Reading<unknown> = gpu[field];
    if (reading.ok) {
      values[field] =
        typeof reading.value === 'string' ? plainText(reading.value, 96) : reading.value;
    } else {
      unavailable[reading.reason] = [...(unavailable[reading.reason] ?? []), field];
    }
  }
  return GpuRow.parse({
    ...place,
    ...values,
    ...(Object.keys(unavailable).length === 0 ? {} : { unavailable }),
  });
}

/** What the kernel module and the bus still know of a GPU that the driver cannot open. */
function identity(host: HostState, pci: string): { name?: string; uuid?: string } {
  const listed = known(host.driverGpus)?.find(gpu => gpu.pci === pci);
  const name = listed && known(listed.model);
  const uuid = listed && known(listed.uuid);
  return {
    ...(name === undefined ? {} : { name: plainText(name, 96) }),
    ...(uuid === undefined ? {} : { uuid: plainText(uuid, 48) }),
  };
}

/**
 * The rows that a selector names: an index, a UUID or a PCI address.
 *
 * @throws UsageError when no GPU of this node fits.
 */
export function selectRows(
  rows: readonly GpuRow[],
  selector: string | undefined,
): readonly GpuRow[] {
  if (selector === undefined) return rows;
  const pci = pciKey(selector);
  const found = rows.filter(
    row =>
      String(row.index) === selector ||
      row.uuid?.toLowerCase() === selector.toLowerCase() ||
      (pci !== undefined && row.pci === pci),
  );
  if (found.length > 0) return found;
  const names = rows.map(row => row.index ?? row.pci ?? row.uuid).join(', ');
  throw new UsageError(
    `no GPU "${plainText(selector, 48)}" on this node`,
    `use an index, a UUID or a PCI address; here are ${names === '' ? 'no GPUs' : names}`,
  );
}

/** The input field that selects one GPU. */
export const gpuSelector = z
  .string()
  .min(1)
  .max(64)
  .optional()
  .describe('One GPU by index, UUID or PCI address; absent: all.');
