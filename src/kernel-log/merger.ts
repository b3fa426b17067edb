import type { KernelRecord } from '../contract/kernel-record.ts';
import type { AnchorSet } from './anchors.ts';

/** About 20 MB at most; a node with more lines that matter is past telling them apart. */
const RECORDS_MAX = 100_000;
/** How many equal texts are compared for one record: a flood must not cost its square. */
const COMPARED_MAX = 2_048;
/** A syslog daemon may write a line this much later than the kernel printed it. */
const DELAY_MS = 2_000;

interface Shown {
  readonly bootUs: number | null;
  readonly boot: string | null;
  readonly timeMs: number | null;
  readonly uncertaintyMs: number;
  /** The sources that hold this record; each one matches it once. */
  readonly heldBy: number[];
}

/**
 * Shows a record that several sources hold only once.
 *
 * The same record has the same text, and the same microsecond of the same boot where both sides
 * tell it, else a wall time within what both leave open. A text printed eight times is eight
 * records: each of them is matched once by each other source, in order.
 */
export class Merger {
  readonly #visit: (record: KernelRecord) => void;
  readonly #anchors: AnchorSet;
  readonly #shown = new Map<number, Shown[]>();
  readonly #recordsMax: number;
  #remembered = 0;

  constructor(
    visit: (record: KernelRecord) => void,
    anchors: AnchorSet,
    recordsMax: number = RECORDS_MAX,
  ) {
    this.#visit = visit;
    this.#anchors = anchors;
    this.#recordsMax = recordsMax;
  }

  /** True once there were more records than are remembered: later ones may be shown twice. */
  get full(): boolean {
    return this.#remembered >= this.#recordsMax;
  }

  /** Takes a record of the source with this number. */
  take(record: KernelRecord, source: number): void {
    // Only lines with an anchor come from more than one source; the others need no memory.
    const bytes = Buffer.from(record.text, 'utf8');
    if (this.#anchors.find(bytes, 0, bytes.length) < 0) {
      this.#visit(record);
      return;
    }
    const key = textHash(bytes);
    const equals = this.#shown.get(key);
    const twin = equals && findTwin(equals, record, source);
    if (twin) {
      twin.heldBy.push(source);
      return;
    }
    this.#remember(key, equals, record, source);
    this.#visit(record);
  }

  #remember(key: number, equals: Shown[] | undefined, record: KernelRecord, source: number): void {
    if (this.full) return;
    this.#remembered++;
    const shown: Shown = {
      bootUs: record.bootSeconds === null ? null : Math.round(record.bootSeconds * 1e6),
      boot: record.boot,
      timeMs: record.timeMs,
      uncertaintyMs: record.timeUncertaintyMs ?? 0,
      heldBy: [source],
    };
    if (equals) equals.push(shown);
    else this.#shown.set(key, [shown]);
  }
}

function findTwin(
  equals: readonly Shown[],
  record: KernelRecord,
  source: number,
): Shown | undefined {
  let compared = 0;
  for (const shown of equals) {
    if (shown.heldBy.includes(source)) continue;
    if (++compared > COMPARED_MAX) return undefined;
    if (mayBeTheSame(shown, record)) return shown;
  }
  return undefined;
}

function mayBeTheSame(shown: Shown, record: KernelRecord): boolean {
  if (shown.boot !== null && record.boot !== null && shown.boot !== record.boot) return false;
  const bothBoot = shown.bootUs !== null && record.bootSeconds !== null;
  if (bothBoot) {
    // Files write six digits; 10 µs leave room for those that round.
    const apartUs = Math.abs((shown.bootUs ?? 0) - (record.bootSeconds ?? 0) * 1e6);
    if (apartUs > 10) return false;
    if (shown.boot !== null && record.boot !== null) return true;
  }
  if (shown.timeMs === null || record.timeMs === null) return true;
  const allowedMs = shown.uncertaintyMs + (record.timeUncertaintyMs ?? 0) + DELAY_MS;
  return Math.abs(shown.timeMs - record.timeMs) <= allowedMs;
}

/** Two FNV-1a sums with different beginnings, as one number of 53 bits. */
function textHash(bytes: Buffer): number {
  let low = 0x811c9dc5;
  let high = 0x050c5d1f;
  for (const byte of bytes) {
    low = Math.imul(low ^ byte, 0x01000193);
    high = Math.imul(high ^ byte, 0x01000193);
  }
  return ((high >>> 0) & 0x1f_ffff) * 0x1_0000_0000 + (low >>> 0);
}
