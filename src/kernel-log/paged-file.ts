const PAGE_BYTES = 64 * 1024;
/** 8 MiB: entries of a journal point back and forth, but mostly near by. */
const PAGES_MAX = 128;

/** Reads up to `buffer.length` bytes at `position`; gives how many there were. */
export type ReadAt = (buffer: Buffer, position: number) => number;

/** Random access to a file through a bounded cache of pages. */
export class PagedFile {
  readonly byteSize: number;
  readonly #readAt: ReadAt;
  readonly #pages = new Map<number, Buffer>();
  #last: { readonly number: number; readonly page: Buffer } | undefined;

  constructor(readAt: ReadAt, byteSize: number) {
    this.#readAt = readAt;
    this.byteSize = byteSize;
  }

  /** The bytes at an offset, or undefined where the file does not have all of them. */
  bytes(offset: number, length: number): Buffer | undefined {
    if (!(offset >= 0 && length >= 0 && offset + length <= this.byteSize)) return undefined;
    const first = Math.floor(offset / PAGE_BYTES);
    const start = offset - first * PAGE_BYTES;
    if (start + length <= PAGE_BYTES) {
      const page = this.#page(first);
      return page.length < start + length ? undefined : page.subarray(start, start + length);
    }
    const pieces: Buffer[] = [];
    for (let at = offset; at < offset + length; ) {
      const number = Math.floor(at / PAGE_BYTES);
      const from = at - number * PAGE_BYTES;
      const piece = this.#page(number).subarray(from, from + offset + length - at);
      if (piece.length === 0) return undefined;
      pieces.push(piece);
      at += piece.length;
    }
    return Buffer.concat(pieces, length);
  }

  #page(number: number): Buffer {
    if (this.#last?.number === number) return this.#last.page;
    const page = this.#cached(number);
    this.#last = { number, page };
    return page;
  }

  #cached(number: number): Buffer {
    const found = this.#pages.get(number);
    if (found) {
      // The order of a Map is that of insertion: the page used last moves to its end.
      this.#pages.delete(number);
      this.#pages.set(number, found);
      return found;
    }
    const page = Buffer.alloc(PAGE_BYTES);
    const length = this.#readAt(page, number * PAGE_BYTES);
    const kept = page.subarray(0, length);
    this.#pages.set(number, kept);
    const oldest = this.#pages.size > PAGES_MAX ? this.#pages.keys().next() : undefined;
    if (oldest && !oldest.done) this.#pages.delete(oldest.value);
    return kept;
  }
}
