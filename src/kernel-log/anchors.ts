import { BlockFilter, WORD_BYTES_MIN } from './block-filter.ts';

/**
 * What a kernel line must hold to matter for a GPU node: the filter before anything is decoded.
 *
 * Text logs and journals show only lines with one of these; a caller may pass its own list. The
 * search skips by the length of the shortest.
 */
export const KERNEL_ANCHORS: readonly string[] = [
  'NVRM:',
  'NVRM Xid',
  'nvidia',
  'NVLink',
  'NVSwitch',
  'driver interface version',
  'SXid',
  'fallen off the bus',
  'nv_peer_mem',
  'nouveau',
  'vfio-',
  'AER: ',
  'PCIe ',
  'pcieport',
  'error status/mask',
  'DMAR:',
  'AMD-Vi',
  'arm-smmu',
  'oom-kill',
  'Out of memory',
  'out of memory',
  'Killed process',
  'segfault',
  'general protection',
  'traps: ',
  'blocked for more than',
  'lockup',
  'LOCKUP',
  'Hardware Error',
  'Machine check',
  'mce: ',
  'EDAC ',
  'Kernel panic',
  'BUG: ',
  'Oops: ',
  'Linux version',
  'mlx5_core',
  'NIC Link is',
  'NETDEV WATCHDOG',
  'inaccessible',
  'ms after ',
  'nvme nvme',
  'DMI: ',
  '10de:',
  'read-only',
  'readonly',
  'hutting down filesystem',
  'nfs: server',
  // Further lines of messages of the NVIDIA driver, where a log shows them without their start.
  'installed in this system',
  'not responding to commands',
  'this kernel module has',
  'make sure that this',
  'bad state and may need to be reset',
];

/** What `grep -i` finds of an XID, in small letters: looked for in any case. */
export const XID_WORDS: readonly string[] = [
  'nvrm: xid',
  'nvrm xid',
  'nvrm:xid',
  'sxid',
  'nvidia-nvswitch',
  'fallen off the bus',
];

interface Needle {
  readonly bytes: Buffer;
  /** Its letters are small, and stand for capitals too. */
  readonly inAnyCase: boolean;
}

/** Pairs of bytes are told apart by their lower seven bits: 16 KiB, which stay in the L1 cache. */
const PAIRS = 1 << 14;
const pairOf = (first: number, second: number): number => ((first & 127) << 7) | (second & 127);

/** Finds the first of several byte strings, faster than one search for each. */
export class AnchorSet {
  /** How far the window may move by the pair at its end; 0: an anchor may begin at its start. */
  readonly #shifts = new Uint8Array(PAIRS);
  /** 1 where an anchor begins with this pair. */
  readonly #beginnings = new Uint8Array(PAIRS);
  readonly #byBeginning = new Map<number, Needle[]>();
  readonly #window: number;
  /** The length of the anchors that are one byte shorter than the window; 0 where none is. */
  readonly #short: number;
  readonly #everything: boolean;
  readonly #anchors: readonly string[];
  readonly #anyCase: readonly string[];
  readonly #needles: readonly Needle[];
  #blocks: BlockFilter | undefined;

  /**
   * Without any anchor every line is let through.
   *
   * @throws RangeError for an anchor below two bytes, or with a line feed in it.
   */
  constructor(
    anchors: readonly string[] = KERNEL_ANCHORS,
    anyCase: readonly string[] = anchors === KERNEL_ANCHORS ? XID_WORDS : [],
  ) {
    const exact = anchors.map(anchor => ({ bytes: Buffer.from(anchor, 'utf8'), inAnyCase: false }));
    const others = anyCase.map(word => ({ bytes: Buffer.from(word), inAnyCase: true }));
    const needles = [...exact, ...others];
    for (const { bytes } of needles) {
      if (bytes.length < 2 || bytes.includes(0x0a)) {
        throw new RangeError('an anchor has two bytes or more and no line feed');
      }
    }
    this.#anchors = anchors;
    this.#anyCase = anyCase;
    this.#needles = needles;
    this.#everything = anchors.length === 0;
    // One byte may be missing from a short anchor: its window ends in whatever follows.
    const shortest = Math.min(64, ...needles.map(({ bytes }) => bytes.length));
    const longer = needles.filter(({ bytes }) => bytes.length > shortest);
    const next = Math.min(64, ...longer.map(({ bytes }) => bytes.length));
    this.#window = longer.length > 0 && next > 4 ? Math.min(next, shortest + 1) : shortest;
    this.#short = shortest < this.#window ? shortest : 0;
    this.#fillTables(needles);
  }

