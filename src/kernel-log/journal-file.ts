import {
  COMPRESSED,
  DATA,
  ENTRY,
  ENTRY_ARRAY,
  FIELD,
  HEADER,
  INCOMPATIBLE,
  INCOMPATIBLE_KNOWN,
  OBJECT,
  readU64,
  SIGNATURE,
  STATE_ONLINE,
  TYPE,
} from './journal-layout.ts';
import type { PagedFile } from './paged-file.ts';

interface JournalEntry {
  readonly seqnum: number;
  readonly realtimeUs: number;
  readonly monotonicUs: number;
  /** 32 hex digits. */
  readonly boot: string;
  /** Offsets of its DATA objects. */
  readonly items: readonly number[];
}

interface JournalData {
  readonly payload: Buffer;
  /** COMPRESSED bits; 0 for a plain payload. */
  readonly compression: number;
  /** The whole size of the payload, which may be more than was asked for. */
  readonly payloadBytes: number;
}

/** A DATA object as the index knows it: where it is, and how many entries have it. */
interface IndexedData {
  readonly offset: number;
  readonly entries: number;
}

/** An entry has some thirty fields; more than this is damage. */
const ITEMS_MAX = 4_096;
const CHAIN_MAX = 100_000;

/** The objects of one journal file, and the way from a field's value to the entries that have it. */
class JournalObjects {
  protected readonly file: PagedFile;
  readonly #compact: boolean;
  readonly #table: { readonly offset: number; readonly size: number };

  constructor(
    file: PagedFile,
    header: {
      readonly compact: boolean;
      readonly fieldHashTableOffset: number;
      readonly fieldHashTableSize: number;
    },
  ) {
    this.file = file;
    this.#compact = header.compact;
    this.#table = { offset: header.fieldHashTableOffset, size: header.fieldHashTableSize };
  }

