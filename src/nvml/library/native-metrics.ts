import { missing, present, type Reading } from '../../contract/reading.ts';
import { GPM_METRICS, type GpmMetric } from '../table/field-ids.ts';
import { layoutOf, readStruct, structBytes } from '../table/layout.ts';
import { missingFor, NVML_SUCCESS } from '../table/return-codes.ts';
import { gpmMetric, gpmMetricsGet } from '../table/structs.ts';
import type { Native } from './native-call.ts';

const { numMetrics = 0, sample1 = 0, sample2 = 0, metrics = 0 } = layoutOf(gpmMetricsGet).offsets;

/** Asks for any number of metrics between two samples in one call; each has a return code of its own. */
export function callMetrics(
  native: Native,
  [first, second]: readonly (bigint | number)[],
  asked: readonly GpmMetric[],
): Reading<readonly Reading<number>[]> {
  const bytes = structBytes(gpmMetricsGet);
  bytes.writeUInt32LE(asked.length, numMetrics);
  bytes.writeBigUInt64LE(BigInt(first ?? 0), sample1);
  bytes.writeBigUInt64LE(BigInt(second ?? 0), sample2);
  const placeOf = (place: number) => metrics + place * gpmMetric.byteSize;
  for (const [place, metric] of asked.entries()) {
    bytes.writeUInt32LE(GPM_METRICS[metric].number, placeOf(place));
  }
  const code = native(bytes);
  if (code !== NVML_SUCCESS) return missingFor(code);
  return present(
    asked.map((_, place) => {
      const { nvmlReturn, value } = readStruct(bytes, placeOf(place), gpmMetric);
      if (nvmlReturn !== NVML_SUCCESS) return missingFor(Number(nvmlReturn));
      // Two samples with nothing between them give no number.
      return typeof value === 'number' && Number.isFinite(value)
        ? present(value)
        : missing('no_data');
    }),
  );
}