  /**
   * The offset of the first anchor that lies whole in [from, to), or -1.
   *
   * Wu and Manber's search (1994) with blocks of two bytes: the pair at the window's end tells how
   * far the window may move without missing an anchor's beginning.
   */
  find(bytes: Buffer, from: number, to: number): number {
    if (this.#everything) return from < to ? from : -1;
    const shifts = this.#shifts;
    const window = this.#window;
    let at = from + window - 1;
    while (at < to) {
      const shift = shifts[pairOf(bytes[at - 1] ?? 0, bytes[at] ?? 0)] ?? 1;
      if (shift > 0) {
        at += shift;
        continue;
      }
      const start = at - window + 1;
      if (this.#beginsAt(bytes, start, to)) return start;
      at++;
    }
    const last = to - this.#short;
    return this.#short > 0 && last >= from && this.#beginsAt(bytes, last, to) ? last : -1;
  }

  /** A filter of whole blocks for the same anchors; undefined where there can be none. */
  get blocks(): BlockFilter | undefined {
    const isFit = this.#needles.every(({ bytes }) => bytes.length >= WORD_BYTES_MIN);
    if (this.#everything || !isFit) return undefined;
    this.#blocks ??= BlockFilter.for(this.#needles.map(({ bytes }) => bytes));
    return this.#blocks;
  }

  /** The same set with one more anchor. */
  with(anchor: string): AnchorSet {
    return this.#everything ? this : new AnchorSet([...this.#anchors, anchor], this.#anyCase);
  }

  #beginsAt(bytes: Buffer, start: number, to: number): boolean {
    const pair = pairOf(bytes[start] ?? 0, bytes[start + 1] ?? 0);
    if (this.#beginnings[pair] !== 1) return false;
    for (const needle of this.#byBeginning.get(pair) ?? []) {
      if (start + needle.bytes.length <= to && matchesAt(bytes, start, needle)) return true;
    }
    return false;
  }

  #fillTables(needles: readonly Needle[]): void {
    const window = this.#window;
    this.#shifts.fill(window - 1);
    for (const needle of needles) {
      const { bytes } = needle;
      if (bytes.length < window) {
        for (const last of variants(needle, bytes.length - 1)) {
          for (let next = 0; next < 128; next++) this.#shifts[pairOf(last, next)] = 0;
        }
      }
      for (let at = 0; at + 1 < Math.min(window, bytes.length); at++) {
        for (const pair of pairsAt(needle, at)) {
          this.#shifts[pair] = Math.min(this.#shifts[pair] ?? 0, window - 2 - at);
        }
      }
      for (const beginning of pairsAt(needle, 0)) {
        this.#beginnings[beginning] = 1;
        const others = this.#byBeginning.get(beginning);
        if (others) others.push(needle);
        else this.#byBeginning.set(beginning, [needle]);
      }
    }
  }
}

const CASE = 0x20;
const isLetter = (byte: number): boolean => byte >= 0x61 && byte <= 0x7a;

function variants({ bytes, inAnyCase }: Needle, at: number): readonly number[] {
  const byte = bytes.readUInt8(at);
  return inAnyCase && isLetter(byte) ? [byte, byte - CASE] : [byte];
}

const pairsAt = (needle: Needle, at: number): readonly number[] =>
  variants(needle, at).flatMap(first =>
    variants(needle, at + 1).map(second => pairOf(first, second)),
  );

function matchesAt(text: Buffer, start: number, { bytes, inAnyCase }: Needle): boolean {
  for (let at = 0; at < bytes.length; at++) {
    const found = text[start + at] ?? 0;
    const wanted = bytes[at];
    const small = inAnyCase && isLetter(found | CASE) ? found | CASE : found;
    if (small !== wanted) return false;
  }
  return true;
}