  entry(offset: number): JournalEntry | undefined {
    const size = this.#sizeOf(offset, TYPE.entry);
    const bytes = size === undefined ? undefined : this.file.bytes(offset, size);
    if (!bytes || bytes.length < ENTRY.items) return undefined;
    const items: number[] = [];
    const width = this.#compact ? ENTRY.itemBytesCompact : ENTRY.itemBytes;
    const end = Math.min(bytes.length, ENTRY.items + ITEMS_MAX * width);
    for (let at = ENTRY.items; at + width <= end; at += width) items.push(this.#offset(bytes, at));
    return {
      seqnum: readU64(bytes, ENTRY.seqnum),
      realtimeUs: readU64(bytes, ENTRY.realtime),
      monotonicUs: readU64(bytes, ENTRY.monotonic),
      boot: bytes.toString('hex', ENTRY.bootId, ENTRY.bootId + 16),
      items,
    };
  }

  /** When journald received an entry, in microseconds since 1970, without its items. */
  realtimeUs(offset: number): number | undefined {
    if (!this.#isEntry(offset)) return undefined;
    const bytes = this.file.bytes(offset, ENTRY.items);
    return bytes && readU64(bytes, ENTRY.realtime);
  }

  /** A DATA object's payload (`FIELD=value`), at most `bytesMax` of it, still compressed. */
  data(offset: number, bytesMax: number): JournalData | undefined {
    const head = this.head(offset);
    if (head?.type !== TYPE.data) return undefined;
    const start = this.#compact ? DATA.payloadCompact : DATA.payload;
    const payloadBytes = head.size - start;
    if (payloadBytes < 0) return undefined;
    const payload = this.file.bytes(offset + start, Math.min(payloadBytes, bytesMax));
    const compression = head.flags & (COMPRESSED.xz | COMPRESSED.lz4 | COMPRESSED.zstd);
    return payload && { payload, compression, payloadBytes };
  }

  /**
   * Finds the DATA objects of values such as `_TRANSPORT=kernel`, all of one field, through the
   * table of fields, without hashing. `broken` where the index breaks off before all are found.
   */
  dataOf(
    field: string,
    payloads: readonly string[],
  ): { readonly found: readonly IndexedData[]; readonly broken: boolean } {
    const { offset: table, size } = this.#table;
    for (let at = 0; at < size && at < CHAIN_MAX * 16; at += 16) {
      const bucket = this.file.bytes(table + at, 16);
      if (!bucket) return { found: [], broken: true };
      let object = readU64(bucket, 0);
      for (let steps = 0; object !== 0; steps++) {
        const bytes = this.file.bytes(object, FIELD.payload + field.length);
        if (!bytes || steps > CHAIN_MAX) return { found: [], broken: true };
        const isIt =
          this.#sizeOf(object, TYPE.field) === FIELD.payload + field.length &&
          bytes.toString('latin1', FIELD.payload) === field;
        if (isIt) return this.#among(readU64(bytes, FIELD.headDataOffset), payloads);
        object = readU64(bytes, FIELD.nextHashOffset);
      }
    }
    return { found: [], broken: false };
  }

  #among(first: number, payloads: readonly string[]) {
    const found: IndexedData[] = [];
    const longest = Math.max(...payloads.map(({ length }) => length));
    let data = first;
    for (let steps = 0; data !== 0 && found.length < payloads.length; steps++) {
      const bytes = this.file.bytes(data, DATA.payload);
      const value = this.data(data, longest);
      if (!bytes || !value || steps > CHAIN_MAX) return { found, broken: true };
      const text = value.payload.toString('latin1');
      if (value.payloadBytes === text.length && payloads.includes(text)) {
        found.push({ offset: data, entries: readU64(bytes, DATA.nEntries) });
      }
      data = readU64(bytes, DATA.nextFieldOffset);
    }
    return { found, broken: false };
  }

  /**
   * The entries that have a DATA object, in the order of the file, as far as the index leads. Whole
   * arrays of entries before `sinceUs` are left out unread.
   */
  *indexed(data: number, sinceUs = 0): Generator<number> {
    const bytes = this.file.bytes(data, DATA.payload);
    if (!bytes) return;
    const first = readU64(bytes, DATA.entryOffset);
    if (!this.#isEntry(first)) return;
    yield first;
    const width = this.#compact ? ENTRY_ARRAY.itemBytesCompact : ENTRY_ARRAY.itemBytes;
    for (let array = readU64(bytes, DATA.entryArrayOffset); array > 0; ) {
      const head = this.file.bytes(array, ENTRY_ARRAY.items);
      const size = this.#sizeOf(array, TYPE.entryArray);
      if (!head || size === undefined) return;
      const next = readU64(head, ENTRY_ARRAY.next);
      const isOver = sinceUs > 0 && next > array && this.#beginsBefore(next, sinceUs);
      for (let at = ENTRY_ARRAY.items; !isOver && at + width <= size; at += width) {
        const item = this.file.bytes(array + at, width);
        const entry = item ? this.#offset(item, 0) : -1;
        if (entry === 0) return;
        if (!this.#isEntry(entry)) return;
        yield entry;
      }
      // Arrays are only ever appended: a chain that goes back is damaged and would not end.
      if (next !== 0 && next <= array) return;
      array = next;
    }
  }

  #beginsBefore(array: number, sinceUs: number): boolean {
    const item = this.file.bytes(array + ENTRY_ARRAY.items, 8);
    const timeUs = item && this.realtimeUs(this.#offset(item, 0));
    return timeUs !== undefined && timeUs < sinceUs;
  }

  #isEntry(offset: number): boolean {
    return offset > 0 && this.#sizeOf(offset, TYPE.entry) !== undefined;
  }

  #sizeOf(offset: number, type: number): number | undefined {
    const head = this.head(offset);
    if (head?.type !== type || offset + head.size > this.file.byteSize) return undefined;
    return head.size;
  }

  protected head(offset: number): { type: number; flags: number; size: number } | undefined {
    const bytes = this.file.bytes(offset, OBJECT.size);
    if (!bytes) return undefined;
    return {
      type: bytes.readUInt8(OBJECT.type),
      flags: bytes.readUInt8(OBJECT.flags),
      size: readU64(bytes, OBJECT.byteSize),
    };
  }

  #offset(bytes: Buffer, at: number): number {
    return this.#compact ? bytes.readUInt32LE(at) : readU64(bytes, at);
  }
}

