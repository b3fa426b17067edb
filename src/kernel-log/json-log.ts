import { looksLikeXid } from '../contract/census.ts';
import type { KernelRecord } from '../contract/kernel-record.ts';
import { type JournalFields, setField } from './journal-record.ts';
import { type JsonElement, JsonElements } from './json-elements.ts';
import { LineScanner, XID_ANCHORS } from './lines.ts';
import { type PrefixedLine, parsePrefix } from './prefixes.ts';
import { inWindow } from './source.ts';
import type { StampContext } from './stamps.ts';
import { type StreamReader, type StreamTarget, showJournalEntry } from './stream-reader.ts';
import { timeOf } from './text-log.ts';
import { pairOf, unwrap, unwrapValue } from './unwrap.ts';

/**
 * Reads JSON logs entry by entry, however the text is broken into lines and however deep the entries
 * lie: `journalctl -o json` (and `json-pretty`), `dmesg -J`, and what clouds and log stores export.
 */
export class JsonLogReader implements StreamReader {
  readonly #target: StreamTarget;
  readonly #stamps: StampContext;
  readonly #elements: JsonElements;
  /** The same bytes as lines: where a plain search stops, a text must have been read. */
  readonly #search: LineScanner;
  #hits: number[] = [];
  readonly #read = new Set<number>();

  constructor(stamps: StampContext, target: StreamTarget) {
    this.#target = target;
    this.#stamps = stamps;
    this.#search = new LineScanner(XID_ANCHORS, ({ bytes, number, isHidden }) => {
      if (isHidden || looksLikeXid(bytes.toString('latin1'))) this.#hits.push(number);
      return 0;
    });
    this.#elements = new JsonElements({
      concerns: (text, line) => this.#concerns(text, line),
      element: element => this.#element(element),
      lost: (texts, line) => this.#lost(texts, line),
      tooLong: () => target.tally.leftOut('a text longer than 1 MiB was cut'),
      outside: (line, number) => this.#outside(line, number),
    });
  }

  push(chunk: Buffer): void {
    this.#elements.push(chunk);
    this.#search.push(chunk);
    this.#compare(this.#elements.line);
  }

  end(): void {
    this.#elements.end();
    this.#search.end();
    this.#compare(Number.POSITIVE_INFINITY);
  }

  #concerns(text: Buffer, line: number): boolean {
    if (looksLikeXid(text.toString('latin1'))) this.#read.add(line);
    return this.#target.anchors.find(text, 0, text.length) >= 0;
  }

  /** Of the lines before this one: a hit in none of their texts stands outside of what is JSON. */
  #compare(line: number): void {
    for (const hit of this.#hits) {
      if (hit < line && !this.#read.has(hit)) {
        this.#target.tally.unread('it is cut off or of a form that is not known', hit);
      }
    }
    this.#hits = this.#hits.filter(hit => hit >= line);
    for (const read of this.#read) if (read < line) this.#read.delete(read);
  }

  #element({ value, line, texts, isLast }: JsonElement): boolean {
    const { tally } = this.#target;
    const entry = isObject(value) ? value : undefined;
    const isJournal = entry !== undefined && '__REALTIME_TIMESTAMP' in entry && 'MESSAGE' in entry;
    if (entry && isJournal) showJournalEntry(fieldsOf(entry), line, this.#target);
    else if (entry && isDmesg(entry)) this.#showDmesg(entry, line);
    else {
      if (hasScalar(value)) tally.records++;
      if (!isLast && pairOf(value)) return false;
      if (texts.length === 0) return true;
      const found = unwrapValue(value);
      const isDated = found.every(
        ({ stamp, bootSeconds }) => stamp !== null || bootSeconds !== null,
      );
      if (!isLast && (found.length === 0 || !isDated)) return false;
      this.#show(found, texts, line);
    }
    return true;
  }

  #lost(texts: readonly Buffer[], line: number): void {
    const { tally } = this.#target;
    tally.malformed++;
    for (const text of texts) {
      tally.passedOver(text.toString('utf8'), 'it is cut off or of a form that is not known', line);
    }
  }

  #outside(line: string, number: number): void {
    this.#target.tally.records++;
    if (looksLikeXid(line)) this.#read.add(number);
    const bytes = Buffer.from(line);
    if (this.#target.anchors.find(bytes, 0, bytes.length) >= 0)
      this.#show(unwrap(line), [bytes], number);
  }

  #show(found: readonly PrefixedLine[], texts: readonly Buffer[], line: number): void {
    const { tally, request } = this.#target;
    let isRead = false;
    for (const each of found) {
      const record = this.#record(each, line);
      if (each.origin === 'other') tally.otherWrote(record);
      else {
        tally.kernelWrote(record);
        tally.covers(record.timeMs);
        if (inWindow(record, request.window)) request.visit(record);
      }
      isRead ||= looksLikeXid(each.text);
    }
    if (isRead) return;
    const text = Buffer.concat(texts).toString('utf8');
    tally.passedOver(text, 'it is no message of the entry that holds it', line);
  }

  #record({ text, level, bootSeconds, stamp }: PrefixedLine, line: number): KernelRecord {
    const { source, tally } = this.#target;
    const time = timeOf(stamp, this.#stamps, tally);
    return { source, line, text, level, boot: null, bootSeconds, ...time };
  }

  #showDmesg(entry: JsonObject, line: number): void {
    const { tally, anchors, request } = this.#target;
    tally.records++;
    const { msg, time } = entry;
    if (typeof msg !== 'string') return;
    const bytes = Buffer.from(msg, 'utf8');
    if (anchors.find(bytes, 0, bytes.length) < 0) return;
    const { facility, level } = priorityOf(entry);
    if (facility !== 0) {
      tally.untrusted++;
      tally.passedOver(msg, 'another program wrote it, not the kernel', line);
      return;
    }
    const { stamp } = parsePrefix(`[${String(time)}] `);
    const bootSeconds = typeof time === 'number' && Number.isFinite(time) ? time : null;
    const said = { form: 'dmesg', width: 0, origin: 'kernel' } as const;
    const record = this.#record({ ...said, text: msg, level, bootSeconds, stamp }, line);
    tally.covers(record.timeMs);
    if (inWindow(record, request.window)) request.visit(record);
  }
}

type JsonObject = Readonly<Record<string, unknown>>;

const isObject = (value: unknown): value is JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const isDmesg = (entry: JsonObject): boolean =>
  'msg' in entry && 'time' in entry && ('pri' in entry || 'fac' in entry);

/** An entry has facts of its own; what only holds lists is the frame of a document. */
const hasScalar = (value: unknown): boolean =>
  typeof value === 'string' ||
  (typeof value === 'object' &&
    value !== null &&
    Object.values(value).some(each => typeof each === 'string' || typeof each === 'number'));

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
