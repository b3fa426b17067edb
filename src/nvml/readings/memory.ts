import * as z from 'zod';
import { type Fixed, reading, yesOrNo } from '../../contract/reading-schema.ts';
import { amount, type FieldRow, flag, flagOf, group, lengthOf, numberOf, recordOf } from './row.ts';

/** In bytes. `reserved` is what the driver keeps; only memory v2 has it. */
const memory = z.object({
  totalBytes: z.number(),
  usedBytes: z.number(),
  freeBytes: z.number(),
  reservedBytes: z.number().exactOptional(),
});
export type Memory = Fixed<z.infer<typeof memory>>;

/** How much memory a GPU has, and the window through which others see it. */
// biome-ignore format: a table
export const MEMORY = {
  /** nvmlDeviceGetMemoryInfo_v2, or the older call. */
  memory: { label: 'memory', depth: 'first', now: true, schema: reading(memory) },
  bar1:   { label: 'BAR1 memory', depth: 'first', ...recordOf('deviceGetBAR1MemoryInfo', {
    totalBytes: amount('bar1Total'), usedBytes: amount('bar1Used'), freeBytes: amount('bar1Free'),
  }) },
} as const satisfies Record<string, FieldRow>;

/** Addresses of SRAM that had uncorrected errors: one that comes again is a broken cell, not a stray particle. */
const sramUniqueErrors = z.object({
  addresses: z.number(),
  /** Most errors first; eight at most. */
  worst: z.array(
    z.object({
      unit: z.number(),
      location: z.number(),
      sublocation: z.number(),
      extlocation: z.number(),
      address: z.number(),
      parity: z.boolean(),
      count: z.number(),
    }),
  ),
});
export type SramUniqueErrors = Fixed<z.infer<typeof sramUniqueErrors>>;

/**
 * Errors of a GPU's memory and its repairs. Volatile counts are since the driver took the GPU,
 * aggregate ones since it was built.
 */
