import { missing, present, type Reading } from '../../contract/reading.ts';
import { FIELD_VALUE_TYPES } from '../table/enums.ts';
import { type FieldAsk, fieldNumber } from '../table/field-ids.ts';
import { layoutOf, readStruct } from '../table/layout.ts';
import { missingFor, NVML_SUCCESS } from '../table/return-codes.ts';
import { fieldValue } from '../table/structs.ts';
import type { Native } from './native-call.ts';

const BYTES = fieldValue.byteSize;
const { fieldId = 0, scopeId = 0, value = 0 } = layoutOf(fieldValue).offsets;

/**
 * Asks for any number of fields in one call of nvmlDeviceGetFieldValues. Each carries a return code
 * of its own, and its value in one of seven forms. What nvml.h has no id for is `not_supported`.
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
  const answer = readStruct(bytes, offset, fieldValue);
  if (answer['nvmlReturn'] !== NVML_SUCCESS) return missingFor(Number(answer['nvmlReturn']));
  return decodeFieldValue(bytes.subarray(offset + value), Number(answer['valueType']));
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
