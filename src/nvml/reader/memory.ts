import { mapReading, present, type Reading } from '../../contract/reading.ts';
import type { Memory, SramUniqueErrors } from '../readings.ts';
import { structVersion } from '../table/layout.ts';
import type { Handle } from '../table/shapes.ts';
import { unrepairableMemory } from '../table/structs.ts';
import type { Asker } from './ask.ts';
import { isOlder } from './steps.ts';

/** A GPU's memory, and what is wrong with it beyond a count. */

/** Frame-buffer memory: v2, which tells the reserved part; v1 where the driver is older than R510. */
export function readMemory(ask: Asker, gpu: Handle): Reading<Memory> {
  const v2 = ask.call('deviceGetMemoryInfo', gpu);
  if (v2.ok || !isOlder(v2)) {
    return mapReading(v2, ({ total, used, free, reserved }) => ({
      totalBytes: Number(total),
      usedBytes: Number(used),
      freeBytes: Number(free),
      reservedBytes: Number(reserved),
    }));
  }
  return mapReading(ask.call('deviceGetMemoryInfoV1', gpu), ({ total, used, free }) => ({
    totalBytes: Number(total),
    usedBytes: Number(used),
    freeBytes: Number(free),
  }));
}

export const readBar1 = (ask: Asker, gpu: Handle): Reading<Memory> =>
  mapReading(ask.call('deviceGetBAR1MemoryInfo', gpu), ({ bar1Total, bar1Used, bar1Free }) => ({
    totalBytes: Number(bar1Total),
    usedBytes: Number(bar1Used),
    freeBytes: Number(bar1Free),
  }));

/** Only where the GPU counts an uncorrected error: no error has no address, and costs no call. */
export function readSramUniqueErrors(ask: Asker, gpu: Handle): Reading<SramUniqueErrors> {
  const status = ask.call('deviceGetSramEccErrorStatus', gpu);
  if (!status.ok) return status;
  const { aggregateUncParity, aggregateUncSecDed, volatileUncParity, volatileUncSecDed } =
    status.value;
  const errors = aggregateUncParity + aggregateUncSecDed + volatileUncParity + volatileUncSecDed;
  if (errors === 0n) return present({ addresses: 0, worst: [] });
  return mapReading(
    ask.call('deviceGetSramUniqueUncorrectedEccErrorCounts', gpu),
    (entries): SramUniqueErrors => ({
      addresses: entries.length,
      worst: entries
        .toSorted((a, b) => b.count - a.count)
        .slice(0, WORST_ADDRESSES)
        .map(({ isParity, ...place }) => ({ ...place, parity: isParity !== 0 })),
    }),
  );
}

const WORST_ADDRESSES = 8;

const UNREPAIRABLE_V1 = structVersion(unrepairableMemory, unrepairableMemory.version);

/** A driver that takes no version word has put the flag in its place. */
export const readUnrepairableMemory = (ask: Asker, gpu: Handle): Reading<boolean> =>
  mapReading(
    ask.call('deviceGetUnrepairableMemoryFlag', gpu),
    ({ version, bUnrepairableMemory }) =>
      bUnrepairableMemory !== 0 || (version !== UNREPAIRABLE_V1 && version !== 0),
  );
