import { present, type Reading } from '../../contract/reading.ts';
import { layoutOf, readMember, readStruct, sizeOf, structBytes } from '../table/layout.ts';
import { missingFor, NVML_ERROR_INSUFFICIENT_SIZE, NVML_SUCCESS } from '../table/return-codes.ts';
import type { Output, Scalar, Struct } from '../table/shapes.ts';
import type { Native } from './native-call.ts';

/** How many items a list has room for at first, and how often it may grow. */
const LIST_ITEMS = 64;
const LIST_GROWTHS_MAX = 4;

/** Where a buffer lies, for a struct that points to it. V8 moves those of 64 bytes and less. */
export type AddressOf = (bytes: Buffer) => bigint;

export const callList = (
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
export function callPointedList(
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
