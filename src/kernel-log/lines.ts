import { AnchorSet, XID_WORDS } from './anchors.ts';
import { BLOCK_BYTES, type BlockFilter } from './block-filter.ts';

/** A longer line is cut here and counted; no kernel line comes near. */
export const LINE_BYTES_MAX = 64 * 1024;

const LINE_FEED = 0x0a;
const CARRIAGE_RETURN = 0x0d;

/** How much of what stands before a line is shown with it: a record of the kernel is shorter. */
const BEFORE_BYTES_MAX = 2048;
/** What a plain search looks for; the longest has 18 bytes. */
export const XID_ANCHORS = new AnchorSet(['SXid'], XID_WORDS);
const OVERLAP = 17;
const NOTHING: Buffer = Buffer.alloc(0);

/** A line without its end, and what stands around it. */
export interface SeenLine {
  readonly bytes: Buffer;
  /** Counted from 1. */
  readonly number: number;
  readonly cut: boolean;
  /** The end of what stands before it, with its line feeds. */
  readonly before: Buffer;
  /** An XID stands behind the place where the line was cut. */
  readonly isHidden: boolean;
}

interface Block {
  readonly chunk: Buffer;
  readonly from: number;
  readonly to: number;
  /** Holds the block; absent where its lines are looked at without. */
  readonly filter: BlockFilter | undefined;
}

/** Gives how many of the lines that follow must be shown too, whether they hold an anchor or not. */
export type LineVisit = (line: SeenLine) => number;

/**
 * Finds the lines that hold an anchor in a stream of chunks, in one pass over the bytes.
 *
 * A line that lies whole in a chunk is never copied; only the unfinished last line of a chunk is
 * kept, in one buffer of a fixed size. So memory does not grow with the stream.
 */
export class LineScanner {
  /** Lines seen so far, also those without an anchor; the last one needs no line feed. */
  lines = 0;
  /** Lines that were longer than the limit. */
  cut = 0;
  readonly #anchors: AnchorSet;
  readonly #visit: LineVisit;
  readonly #lineBytesMax: number;
  readonly #rest: Buffer;
  #restLength = 0;
  #restOpen = false;
  #restCut = false;
  #restHides = false;
  #beyond = NOTHING;
  #before = NOTHING;
  #following = 0;

  constructor(anchors: AnchorSet, visit: LineVisit, lineBytesMax = LINE_BYTES_MAX) {
    this.#anchors = anchors;
    this.#visit = visit;
    this.#lineBytesMax = lineBytesMax;
    this.#rest = Buffer.alloc(lineBytesMax);
  }

  /** Takes the next chunk; the lines shown are views into it and valid only during the visit. */
  push(chunk: Buffer): void {
    let from = 0;
    if (this.#restOpen) {
      const end = chunk.indexOf(LINE_FEED);
      this.#keep(end < 0 ? chunk : chunk.subarray(0, end));
      if (end < 0) return;
      this.#finishRest();
      from = end + 1;
    }
    const to = chunk.lastIndexOf(LINE_FEED) + 1;
    if (to > from) this.#scan(chunk, from, to);
    const rest = chunk.subarray(Math.max(from, to));
    if (rest.length > 0) this.#keep(rest);
  }

  /** The stream is over: its last line may lack a line feed. */
  end(): void {
    if (this.#restOpen) this.#finishRest();
  }

  /** Whole lines, in blocks of whole lines that the filter takes; a longer line is its own block. */
  #scan(chunk: Buffer, from: number, to: number): void {
    const filter = this.#anchors.blocks;
    for (let at = from; at < to; ) {
      const end = chunk.lastIndexOf(LINE_FEED, Math.min(to, at + BLOCK_BYTES) - 1) + 1;
      const isFit = filter !== undefined && end > at;
      const block = {
        chunk,
        from: at,
        to: isFit ? end : filter ? chunk.indexOf(LINE_FEED, at) + 1 : to,
        filter: isFit ? filter : undefined,
      };
      block.filter?.load(chunk.subarray(at, end));
      this.#scanBlock(block, from);
      at = block.to;
    }
    this.#before = Buffer.from(this.#beforeOf(chunk, to, from));
  }

