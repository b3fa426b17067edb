import type { AnchorSet } from './anchors.ts';

/** A longer line is cut here and counted; no kernel line comes near. */
export const LINE_BYTES_MAX = 64 * 1024;

const LINE_FEED = 0x0a;
const CARRIAGE_RETURN = 0x0d;

/** The line without its end, its number counted from 1, and whether it was cut. */
export type LineVisit = (line: Buffer, number: number, cut: boolean) => void;

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

  #scan(chunk: Buffer, from: number, to: number): void {
    let counted = from;
    let at = from;
    for (;;) {
      const hit = this.#anchors.find(chunk, at, to);
      if (hit < 0) break;
      const start =
        hit === counted ? hit : Math.max(counted, chunk.lastIndexOf(LINE_FEED, hit - 1) + 1);
      const end = chunk.indexOf(LINE_FEED, hit);
      this.#count(chunk, counted, start);
      counted = start;
      this.#show(chunk.subarray(start, end), this.lines + 1);
      at = end + 1;
    }
    this.#count(chunk, counted, to);
  }

  #show(line: Buffer, number: number): void {
    if (line.length <= this.#lineBytesMax) {
      this.#visit(withoutReturn(line), number, false);
      return;
    }
    // The anchor must lie in the part that is kept, wherever the chunks were split.
    const kept = line.subarray(0, this.#lineBytesMax);
    if (this.#anchors.find(kept, 0, kept.length) >= 0) this.#visit(kept, number, true);
  }

  #count(chunk: Buffer, from: number, to: number): void {
    let start = from;
    // Node's indexOf compares 32 bytes at once: several times faster than a loop here.
    while (start < to) {
      const end = chunk.indexOf(LINE_FEED, start);
      this.lines++;
      if (end - start > this.#lineBytesMax) this.cut++;
      start = end + 1;
    }
  }

  #keep(bytes: Buffer): void {
    this.#restOpen = true;
    const room = this.#lineBytesMax - this.#restLength;
    if (bytes.length > room) this.#restCut = true;
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
    if (this.#anchors.find(line, 0, line.length) < 0) return;
    this.#visit(cut ? line : withoutReturn(line), this.lines, cut);
  }
}

const withoutReturn = (line: Buffer): Buffer =>
  line.at(-1) === CARRIAGE_RETURN ? line.subarray(0, -1) : line;
