import {
  ERROR_RECORD_CALLS_MAX,
  ERROR_RECORDS_BYTES,
  ERROR_RECORDS_BYTES_MAX,
} from '../../contract/limits.ts';
import { missing, present, type Reading } from '../../contract/reading.ts';
import { FIELD_VALUE_TYPES } from '../table/enums.ts';
import { type FieldAsk, fieldNumber, GPM_METRICS, type GpmMetric } from '../table/field-ids.ts';
import {
  layoutOf,
  readMember,
  readStruct,
  readText,
  sizeOf,
  structBytes,
} from '../table/layout.ts';
import { missingFor, NVML_ERROR_INSUFFICIENT_SIZE, NVML_SUCCESS } from '../table/return-codes.ts';
import {
  isHandle,
  type NvmlFunction,
  type Output,
  type RecordBytes,
  SCALAR_BYTES,
  type Scalar,
  type Struct,
} from '../table/shapes.ts';
import { fieldValue, getCper, gpmMetric, gpmMetricsGet } from '../table/structs.ts';
import { type Argument, inputArguments, type Native } from './arguments.ts';

/** The fields or metrics that a call is to bring: its last input. */
const wanted = <T>(inputs: readonly unknown[]): readonly T[] => {
  const last = inputs.at(-1);
  return Array.isArray(last) ? last : [];
};

/** Calls with zeroed outputs and decodes them: one way for all forms. */
export function callNative(
  native: Native,
  row: NvmlFunction,
  given: readonly unknown[],
  addressOf: AddressOf,
): Reading<unknown> {
  const { output } = row;
  const inputs = inputArguments(row, given);
  const reading = (outputs: readonly Argument[], decode: () => unknown): Reading<unknown> => {
    const code = native(...inputs, ...outputs);
    return code === NVML_SUCCESS ? present(decode()) : missingFor(code);
  };
  switch (output.kind) {
    case 'nothing':
      return reading([], () => true);
    case 'handle': {
      const bytes = Buffer.alloc(8);
      const found = reading([bytes], () => bytes.readBigUInt64LE());
      return found.ok && (typeof found.value !== 'bigint' || !isHandle(found.value))
        ? missing('unknown', 'the library gave a null handle')
        : found;
    }
    case 'scalar': {
      const bytes = Buffer.alloc(SCALAR_BYTES[output.type]);
      return reading([bytes], () => readMember(bytes, 0, output.type));
    }
    case 'scalars': {
      const members = Object.entries(output.members);
      const cells = members.map(([, type]) => Buffer.alloc(SCALAR_BYTES[type]));
      return reading(cells, () =>
        Object.fromEntries(
          members.map(([name, type], place) => [
            name,
            readMember(cells[place] ?? Buffer.alloc(8), 0, type),
          ]),
        ),
      );
    }
    case 'struct': {
      const bytes = structBytes(output.struct);
      return reading([bytes], () => readStruct(bytes, 0, output.struct));
    }
    case 'text':
    case 'unsizedText': {
      const bytes = Buffer.alloc(output.byteSize);
      const size = output.kind === 'text' ? [output.byteSize] : [];
      return reading([bytes, ...size], () => readText(bytes));
    }
    case 'bits': {
      const bytes = Buffer.alloc(output.words * 8);
      const scope = output.scope === undefined ? [] : [output.scope];
      return reading([output.words, bytes, ...scope], () => bitsOf(bytes));
    }
    case 'list':
      return callList(native, inputs, output.item);
    case 'pointedList':
      return callPointedList(native, inputs, output, addressOf);
    case 'records':
      return callRecords(native, String(given[0] ?? ''), addressOf);
    case 'fields':
      return callFields(native, inputs, wanted<FieldAsk>(given));
    case 'metrics':
      return callMetrics(native, inputs, wanted<GpmMetric>(given));
  }
}

/** The places of the set bits, ascending. */
function bitsOf(bytes: Buffer): number[] {
  const set: number[] = [];
  for (const [place, byte] of bytes.entries()) {
    for (let bit = 0; bit < 8; bit++) if ((byte & (1 << bit)) !== 0) set.push(place * 8 + bit);
  }
  return set;
}

/** How many items a list has room for at first, and how often it may grow. */
const LIST_ITEMS = 64;
const LIST_GROWTHS_MAX = 4;

/** Where a buffer lies, for a struct that points to it. V8 moves those of 64 bytes and less. */
export type AddressOf = (bytes: Buffer) => bigint;

