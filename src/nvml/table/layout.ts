import { type Member, SCALAR_BYTES, type Struct } from './shapes.ts';

export interface Layout {
  readonly byteSize: number;
  readonly offsets: Readonly<Record<string, number>>;
}

const layouts = new WeakMap<Struct, Layout>();

/** The layout of a struct, worked out once. @throws as laidOut. */
export function layoutOf(struct: Struct): Layout {
  const known = layouts.get(struct);
  if (known) return known;
  const layout = laidOut(struct);
  layouts.set(struct, layout);
  return layout;
}

/**
 * Where C puts a struct's members on 64-bit Linux: each at a multiple of its own size (a text at
 * any byte), the whole padded to the widest.
 *
 * @throws Error when the size is not the declared one: then the table is wrong, not the driver.
 */
function laidOut(struct: Struct): Layout {
  const offsets: Record<string, number> = {};
  let end = 0;
  let widest = 1;
  for (const [name, member] of Object.entries(struct.members)) {
    const { bytes, alignment } = sizeOf(member);
    offsets[name] = align(end, alignment);
    end = align(end, alignment) + bytes;
    widest = Math.max(widest, alignment);
  }
  const byteSize = align(end, widest);
  if (byteSize !== struct.byteSize) {
    throw new Error(`${struct.name} has ${byteSize} bytes; structs.ts says ${struct.byteSize}`);
  }
  return { byteSize, offsets };
}

/** The bytes of one member at an offset as its value; texts end at the first NUL. */
export function readMember(
  bytes: Buffer,
  offset: number,
  member: Member,
): number | bigint | string {
  switch (member) {
    case 'uint8':
      return bytes.readUInt8(offset);
    case 'int32':
      return bytes.readInt32LE(offset);
    case 'uint32':
      return bytes.readUInt32LE(offset);
    case 'int64':
      return bytes.readBigInt64LE(offset);
    case 'uint64':
      return bytes.readBigUInt64LE(offset);
    case 'double':
      return bytes.readDoubleLE(offset);
    default: {
      const part = bytes.subarray(offset, offset + sizeOf(member).bytes);
      return member.startsWith('bytes') ? part.toString('hex') : readText(part);
    }
  }
}

/** The struct at an offset as an object of its members. */
export function readStruct(
  bytes: Buffer,
  offset: number,
  struct: Struct,
): Record<string, number | bigint | string> {
  const { offsets } = layoutOf(struct);
  const values: Record<string, number | bigint | string> = {};
  for (const [name, member] of Object.entries(struct.members)) {
    values[name] = readMember(bytes, offset + (offsets[name] ?? 0), member);
  }
  return values;
}

/** A cleared struct with its version word in place, as NVML wants one to fill. */
export function structBytes(struct: Struct): Buffer {
  const bytes = Buffer.alloc(struct.byteSize);
  const { version, bareVersion } = struct;
  if (version !== undefined) bytes.writeUInt32LE(structVersion(struct, version));
  if (bareVersion !== undefined) bytes.writeUInt32LE(bareVersion.number);
  return bytes;
}

/** NVML_STRUCT_VERSION of nvml.h. */
export const structVersion = (struct: Struct, version: number): number =>
  (struct.byteSize | (version << 24)) >>> 0;

export function readText(bytes: Buffer): string {
  const end = bytes.indexOf(0);
  return bytes.toString('utf8', 0, end < 0 ? bytes.length : end);
}

export function sizeOf(member: Member): { bytes: number; alignment: number } {
  switch (member) {
    case 'uint8':
    case 'int32':
    case 'uint32':
    case 'int64':
    case 'uint64':
    case 'double':
      return { bytes: SCALAR_BYTES[member], alignment: SCALAR_BYTES[member] };
    default:
      return { bytes: Number(member.slice(member.indexOf('[') + 1, -1)), alignment: 1 };
  }
}

const align = (offset: number, alignment: number): number =>
  Math.ceil(offset / alignment) * alignment;
