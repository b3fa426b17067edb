import { JOURNAL_FIELDS, type JournalFields, setField } from './journal-record.ts';
import { type StreamReader, type StreamTarget, showJournalEntry } from './stream-reader.ts';

const LINE_FEED = 0x0a;
const VALUE_BYTES_MAX = 64 * 1024;
/** No field is larger; a size beyond it means that this is not the format. */
const FIELD_BYTES_MAX = 2 ** 40;

/**
 * Reads the journal export format (systemd.io/JOURNAL_EXPORT_FORMATS): `FIELD=value` lines, binary
 * values as `FIELD`, a 64-bit size, the bytes, a line feed; an empty line ends an entry.
 */
export class JournalExportReader implements StreamReader {
  readonly #target: StreamTarget;
  #fields: JournalFields = {};
  #hasFields = false;
  /** Lines before the current position, and the first line of the current entry. */
  #lines = 0;
  #entryLine = 1;
  #state: 'text' | 'size' | 'data' | 'after' = 'text';
  #rest: Buffer = Buffer.alloc(0);
  /** The line or value is longer than what is kept of it. */
  #cut = false;
  #name = '';
  #remaining = 0;

  constructor(target: StreamTarget) {
    this.#target = target;
  }

  push(chunk: Buffer): void {
    for (let at = 0; at < chunk.length; ) at += this.#take(chunk.subarray(at));
  }

  end(): void {
    if (this.#state !== 'text' || this.#rest.length > 0) this.#target.tally.malformed++;
    this.#finishEntry();
  }

  /** Takes some bytes and says how many. */
  #take(bytes: Buffer): number {
    switch (this.#state) {
      case 'text':
        return this.#takeLine(bytes);
      case 'size':
        return this.#takeSize(bytes);
      case 'data':
        return this.#takeData(bytes);
      case 'after':
        this.#count(bytes.subarray(0, 1));
        this.#state = 'text';
        return 1;
    }
  }

  #takeLine(bytes: Buffer): number {
    const end = bytes.indexOf(LINE_FEED);
    this.#keep(end < 0 ? bytes : bytes.subarray(0, end));
    if (end < 0) return bytes.length;
    const line = this.#taken();
    if (line.length === 0) {
      this.#finishEntry();
      this.#lines++;
      this.#entryLine = this.#lines + 1;
      return end + 1;
    }
    this.#lines++;
    this.#hasFields = true;
    const equals = line.indexOf(0x3d);
    if (equals >= 0) {
      setField(this.#fields, line.toString('latin1', 0, equals), line.subarray(equals + 1));
    } else {
      this.#name = line.toString('latin1');
      this.#state = 'size';
    }
    return end + 1;
  }

  #takeSize(bytes: Buffer): number {
    const part = bytes.subarray(0, 8 - this.#rest.length);
    this.#count(part);
    this.#keep(part);
    if (this.#rest.length < 8) return part.length;
    const size = this.#taken().readBigUInt64LE(0);
    if (size > FIELD_BYTES_MAX) {
      this.#target.tally.malformed++;
      this.#state = 'text';
      return part.length;
    }
    this.#remaining = Number(size);
    this.#state = 'data';
    if (this.#remaining === 0) this.#finishValue();
    return part.length;
  }

  #takeData(bytes: Buffer): number {
    const part = bytes.subarray(0, this.#remaining);
    this.#count(part);
    if (Object.hasOwn(JOURNAL_FIELDS, this.#name)) this.#keep(part);
    this.#remaining -= part.length;
    if (this.#remaining === 0) this.#finishValue();
    return part.length;
  }

  #finishValue(): void {
    setField(this.#fields, this.#name, this.#taken());
    this.#state = 'after';
  }

  #finishEntry(): void {
    if (this.#hasFields) showJournalEntry(this.#fields, this.#entryLine, this.#target);
    this.#fields = {};
    this.#hasFields = false;
  }

  #keep(bytes: Buffer): void {
    const room = VALUE_BYTES_MAX - this.#rest.length;
    if (bytes.length > room) this.#cut = true;
    if (bytes.length > 0 && room > 0) {
      this.#rest = Buffer.concat([this.#rest, bytes.subarray(0, room)]);
    }
  }

  #taken(): Buffer {
    const taken = this.#rest;
    if (this.#cut) this.#target.tally.malformed++;
    this.#rest = Buffer.alloc(0);
    this.#cut = false;
    return taken;
  }

  #count(bytes: Buffer): void {
    for (let at = bytes.indexOf(LINE_FEED); at >= 0; at = bytes.indexOf(LINE_FEED, at + 1)) {
      this.#lines++;
    }
  }
}
