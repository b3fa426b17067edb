import { missing, present, type Reading } from '../../contract/reading.ts';
import { FIELD_VALUE_TYPES } from '../table/enums.ts';
import { type FieldAsk, fieldNumber, GPM_METRICS, type GpmMetric } from '../table/field-ids.ts';
import { layoutOf, readStruct, structBytes } from '../table/layout.ts';
import { missingFor, NVML_SUCCESS } from '../table/return-codes.ts';
import { fieldValue, gpmMetric, gpmMetricsGet } from '../table/structs.ts';
import type { Native } from './arguments.ts';

/** Calls that bring many answers at once, each with a return code of its own. */

/* ---- field values ---- */

const BYTES = fieldValue.byteSize;
const {
  fieldId = 0,
  scopeId = 0,
  valueType = 0,
  nvmlReturn = 0,
  value = 0,
} = layoutOf(fieldValue).offsets;
/** No nvmlReturn_t and no nvmlValueType_t: where it still stands, the driver wrote nothing. */
const UNWRITTEN = 0xffff_ffff;
/** No value either: a number of 32 bits is written over its first half only. */
const UNWRITTEN_VALUE = Buffer.alloc(8, 0xa5);
const NOT_FILLED = 'the driver left the value of this field unwritten';

/**
 * Asks for any number of fields in one call of nvmlDeviceGetFieldValues. Each carries a return code
 * of its own, and its value in one of seven forms. What nvml.h has no id for is `not_supported`, and
 * so is what the driver leaves unwritten: on an H200, 580.159.04 gives NVML_SUCCESS for the whole call
 * and leaves entries as they were where it does not support a neighbour (GPU_WIDE_FIELDS), and says
 * success without a value for ids 3 to 6, 228 and 229 (seen by e2e/gpu).
 */
export function callFields(
  native: Native,
  inputs: readonly (bigint | number)[],
  asks: readonly FieldAsk[],
): Reading<readonly Reading<number>[]> {
  const bytes = Buffer.alloc(asks.length * BYTES);
  for (const [place, ask] of asks.entries()) {
    bytes.writeUInt32LE(fieldNumber(ask) ?? 0, place * BYTES + fieldId);
    bytes.writeUInt32LE(ask.scope, place * BYTES + scopeId);
    bytes.writeUInt32LE(UNWRITTEN, place * BYTES + valueType);
    bytes.writeUInt32LE(UNWRITTEN, place * BYTES + nvmlReturn);
    UNWRITTEN_VALUE.copy(bytes, place * BYTES + value);
  }
  const code = native(...inputs, asks.length, bytes);
  if (code !== NVML_SUCCESS) return missingFor(code);
  return present(
    asks.map((ask, place) =>
      fieldNumber(ask) === undefined ? missing('not_supported') : readField(bytes, place * BYTES),
    ),
  );
}

function readField(bytes: Buffer, offset: number): Reading<number> {
  const code = bytes.readUInt32LE(offset + nvmlReturn);
  if (code === UNWRITTEN) return missing('not_supported', NOT_FILLED);
  if (code !== NVML_SUCCESS) return missingFor(code);
  const type = bytes.readUInt32LE(offset + valueType);
  const union = bytes.subarray(offset + value, offset + value + 8);
  // A cleared entry reads as a double of 0, and no field is known that is a double.
  const isCleared = FIELD_VALUE_TYPES[type] === 'double' && union.every(byte => byte === 0);
  if (type === UNWRITTEN || isCleared || union.equals(UNWRITTEN_VALUE))
    return missing('not_supported', NOT_FILLED);
  return decodeFieldValue(union, type);
}

/** nvmlValue_t is a union: the type word says which bytes of it count. */
function decodeFieldValue(union: Buffer, valueType: number): Reading<number> {
  const type = FIELD_VALUE_TYPES[valueType];
  if (type === undefined) return missing('unreadable', `nvmlValueType_t ${valueType}`);
  switch (type) {
    case 'double':
      return present(union.readDoubleLE());
    case 'uint32':
      return present(union.readUInt32LE());
    case 'int32':
      return present(union.readInt32LE());
    case 'uint16':
      return present(union.readUInt16LE());
    case 'int64':
      return present(Number(union.readBigInt64LE()));
    case 'unsigned long':
    case 'uint64':
      return exact(union.readBigUInt64LE());
  }
}

/** Above 2^53 a number would lie. */
const exact = (count: bigint): Reading<number> =>
  count > BigInt(Number.MAX_SAFE_INTEGER)
    ? missing('unreadable', `0x${count.toString(16)}`)
    : present(Number(count));

/* ---- metrics of GPM ---- */

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