// biome-ignore format: a table
export const MEMORY_ERRORS = {
  eccMode:                 { label: 'ECC mode', depth: 'first', ...recordOf('deviceGetEccMode', { current: flag('current'), pending: flag('pending') }) },
  eccCorrectedVolatile:    { label: 'corrected ECC errors', depth: 'first', counters: true, ...numberOf('deviceGetTotalEccErrors', 'corrected', 'volatile') },
  eccUncorrectedVolatile:  { label: 'ECC', depth: 'first', ...numberOf('deviceGetTotalEccErrors', 'uncorrected', 'volatile') },
  eccCorrectedAggregate:   { label: 'lifetime corrected ECC errors', depth: 'first', ...numberOf('deviceGetTotalEccErrors', 'corrected', 'aggregate') },
  eccUncorrectedAggregate: { label: 'lifetime uncorrected ECC errors', depth: 'first', ...numberOf('deviceGetTotalEccErrors', 'uncorrected', 'aggregate') },
  eccByLocation:           { depth: 'all', ...group({
    sramCorrectedVolatile:    { label: 'corrected SRAM errors', ...numberOf('deviceGetMemoryErrorCounter', 'corrected', 'volatile', 'sram') },
    sramUncorrectedVolatile:  { label: 'SRAM errors', ...numberOf('deviceGetMemoryErrorCounter', 'uncorrected', 'volatile', 'sram') },
    sramCorrectedAggregate:   { label: 'lifetime corrected SRAM errors', ...numberOf('deviceGetMemoryErrorCounter', 'corrected', 'aggregate', 'sram') },
    sramUncorrectedAggregate: { label: 'lifetime SRAM errors', ...numberOf('deviceGetMemoryErrorCounter', 'uncorrected', 'aggregate', 'sram') },
    dramCorrectedVolatile:    { label: 'corrected DRAM errors', ...numberOf('deviceGetMemoryErrorCounter', 'corrected', 'volatile', 'dram') },
    dramUncorrectedVolatile:  { label: 'DRAM errors', ...numberOf('deviceGetMemoryErrorCounter', 'uncorrected', 'volatile', 'dram') },
    dramCorrectedAggregate:   { label: 'lifetime corrected DRAM errors', ...numberOf('deviceGetMemoryErrorCounter', 'corrected', 'aggregate', 'dram') },
    dramUncorrectedAggregate: { label: 'lifetime DRAM errors', ...numberOf('deviceGetMemoryErrorCounter', 'uncorrected', 'aggregate', 'dram') },
  }) },
  /** SRAM errors by kind, and by part of the chip. Ampere and newer, R550. */
  sramErrors:              { label: 'SRAM errors', depth: 'all', ...recordOf('deviceGetSramEccErrorStatus', {
    parityUncorrectedVolatile:  amount('volatileUncParity'),
    secDedUncorrectedVolatile:  amount('volatileUncSecDed'),
    correctedVolatile:          amount('volatileCor'),
    parityUncorrectedAggregate: amount('aggregateUncParity'),
    secDedUncorrectedAggregate: amount('aggregateUncSecDed'),
    correctedAggregate:         amount('aggregateCor'),
    /** Aggregate uncorrected, by part. */
    l2:                         amount('aggregateUncBucketL2'),
    sm:                         amount('aggregateUncBucketSm'),
    pcie:                       amount('aggregateUncBucketPcie'),
    microcontroller:            amount('aggregateUncBucketMcu'),
    other:                      amount('aggregateUncBucketOther'),
    /** The driver's own verdict: so many that the board should be tested and replaced. */
    thresholdExceeded:          flag('bThresholdExceeded'),
  }) },
  /** nvmlDeviceGetSramUniqueUncorrectedEccErrorCounts; none where `sramErrors` counts no uncorrected error. */
  sramUniqueErrors:        { label: 'addresses of SRAM errors', depth: 'all', schema: reading(sramUniqueErrors) },
  retiredPagesSingleBit:   { label: 'retired pages', depth: 'first', ...lengthOf('deviceGetRetiredPages', 'singleBit') },
  retiredPagesDoubleBit:   { label: 'retired pages', depth: 'first', ...lengthOf('deviceGetRetiredPages', 'doubleBit') },
  retiredPagesPending:     { label: 'page retirement', depth: 'first', ...flagOf('deviceGetRetiredPagesPendingStatus') },
  remappedRows:            { label: 'row remap', depth: 'first', ...recordOf('deviceGetRemappedRows', {
    corrected: amount('corrected'), uncorrected: amount('uncorrected'),
    pending: flag('pending'), failureOccurred: flag('failureOccurred'),
  }) },
  /** How many banks have so many spare rows left: `max` all of them, `none` not one. */
  remapHistogram:          { label: 'row remap histogram', depth: 'all', ...recordOf('deviceGetRowRemapperHistogram', {
    max: amount('max'), high: amount('high'), partial: amount('partial'), low: amount('low'), none: amount('none'),
  }) },
  /** Whole banks of memory that spare ones stand in for, by groups that share their spares. Rubin and newer, R615. */
  bankRemapper:            { label: 'bank remapper', depth: 'all', ...recordOf('deviceGetBankRemapperStatus', {
    active: amount('activeRemappings'), inactive: amount('inactiveRemappings'), pending: flag('bPending'),
    groupsWithAllSpares: amount('histogram.maxSpareGroupCount'), groupsWithoutSpare: amount('histogram.noSpareGroupCount'),
  }) },
  /** Repairs that wait for a reset: of a memory channel, of a texture processing cluster. */
  repairPending:           { label: 'pending repair', depth: 'all', ...recordOf('deviceGetRepairStatus', { channel: flag('bChannelRepairPending'), tpc: flag('bTpcRepairPending') }) },
  /** nvmlDeviceGetUnrepairableMemoryFlag_v1 */
  unrepairableMemory:      { label: 'unrepairable memory', depth: 'all', schema: yesOrNo },
} as const satisfies Record<string, FieldRow>;