export interface JournalHeader {
  readonly compact: boolean;
  /** Flags that this reader does not know: the file must not be read. */
  readonly unknownFlags: number;
  readonly online: boolean;
  /** 32 hex digits; files of one journal share it, and their sequence numbers go on. */
  readonly seqnumId: string;
  readonly headerSize: number;
  readonly fieldHashTableOffset: number;
  readonly fieldHashTableSize: number;
  readonly tailObjectOffset: number;
  readonly entries: number;
  readonly headSeqnum: number;
  readonly tailSeqnum: number;
  readonly headTimeMs: number;
  readonly tailTimeMs: number;
}

const KERNEL = '_TRANSPORT=kernel';

/** The header, or undefined where the file is no journal. */
export function readJournalHeader(file: PagedFile): JournalHeader | undefined {
  const bytes = file.bytes(0, HEADER.size);
  if (!bytes || bytes.toString('latin1', 0, 8) !== SIGNATURE) return undefined;
  const flags = bytes.readUInt32LE(HEADER.incompatibleFlags);
  return {
    compact: (flags & INCOMPATIBLE.compact) !== 0,
    unknownFlags: flags & ~INCOMPATIBLE_KNOWN,
    online: bytes.readUInt8(HEADER.state) === STATE_ONLINE,
    seqnumId: bytes.toString('hex', HEADER.seqnumId, HEADER.seqnumId + 16),
    headerSize: readU64(bytes, HEADER.headerSize),
    fieldHashTableOffset: readU64(bytes, HEADER.fieldHashTableOffset),
    fieldHashTableSize: readU64(bytes, HEADER.fieldHashTableSize),
    tailObjectOffset: readU64(bytes, HEADER.tailObjectOffset),
    entries: readU64(bytes, HEADER.nEntries),
    headSeqnum: readU64(bytes, HEADER.headEntrySeqnum),
    tailSeqnum: readU64(bytes, HEADER.tailEntrySeqnum),
    headTimeMs: readU64(bytes, HEADER.headEntryRealtime) / 1_000,
    tailTimeMs: readU64(bytes, HEADER.tailEntryRealtime) / 1_000,
  };
}

/**
 * Reads the kernel's entries of one journal file, the way the index leads, and object by object
 * from where the index breaks off: a file that was cut or not closed gives all that is there.
 */
export class JournalFile extends JournalObjects {
  readonly header: JournalHeader;
  /** Set once a part could not be read: at which byte. */
  damagedAt: number | undefined;

  constructor(file: PagedFile, header: JournalHeader) {
    super(file, header);
    this.header = header;
  }

  /** Offsets of the entries whose transport is the kernel, in the order of the file. */
  *kernelEntries(): Generator<number> {
    const { found, broken } = this.dataOf('_TRANSPORT', [KERNEL]);
    const [kernel] = found;
    if (!kernel) {
      if (broken) yield* this.#walk(this.header.headerSize, undefined, 0);
      return;
    }
    let last = 0;
    let count = 0;
    for (const offset of this.indexed(kernel.offset)) {
      if (offset <= last) continue;
      last = offset;
      count++;
      yield offset;
    }
    if (count >= kernel.entries) return;
    const from = last === 0 ? this.header.headerSize : last;
    yield* this.#walk(from, kernel.offset, last);
  }

  /** Goes over the objects one by one from `from`, and gives the kernel's entries behind `after`. */
  *#walk(from: number, kernelData: number | undefined, after: number): Generator<number> {
    let kernel = kernelData;
    let offset = from;
    while (offset < this.file.byteSize) {
      const head = this.head(offset);
      if (!head || head.type === 0 || head.type > TYPE.max || head.size < OBJECT.size) break;
      if (head.type === TYPE.data && head.size < 128) {
        const data = this.data(offset, KERNEL.length + 1);
        if (data?.payload.toString('latin1') === KERNEL) kernel = offset;
      }
      if (head.type === TYPE.entry && offset > after && kernel !== undefined) {
        if (this.entry(offset)?.items.includes(kernel)) yield offset;
      }
      if (offset >= this.header.tailObjectOffset) return;
      // Objects begin at multiples of eight bytes.
      offset += Math.ceil(head.size / 8) * 8;
    }
    this.damagedAt = Math.min(offset, this.file.byteSize);
  }
}
