import type { KernelRecord } from '../contract/kernel-record.ts';
import type { AnchorSet } from './anchors.ts';
import { LineScanner } from './lines.ts';
import { parsePasted } from './pasted.ts';
import { type PrefixedLine, parsePrefix } from './prefixes.ts';
import { inWindow, type ScanRequest, type Tally } from './source.ts';
import { resolveStamp, type StampContext, ZONE_UNCERTAINTY_MS } from './stamps.ts';
import type { StreamReader } from './stream-reader.ts';

export interface TextLogOptions {
  /** As the records and the Coverage name it. */
  readonly source: string;
  readonly anchors: AnchorSet;
  readonly stamps: StampContext;
  /**
   * Which lines are the kernel's. `tagged`: only those that say `kernel` (a log of all programs).
   * `dmesg`: those that say no other program. `pasted`: the same, with junk before the prefix.
   * A pattern: no kernel lines at all, but those of the programs whose tag it matches.
   */
  readonly trust: 'tagged' | 'dmesg' | 'pasted' | RegExp;
}

/** Lines at the beginning of a text that are tried for a stamp, so that the span is known. */
const HEAD_LINES_MAX = 64;
const HEAD_BYTES_MAX = 16 * 1024;
const NOT_UTC_NOTE =
  'times are taken as UTC: the text does not say its zone, so they may be off by hours';

/**
 * Reads a text of kernel lines in one pass, and shows the lines that hold an anchor.
 *
 * Fed with chunks; memory is one line and one record, whatever the size of the text. A record that
 * was printed over several lines (the further ones indented to the text's column) is one record
 * with line feeds, numbered by its first line.
 */
export class TextLogReader implements StreamReader {
  /** Counts the separator lines of a bug report seen so far. */
  section = 0;
  readonly #options: TextLogOptions;
  readonly #request: ScanRequest;
  readonly #tally: Tally;
  readonly #scanner: LineScanner;
  #head = Buffer.alloc(0);
  #tail = Buffer.alloc(0);
  #pending: { record: KernelRecord; width: number; lines: number } | undefined;

  constructor(options: TextLogOptions, request: ScanRequest, tally: Tally) {
    this.#options = options;
    this.#request = request;
    this.#tally = tally;
    this.#scanner = new LineScanner(options.anchors, (line, number, cut) =>
      this.#take(line.toString('utf8'), number, cut),
    );
  }

  push(chunk: Buffer): void {
    if (this.#head.length < HEAD_BYTES_MAX) {
      const more = chunk.subarray(0, HEAD_BYTES_MAX - this.#head.length);
      this.#head = Buffer.concat([this.#head, more]);
    }
    // The last line of the text tells where its span ends; 4 KiB hold it.
    this.#tail =
      chunk.length >= TAIL_BYTES
        ? Buffer.from(chunk.subarray(-TAIL_BYTES))
        : Buffer.concat([this.#tail, chunk]).subarray(-TAIL_BYTES);
    this.#scanner.push(chunk);
    this.#tally.records = this.#scanner.lines;
  }

  end(): void {
    this.#scanner.end();
    this.#flush();
    this.#tally.records = this.#scanner.lines;
    this.#tally.malformed += this.#scanner.cut;
    if (this.#scanner.cut > 0) this.#tally.note('lines longer than 64 KiB were cut there');
    this.#span();
  }

  #take(line: string, number: number, cut: boolean): void {
    const pending = this.#pending;
    if (pending && this.#continues(pending, line, number)) return;
    this.#flush();
    if (this.#options.trust === 'pasted' && /^_{20,}\s*$/.test(line)) {
      this.section++;
      return;
    }
    const parsed = this.#options.trust === 'pasted' ? parsePasted(line) : parsePrefix(line);
    if (!this.#isWanted(parsed, line)) {
      this.#tally.untrusted++;
      return;
    }
    const record = this.#record(parsed, number);
    this.#pending = { record, width: parsed.width, lines: cut ? MAX_JOINED_LINES : 1 };
  }

  /** Appends a line that is indented to the column where the text of the record before it began. */
  #continues(
    pending: { record: KernelRecord; width: number; lines: number },
    line: string,
    number: number,
  ): boolean {
    const { record, width, lines } = pending;
    if (width === 0 || lines >= MAX_JOINED_LINES || number !== record.line + lines) return false;
    const indent = line.length - line.trimStart().length;
    if (indent < 4 || indent !== width) return false;
    const text = `${record.text}\n${line.slice(indent)}`;
    this.#pending = { record: { ...record, text }, width, lines: lines + 1 };
    return true;
  }

  #flush(): void {
    const pending = this.#pending;
    this.#pending = undefined;
    if (pending && inWindow(pending.record, this.#request.window)) {
      this.#request.visit(pending.record);
    }
  }

  #isWanted({ origin, width }: PrefixedLine, line: string): boolean {
    const { trust } = this.#options;
    if (typeof trust !== 'string') return origin === 'other' && trust.test(line.slice(0, width));
    if (origin === 'unsaid') return trust !== 'tagged';
    return origin === 'kernel';
  }

  #record(line: PrefixedLine, number: number): KernelRecord {
    const time = line.stamp === null ? null : resolveStamp(line.stamp, this.#options.stamps);
    if (time && time.uncertaintyMs >= ZONE_UNCERTAINTY_MS) this.#tally.note(NOT_UTC_NOTE);
    return {
      source: this.#options.source,
      line: number,
      text: line.text,
      level: line.level,
      boot: null,
      bootSeconds: line.bootSeconds,
      timeMs: time?.timeMs ?? null,
      timeUncertaintyMs: time?.uncertaintyMs ?? null,
    };
  }

  #span(): void {
    const head = this.#head.toString('utf8').split('\n', HEAD_LINES_MAX);
    const tail = this.#tail.toString('utf8').split('\n').slice(-HEAD_LINES_MAX).reverse();
    for (const lines of [head, tail]) {
      for (const line of lines) {
        const stamp = parsePrefix(line.trimEnd()).stamp;
        const time = stamp === null ? null : resolveStamp(stamp, this.#options.stamps);
        if (!time) continue;
        this.#tally.covers(time.timeMs);
        break;
      }
    }
  }
}

const TAIL_BYTES = 4 * 1024;
/** The longest message of the driver has some ten lines. */
const MAX_JOINED_LINES = 32;
