import type { KernelRecord } from '../contract/kernel-record.ts';
import { type JournalFields, setField } from './journal-record.ts';
import { parsePrefix } from './prefixes.ts';
import { inWindow } from './source.ts';
import { resolveStamp, type StampContext } from './stamps.ts';
import { type StreamReader, type StreamTarget, showJournalEntry } from './stream-reader.ts';

/** Larger objects are no log entries. */
const OBJECT_BYTES_MAX = 1024 * 1024;
const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const LINE_FEED = 0x0a;
const OPEN_BRACE = 0x7b;
const OPEN_BRACKET = 0x5b;
const CLOSE_BRACE = 0x7d;
const CLOSE_BRACKET = 0x5d;

export type JsonForm = 'journal' | 'dmesg';

/**
 * Reads JSON logs object by object, however the text is broken into lines: `journalctl -o json`
 * (and `json-pretty`), and `dmesg -J`, whose objects lie in one array.
 */
export class JsonLogReader implements StreamReader {
  readonly #target: StreamTarget;
  readonly #form: JsonForm;
  readonly #stamps: StampContext;
  /** Depth at which an object is an entry. */
  readonly #entryDepth: number;
  #depth = 0;
  #inString = false;
  #escaped = false;
  #columnZero = true;
  #lines = 0;
  #entryLine = 0;
  #open = false;
  #pieces: Buffer[] = [];
  #length = 0;

  /** `head` is the beginning of the text: it tells how deep the entries lie. */
  constructor(form: JsonForm, head: Buffer, stamps: StampContext, target: StreamTarget) {
    this.#form = form;
    this.#stamps = stamps;
    this.#target = target;
    const inArray = /^\s*\[/.test(head.toString('latin1')) ? 2 : 1;
    this.#entryDepth = form === 'dmesg' ? 3 : inArray;
  }

  push(chunk: Buffer): void {
    let start = this.#open ? 0 : -1;
    for (let at = 0; at < chunk.length; at++) {
      const byte = chunk[at] ?? 0;
      if (byte === LINE_FEED) {
        this.#lines++;
        // No string of JSON holds a line feed: this object was cut off in a string.
        if (this.#inString) this.#abandon();
        this.#columnZero = true;
        if (!this.#open) start = -1;
        continue;
      }
      if (this.#inString) {
        if (this.#escaped) this.#escaped = false;
        else if (byte === BACKSLASH) this.#escaped = true;
        else if (byte === QUOTE) this.#inString = false;
      } else if (byte === QUOTE) {
        this.#inString = this.#depth > 0;
      } else if (byte === OPEN_BRACE || byte === OPEN_BRACKET) {
        if (this.#opens(byte)) start = at;
      } else if (byte === CLOSE_BRACE || byte === CLOSE_BRACKET) {
        if (this.#open && this.#depth === this.#entryDepth) {
          this.#keep(chunk.subarray(start, at + 1));
          this.#finish();
          start = -1;
        }
        this.#depth = Math.max(0, this.#depth - 1);
      }
      this.#columnZero = false;
    }
    if (start >= 0) this.#keep(chunk.subarray(start));
  }

  /** One level deeper; true where an entry begins. */
  #opens(byte: number): boolean {
    // journalctl begins each entry at the line's first column: the one before it was cut off.
    const begins = this.#columnZero && byte === OPEN_BRACE && this.#entryDepth === 1;
    if (begins && this.#depth > 0) this.#abandon();
    this.#depth++;
    if (this.#depth !== this.#entryDepth || byte !== OPEN_BRACE) return false;
    this.#open = true;
    this.#entryLine = this.#lines + 1;
    return true;
  }

  #abandon(): void {
    this.#target.tally.malformed++;
    this.#open = false;
    this.#inString = false;
    this.#escaped = false;
    this.#depth = this.#entryDepth - 1;
    this.#pieces = [];
    this.#length = 0;
  }

  end(): void {
    if (this.#open) this.#target.tally.malformed++;
  }

  #keep(bytes: Buffer): void {
    this.#length += bytes.length;
    if (this.#length > OBJECT_BYTES_MAX) this.#pieces = [];
    else this.#pieces.push(Buffer.from(bytes));
  }

  #finish(): void {
    const bytes = Buffer.concat(this.#pieces);
    const complete = this.#length === bytes.length;
    this.#pieces = [];
    this.#length = 0;
    this.#open = false;
    const entry = complete ? parseObject(bytes) : undefined;
    if (!entry) this.#target.tally.malformed++;
    else if (this.#form === 'journal')
      showJournalEntry(fieldsOf(entry), this.#entryLine, this.#target);
    else this.#showDmesg(entry);
  }

  #showDmesg(entry: JsonObject): void {
    const { tally, anchors, request, source } = this.#target;
    tally.records++;
    const text = entry['msg'];
    if (typeof text !== 'string') return;
    const bytes = Buffer.from(text, 'utf8');
    if (anchors.find(bytes, 0, bytes.length) < 0) return;
    const { facility, level } = priorityOf(entry);
    if (facility !== 0) {
      tally.untrusted++;
      return;
    }
    const time = entry['time'];
    const stamp = typeof time === 'string' ? parsePrefix(`[${time}] `).stamp : null;
    const resolved = stamp === null ? null : resolveStamp(stamp, this.#stamps);
    const record: KernelRecord = {
      source,
      line: this.#entryLine,
      text,
      level,
      boot: null,
      bootSeconds: typeof time === 'number' && Number.isFinite(time) ? time : null,
      timeMs: resolved?.timeMs ?? null,
      timeUncertaintyMs: resolved?.uncertaintyMs ?? null,
    };
    tally.covers(record.timeMs);
    if (inWindow(record, request.window)) request.visit(record);
  }
}

type JsonObject = Readonly<Record<string, unknown>>;

function parseObject(bytes: Buffer): JsonObject | undefined {
  try {
    const parsed: unknown = JSON.parse(bytes.toString('utf8'));
    return isObject(parsed) ? parsed : undefined;
  } catch {
    return undefined;
  }
}

const isObject = (value: unknown): value is JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** journalctl writes a value that is no UTF-8 as an array of bytes, and a repeated one as a list. */
function fieldsOf(entry: JsonObject): JournalFields {
  const fields: JournalFields = {};
  for (const [name, value] of Object.entries(entry)) {
    if (typeof value === 'string') setField(fields, name, Buffer.from(value, 'utf8'));
    else if (Array.isArray(value)) setField(fields, name, bytesOf(value));
  }
  return fields;
}

const bytesOf = (value: readonly unknown[]): Buffer =>
  Buffer.from(value.filter(byte => typeof byte === 'number'));

/** `pri` is facility * 8 + level; with `dmesg -x -J` both come as names. */
function priorityOf(entry: JsonObject): { facility: number; level: number | null } {
  const priority = entry['pri'];
  if (typeof priority === 'number' && Number.isSafeInteger(priority) && priority >= 0) {
    return { facility: Math.floor(priority / 8), level: priority % 8 };
  }
  const facility = entry['fac'];
  const { level } = parsePrefix(`kern  :${String(priority)}: `);
  return { facility: facility === undefined || facility === 'kern' ? 0 : 1, level };
}
