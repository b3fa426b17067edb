import { missing, present, type Reading } from '../../contract/reading.ts';
import type { FieldAsk, GpmMetric } from '../table/field-ids.ts';
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
  SCALAR_BYTES,
  type Scalar,
  type Struct,
} from '../table/shapes.ts';
import { type Argument, inputArguments, type Native } from './arguments.ts';
import { callFields, callMetrics } from './many-answers.ts';

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
    case 'text': {
      const bytes = Buffer.alloc(output.byteSize);
      return reading([bytes, output.byteSize], () => readText(bytes));
    }
    case 'unsizedText': {
      const bytes = Buffer.alloc(output.byteSize);
      return reading([bytes], () => readText(bytes));
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