const callList = (
  native: Native,
  inputs: readonly (bigint | number)[],
  item: Struct | Scalar,
): Reading<unknown> =>
  growing(item, (bytes, room) => {
    const count = Buffer.alloc(4);
    count.writeUInt32LE(room);
    const code = native(...inputs, count, bytes);
    return { code, counted: count.readUInt32LE() };
  });

/** The same, where count and array stand in a struct. */
function callPointedList(
  native: Native,
  inputs: readonly (bigint | number)[],
  { struct, count, pointer, item, given = {} }: Extract<Output, { kind: 'pointedList' }>,
  addressOf: AddressOf,
): Reading<unknown> {
  const { offsets } = layoutOf(struct);
  const { [count]: countAt = 0, [pointer]: pointerAt = 0 } = offsets;
  return growing(item, (bytes, room) => {
    const header = structBytes(struct);
    for (const [member, value] of Object.entries(given)) {
      header.writeUInt32LE(value, offsets[member] ?? 0);
    }
    header.writeUInt32LE(room, countAt);
    header.writeBigUInt64LE(addressOf(bytes), pointerAt);
    const code = native(...inputs, header);
    return { code, counted: header.readUInt32LE(countAt) };
  });
}

/** The list may grow between two calls: the driver says how long it is, and we ask again. */
function growing(
  item: Struct | Scalar,
  ask: (bytes: Buffer, room: number) => { readonly code: number; readonly counted: number },
): Reading<unknown> {
  const itemBytes = typeof item === 'string' ? sizeOf(item).bytes : item.byteSize;
  let room = LIST_ITEMS;
  for (let growth = 0; ; growth++) {
    const bytes = Buffer.alloc(room * itemBytes);
    const { code, counted } = ask(bytes, room);
    if (code === NVML_SUCCESS) {
      return present(
        Array.from({ length: Math.min(counted, room) }, (_, place) =>
          typeof item === 'string'
            ? readMember(bytes, place * itemBytes, item)
            : readStruct(bytes, place * itemBytes, item),
        ),
      );
    }
    if (code !== NVML_ERROR_INSUFFICIENT_SIZE || growth === LIST_GROWTHS_MAX) {
      return missingFor(code);
    }
    room = Math.max(counted, room * 2);
  }
}

const { offsets: cper } = layoutOf(getCper);
/** NVML_CPER_ACCESS_TYPE_GPU */
const RECORDS_OF_GPUS = 1;

/**
 * Records from the first on: the driver moves the cursor, splits no record, and says 0 bytes where there
 * are no more. Without a buffer it says how many bytes there are. (NVML's change log of R610.)
 */
export function callRecords(
  native: Native,
  uuid: string,
  addressOf: AddressOf,
): Reading<RecordBytes> {
  const asked = structBytes(getCper);
  asked.writeUInt32LE(RECORDS_OF_GPUS, cper['cursor.cperTypeMask'] ?? 0);
  asked.write(uuid.slice(0, 79), cper['cursor.uuid'] ?? 0, 'latin1');
  const ask = (buffer: Buffer | undefined): number => {
    asked.writeBigUInt64LE(buffer ? addressOf(buffer) : 0n, cper['buffer'] ?? 0);
    asked.writeUInt32LE(buffer?.length ?? 0, cper['bufferSize'] ?? 0);
    return native(asked);
  };
  const told = () => asked.readUInt32LE(cper['bufferSize'] ?? 0);
  const none = ask(undefined);
  if (none === NVML_SUCCESS) return present({ hex: '', isWhole: true });
  if (none !== NVML_ERROR_INSUFFICIENT_SIZE) return missingFor(none);
  let hex = '';
  let isWhole = false;
  let room = told();
  for (let calls = 0; calls < ERROR_RECORD_CALLS_MAX; calls++) {
    const left = ERROR_RECORDS_BYTES_MAX - hex.length / 2;
    const buffer = Buffer.alloc(Math.min(left, Math.max(room, ERROR_RECORDS_BYTES)));
    const code = ask(buffer);
    room = told();
    if (code === NVML_SUCCESS) {
      isWhole = room === 0;
      if (isWhole) break;
      hex += buffer.toString('hex', 0, Math.min(room, buffer.length));
    } else if (code !== NVML_ERROR_INSUFFICIENT_SIZE) return missingFor(code);
    else if (room > left || room <= buffer.length) break;
  }
  return present({ hex, isWhole });
}

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
function callMetrics(
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
