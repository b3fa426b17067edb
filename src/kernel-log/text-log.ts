import { looksLikeXid } from '../contract/census.ts';
import type { KernelRecord } from '../contract/kernel-record.ts';
import type { AnchorSet } from './anchors.ts';
import { LineScanner, type SeenLine } from './lines.ts';
import { withoutMarks } from './pasted.ts';
import { type PrefixedLine, parsePrefix } from './prefixes.ts';
import { inWindow, type ScanRequest, type Tally } from './source.ts';
import { resolveStamp, type Stamp, type StampContext, ZONE_UNCERTAINTY_MS } from './stamps.ts';
import type { StreamReader } from './stream-reader.ts';
import { isCut, unwrap } from './unwrap.ts';

export interface TextLogOptions {
  /** As the records and the Coverage name it. */
  readonly source: string;
  readonly anchors: AnchorSet;
  readonly stamps: StampContext;
  /**
   * Which lines are the kernel's. `tagged`: only those that say `kernel` (a log of all programs).
   * `dmesg`: those that say no other program. `pasted`: the same, in whatever it is wrapped.
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
  #pending: Pending | undefined;

  constructor(options: TextLogOptions, request: ScanRequest, tally: Tally) {
    this.#options = options;
    this.#request = request;
    this.#tally = tally;
    this.#scanner = new LineScanner(options.anchors, line => this.#take(line));
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

  /** Gives how many further lines it wants to see: what a mail or a chat broke goes on there. */
  #take(seen: SeenLine): number {
    const { number, cut } = seen;
    const line = seen.bytes.toString('utf8');
    const pending = this.#pending;
    if (pending && this.#continues(pending, line, number)) return 0;
    if (pending && this.#isBroken(pending, line, number)) return isCut(pending.record.text) ? 1 : 0;
    this.#flush();
    if (this.#options.trust !== 'pasted') {
      if (seen.isHidden) this.#tally.unread(HIDDEN, number);
      this.#see(parsePrefix(line), seen, line);
      return 0;
    }
    if (/^_{20,}\s*$/.test(line)) {
      this.section++;
      return 0;
    }
    if (seen.isHidden) this.#tally.unread(HIDDEN, number);
    const found = unwrap(line);
    for (const each of found) this.#see(each, seen, line);
    const [first] = found;
    if (
      first?.text.startsWith('NVRM: Xid') !== true &&
      !found.some(({ text }) => looksLikeXid(text))
    ) {
      this.#tally.passedOver(line, 'it is no message of the entry that holds it', number);
    }
    const [only] = found;
    return !cut && found.length === 1 && only && isCut(only.text) ? 1 : 0;
  }

  #see(parsed: PrefixedLine, { number, cut, before }: SeenLine, line: string): void {
    this.#flush();
    if (!this.#isWanted(parsed, line)) {
      const time = timeOf(parsed.stamp, this.#options.stamps, this.#tally);
      this.#tally.otherWrote({ text: line, line: number, ...time });
    } else if (isFurtherLine(line, parsed, before)) {
      this.#tally.passedOver(line, 'it is a further line of another message', number);
    } else {
      const record = this.#record(parsed, number);
      this.#tally.kernelWrote(record);
      this.#pending = { record, width: parsed.width, lines: cut ? MAX_JOINED_LINES : 1 };
    }
  }

  /** Appends a line that is indented to the column where the text of the record before it began. */
  #continues({ record, width, lines }: Pending, line: string, number: number): boolean {
    if (width === 0 || lines >= MAX_JOINED_LINES || number !== record.line + lines) return false;
    const indent = line.length - line.trimStart().length;
    if (indent < 4 || indent !== width) return false;
    const text = `${record.text}\n${line.slice(indent)}`;
    this.#pending = { record: { ...record, text }, width, lines: lines + 1 };
    return true;
  }

