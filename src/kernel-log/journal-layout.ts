/**
 * The layout of systemd's journal files, as systemd.io/JOURNAL_FILE_FORMAT and systemd's
 * journal-def.h describe it. Offsets and sizes are in bytes; all numbers are little endian.
 */
export const SIGNATURE = 'LPKSHHRH';

/** `incompatible_flags` of the header. */
export const INCOMPATIBLE = {
  xz: 1 << 0,
  lz4: 1 << 1,
  keyedHash: 1 << 2,
  zstd: 1 << 3,
  compact: 1 << 4,
} as const;
export const INCOMPATIBLE_KNOWN = 0b11111;

/** struct Header: the fields that we read; `size` is the smallest header there ever was. */
export const HEADER = {
  size: 208,
  compatibleFlags: 8,
  incompatibleFlags: 12,
  state: 16,
  seqnumId: 72,
  headerSize: 88,
  arenaSize: 96,
  fieldHashTableOffset: 120,
  fieldHashTableSize: 128,
  tailObjectOffset: 136,
  nEntries: 152,
  tailEntrySeqnum: 160,
  headEntrySeqnum: 168,
  headEntryRealtime: 184,
  tailEntryRealtime: 192,
} as const;

/** `state` of the header: a file that was not closed was in use or its machine went down. */
export const STATE_ONLINE = 1;

/** ObjectHeader: type, flags, 6 reserved bytes, size. */
export const OBJECT = { size: 16, type: 0, flags: 1, byteSize: 8 } as const;

export const TYPE = { data: 1, field: 2, entry: 3, entryArray: 6, max: 7 } as const;

/** Flags of a DATA object: how its payload is compressed. */
export const COMPRESSED = { xz: 1, lz4: 2, zstd: 4 } as const;

export const DATA = {
  nextFieldOffset: 32,
  entryOffset: 40,
  entryArrayOffset: 48,
  nEntries: 56,
  payload: 64,
  payloadCompact: 72,
} as const;

export const FIELD = { nextHashOffset: 24, headDataOffset: 32, payload: 40 } as const;

export const ENTRY = {
  seqnum: 16,
  realtime: 24,
  monotonic: 32,
  bootId: 40,
  items: 64,
  itemBytes: 16,
  itemBytesCompact: 4,
} as const;

export const ENTRY_ARRAY = { next: 16, items: 24, itemBytes: 8, itemBytesCompact: 4 } as const;

/** A 64-bit number, or -1 where it is larger than a file can be: no offset is negative. */
export function readU64(bytes: Buffer, at: number): number {
  const high = bytes.readUInt32LE(at + 4);
  return high > 0x1f_ffff ? -1 : high * 0x1_0000_0000 + bytes.readUInt32LE(at);
}
