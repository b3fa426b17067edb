import {
  HEADER,
  INCOMPATIBLE,
  INCOMPATIBLE_KNOWN,
  OBJECT,
  readU64,
  SIGNATURE,
  STATE_ONLINE,
  TYPE,
} from './journal-layout.ts';
import { JournalObjects } from './journal-objects.ts';
import type { PagedFile } from './paged-file.ts';

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