  /** Appends what goes on in the next line, where the message is not complete without it. */
  #isBroken({ record, width, lines }: Pending, line: string, number: number): boolean {
    if (this.#options.trust !== 'pasted' || lines >= BROKEN_LINES_MAX) return false;
    if (number !== record.line + lines || !isCut(record.text)) return false;
    const [next, ...others] = unwrap(line);
    if (!next || others.length > 0 || next.form !== 'raw') return false;
    const more = withoutMarks(next.text).trimEnd();
    if (more === '' || looksLikeDriver(more)) return false;
    const isInNumber = NUMBER_AT_END.test(record.text);
    if (isInNumber && !REST_OF_NUMBER.test(more)) return false;
    const start = record.text.trimEnd();
    const text = `${start}${isInNumber || WORD_AT_END.test(start) ? '' : ' '}${more}`;
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

  #record({ text, level, bootSeconds, stamp }: PrefixedLine, line: number): KernelRecord {
    const { source, stamps } = this.#options;
    const time = timeOf(stamp, stamps, this.#tally);
    return { source, line, text, level, boot: null, bootSeconds, ...time };
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
const HIDDEN = 'it is cut off or of a form that is not known';

/** A mail breaks a message into this many lines at most. */
const BROKEN_LINES_MAX = 6;

interface Pending {
  readonly record: KernelRecord;
  readonly width: number;
  readonly lines: number;
}

const looksLikeDriver = (text: string): boolean => /^(?:NVRM|nvidia-nvswitch\d)/i.test(text);
/** A terminal or a mail broke the line there: the number may go on in the next one. */
const NUMBER_AT_END = /\) ?: ?\d{1,5}\s*$/;
const REST_OF_NUMBER = /^\d{0,4}, /;
/** Likewise the word that begins a fault. */
const WORD_AT_END = /^(?:NVRM:? Xi?|nvidia-nvswitch\d+: S(?:Xi?)?)$/i;

/** The wall time of a stamp, as a record has it; a zone that nobody tells is noted. */
export function timeOf(
  stamp: Stamp | null,
  context: StampContext,
  tally: Tally,
): Pick<KernelRecord, 'timeMs' | 'timeUncertaintyMs'> {
  const time = stamp === null ? null : resolveStamp(stamp, context);
  if (time && time.uncertaintyMs >= ZONE_UNCERTAINTY_MS) tally.note(NOT_UTC_NOTE);
  return { timeMs: time?.timeMs ?? null, timeUncertaintyMs: time?.uncertaintyMs ?? null };
}

/** Messages of drivers, which print no text of a user. */
const OF_A_DRIVER =
  /^(?:NVRM|nvidia|[\w-]{1,32} [0-9a-f]{4,8}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-7]|mce: |EDAC |DMAR: |\{\d+\}\[Hardware)/;
const INDENT_MIN = 4;
const CLOCK = /\[ *\d{1,10}\.\d{1,9}/;

/**
 * Whether a line goes on with a record that is no driver's: what a user put behind a line feed in a
 * name is no record of its own.
 *
 * `dmesg --raw`, `--force-prefix` and what reads /proc/kmsg give each line of one record the same
 * microsecond; dmesg and journalctl indent the further lines to the first one's text.
 */
function isFurtherLine(line: string, { form, bootSeconds }: PrefixedLine, before: Buffer): boolean {
  const indent = line.length - line.trimStart().length;
  const isIndented = form === 'raw' && indent >= INDENT_MIN;
  if (bootSeconds === null && !isIndented) return false;
  // Cheap, and true of nearly every line: what stands before it has another time.
  const clock = bootSeconds === null ? null : CLOCK.exec(line)?.[0];
  if (clock === undefined || (clock !== null && !before.includes(clock))) return false;
  const lines = before.toString('utf8').replace(/\n$/, '').split('\n');
  // The first may be the rest of a line only.
  for (let at = lines.length - 1, parsed: PrefixedLine | undefined; at >= 0; at--) {
    const text = lines[at] ?? '';
    const previous = parsePrefix(text);
    if (bootSeconds === null) {
      if (previous.form === 'raw' && text.startsWith(' '.repeat(indent))) continue;
      return previous.width === indent && !OF_A_DRIVER.test(previous.text);
    }
    if (previous.bootSeconds !== bootSeconds)
      return parsed !== undefined && !OF_A_DRIVER.test(parsed.text);
    parsed = previous;
    if (at === 0) return !OF_A_DRIVER.test(previous.text);
  }
  return false;
}
