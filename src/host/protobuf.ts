/**
 * As much of protobuf's wire format as a message of texts and of messages needs: the fields that have
 * a length, by their number. All others are skipped. https://protobuf.dev/programming-guides/encoding
 */
export type Fields = ReadonlyMap<number, readonly Buffer[]>;

/** How many fields of one answer are still looked at: a few bytes of it make an object each. */
export interface FieldBudget {
  left: number;
}

const VARINT_BYTES_MAX = 10;

/** @throws RangeError when the bytes are no message, end within a field, or hold too many. */
export function fieldsIn(message: Buffer, budget: FieldBudget): Fields {
  const fields = new Map<number, Buffer[]>();
  let at = 0;
  const varint = (): number => {
    let value = 0;
    for (let byte = 0; byte < VARINT_BYTES_MAX; byte++) {
      const next = message.readUInt8(at++);
      value += (next & 0x7f) * 2 ** (7 * byte);
      if (next < 0x80) return value;
    }
    throw new RangeError('a number without an end');
  };
  const take = (length: number): Buffer => {
    if (length > message.length - at) throw new RangeError('a field is longer than its message');
    at += length;
    return message.subarray(at - length, at);
  };
  while (at < message.length) {
    if (budget.left-- <= 0) throw new RangeError('too many fields');
    const key = varint();
    const number = Math.floor(key / 8);
    switch (key % 8) {
      case 0:
        varint();
        break;
      case 1:
        take(8);
        break;
      case 2: {
        const bytes = take(varint());
        const same = fields.get(number);
        if (same) same.push(bytes);
        else fields.set(number, [bytes]);
        break;
      }
      case 5:
        take(4);
        break;
      default:
        throw new RangeError(`no field is of type ${key % 8}`);
    }
  }
  return fields;
}