  #scanBlock(block: Block, scanned: number): void {
    const { chunk, from, to } = block;
    let counted = from;
    let at = from;
    while (at < to) {
      const hit = this.#following > 0 ? at : this.#hitIn(block, at);
      if (hit < 0) break;
      const start =
        hit === counted ? hit : Math.max(counted, chunk.lastIndexOf(LINE_FEED, hit - 1) + 1);
      const end = chunk.indexOf(LINE_FEED, hit);
      this.#count(block, counted, start);
      counted = start;
      this.#following = Math.max(0, this.#following - 1);
      this.#show(chunk.subarray(start, end), this.#beforeOf(chunk, start, scanned));
      at = end + 1;
    }
    this.#count(block, counted, to);
  }

  /** The first place in a block from there on where an anchor stands, or -1. */
  #hitIn({ chunk, from, to, filter }: Block, first: number): number {
    if (!filter) return this.#anchors.find(chunk, first, to);
    for (let at = first; at < to; ) {
      const place = filter.next(at - from, to - from);
      if (place < 0) return -1;
      const start = Math.max(at, chunk.lastIndexOf(LINE_FEED, from + place) + 1);
      const end = chunk.indexOf(LINE_FEED, start);
      const hit = this.#anchors.find(chunk, start, end);
      if (hit >= 0) return hit;
      at = end + 1;
    }
    return -1;
  }

  #show(line: Buffer, before: Buffer): void {
    const number = this.lines + 1;
    const isHidden = false;
    if (line.length <= this.#lineBytesMax) {
      this.#visitLine({ bytes: withoutReturn(line), number, cut: false, before, isHidden });
      return;
    }
    // The anchor must lie in the part that is kept, wherever the chunks were split.
    const kept = line.subarray(0, this.#lineBytesMax);
    const hides = XID_ANCHORS.find(line, this.#lineBytesMax - OVERLAP, line.length) >= 0;
    if (hides || this.#anchors.find(kept, 0, kept.length) >= 0) {
      this.#visitLine({ bytes: kept, number, cut: true, before, isHidden: hides });
    }
  }

  #visitLine(line: SeenLine): void {
    this.#following = Math.max(this.#following, this.#visit(line));
  }

  #beforeOf(chunk: Buffer, start: number, from: number): Buffer {
    return start - from >= BEFORE_BYTES_MAX
      ? chunk.subarray(start - BEFORE_BYTES_MAX, start)
      : joined(this.#before, chunk.subarray(from, start));
  }

  /** Counts whole lines. */
  #count({ chunk, from: base, filter }: Block, from: number, to: number): void {
    const window = Math.max(1, this.#lineBytesMax >> 1);
    let lines = 0;
    for (let at = from; filter && at < to; at += window) {
      const end = Math.min(to, at + window);
      const found = filter.lines(at - base, end - base);
      lines += found;
      // No line that is too long misses all of these windows: only here one may be.
      if (found === 0 && end - at === window) {
        this.#countOneByOne(chunk, from, to);
        return;
      }
    }
    if (filter) this.lines += lines;
    else this.#countOneByOne(chunk, from, to);
  }

  #countOneByOne(chunk: Buffer, from: number, to: number): void {
    for (let start = from; start < to; ) {
      const end = chunk.indexOf(LINE_FEED, start);
      this.lines++;
      if (end - start > this.#lineBytesMax) this.cut++;
      start = end + 1;
    }
  }

  #keep(bytes: Buffer): void {
    this.#restOpen = true;
    const room = this.#lineBytesMax - this.#restLength;
    if (bytes.length > room) {
      this.#restCut = true;
      const beyond = bytes.subarray(Math.max(0, room - OVERLAP));
      const joined = Buffer.concat([this.#beyond, beyond]);
      this.#restHides ||= XID_ANCHORS.find(joined, 0, joined.length) >= 0;
      this.#beyond = Buffer.from(joined.subarray(-OVERLAP));
    }
    this.#restLength += bytes.copy(this.#rest, this.#restLength, 0, room);
  }

  #finishRest(): void {
    const line = this.#rest.subarray(0, this.#restLength);
    const cut = this.#restCut;
    this.lines++;
    if (cut) this.cut++;
    this.#restLength = 0;
    this.#restOpen = false;
    this.#restCut = false;
    const isHidden = this.#restHides;
    this.#restHides = false;
    this.#beyond = NOTHING;
    const before = this.#before;
    this.#before = joined(before, Buffer.concat([line, Buffer.of(LINE_FEED)]));
    const isNext = this.#following > 0;
    if (isNext) this.#following--;
    if (!isNext && !isHidden && this.#anchors.find(line, 0, line.length) < 0) return;
    const bytes = cut ? line : withoutReturn(line);
    this.#visitLine({ bytes, number: this.lines, cut, before, isHidden });
  }
}

const joined = (before: Buffer, after: Buffer): Buffer =>
  after.length >= BEFORE_BYTES_MAX
    ? Buffer.from(after.subarray(-BEFORE_BYTES_MAX))
    : Buffer.concat([before, after]).subarray(-BEFORE_BYTES_MAX);

const withoutReturn = (line: Buffer): Buffer =>
  line.at(-1) === CARRIAGE_RETURN ? line.subarray(0, -1) : line;
