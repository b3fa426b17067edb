import { Census, looksLikeXid } from '../contract/census.ts';
import type { Coverage, UnreadReason } from '../contract/coverage.ts';
import type { KernelRecord } from '../contract/kernel-record.ts';
import { optional } from '../contract/optional.ts';
import type { Clock } from '../contract/time.ts';
import type { KernelLogWindow } from './port.ts';
import { type Quote, Quotes } from './quotes.ts';

/** Every source by its name, in the order in which they are read: the richest first. */
export const SOURCE_KINDS = [
  'kmsg',
  'syslog',
  'journal',
  'text',
  'pstore',
  'fabric-manager',
  'imex',
] as const;
export type SourceKind = (typeof SOURCE_KINDS)[number];

/** One way to hear the kernel. Never throws for what is missing: the Coverage says why. */
export interface Source {
  readonly kind: SourceKind;
  scan(request: ScanRequest): Promise<readonly Coverage[]>;
}

export interface ScanRequest {
  readonly window: KernelLogWindow;
  /** Shared by the sources of one search; a source that is searched alone settles its own. */
  readonly quotes?: Quotes;
  readonly visit: (record: KernelRecord) => void;
  readonly signal: AbortSignal;
}

/** The clock of a machine that reads its own kernel log. */
export interface KernelClock extends Clock {
  /** CLOCK_MONOTONIC in milliseconds: printk's clock runs beside it and stops in suspend, too. */
  monotonicMs(): number;
}

/** Why a source could not be read, as `Coverage.unavailable` says it. */
export type Unavailable =
  | 'not_found'
  | 'no_permission'
  | 'unreadable'
  | 'timeout'
  | 'not_supported'
  | 'not_read';

/** The errno of a failed system call, or undefined for other errors. */
export function errnoOf(error: unknown): string | undefined {
  if (typeof error !== 'object' || error === null || !('code' in error)) return undefined;
  return typeof error.code === 'string' ? error.code : undefined;
}

/** Maps the errno of a failed read to the word of the Coverage. */
export function unavailableOf(error: unknown): Unavailable {
  switch (errnoOf(error)) {
    case 'ENOENT':
    case 'ENOTDIR':
    case 'ENXIO':
    case 'ENODEV':
      return 'not_found';
    case 'EACCES':
    case 'EPERM':
      return 'no_permission';
    default:
      return 'unreadable';
  }
}

/** Counts what was read of one source while it is read; `coverage()` is the statement about it. */
export class Tally {
  records = 0;
  lost = 0;
  untrusted = 0;
  malformed = 0;
  readonly #source: string;
  readonly #notes = new Set<string>();
  readonly #census = new Census();
  readonly #quotes: Quotes;
  readonly #isAlone: boolean;
  #fromMs: number | undefined;
  #toMs: number | undefined;
  #unavailable: Unavailable | undefined;
  #complete = true;

  constructor(source: string, quotes?: Quotes) {
    this.#source = source;
    this.#quotes = quotes ?? new Quotes();
    this.#isAlone = quotes === undefined;
  }

  /** Widens the span that was covered; a record without a wall time widens nothing. */
  covers(timeMs: number | null): void {
    if (timeMs === null) return;
    if (this.#fromMs === undefined || timeMs < this.#fromMs) this.#fromMs = timeMs;
    if (this.#toMs === undefined || timeMs > this.#toMs) this.#toMs = timeMs;
  }

  /** Says a sentence once, however often it becomes true. At most 20 different ones are kept. */
  note(sentence: string): void {
    if (this.#notes.size < 20) this.#notes.add(sentence);
  }

  /** A text that was read and is not shown as a record; counted where it looks like an XID. */
  passedOver(text: string, reason: UnreadReason, line: number): void {
    if (looksLikeXid(text)) this.unread(reason, line);
  }

  /** A text of the kernel that is shown: other programs may repeat it. */
  kernelWrote(record: KernelRecord): void {
    this.#quotes.original(record);
  }

  /** What another program wrote. Where it repeats a message of the kernel's, it hides nothing. */
  otherWrote(quote: Omit<Quote, 'source'>): void {
    this.untrusted++;
    this.#quotes.quote({ ...quote, source: this.#source });
  }

  /** A place that looks like an XID and was not read. */
  unread(reason: UnreadReason, line: number): void {
    this.#census.unread(this.#source, reason, line);
  }

  /** Something was left out that may have held anything: this is no search of the whole. */
  leftOut(why: string): void {
    this.#complete = false;
    this.note(why);
  }

  /** The source could not be read (any further). With records it stays available, and says so. */
  failed(error: unknown): void {
    const reason = unavailableOf(error);
    const errno = errnoOf(error) ?? (error instanceof Error ? error.name : 'error');
    if (this.records === 0) this.#unavailable = reason;
    else this.#complete = false;
    this.note(this.records === 0 ? `opening failed: ${errno}` : `reading stopped early: ${errno}`);
  }

  unavailable(reason: Unavailable): void {
    this.#unavailable = reason;
  }

  coverage(): Coverage {
    const unread = this.#census.of(this.#source);
    const coverage: Coverage = {
      source: this.#source,
      available: this.#unavailable === undefined,
      ...optional({ unavailable: this.#unavailable }),
      ...(this.#fromMs === undefined ? {} : { from: new Date(this.#fromMs).toISOString() }),
      ...(this.#toMs === undefined ? {} : { to: new Date(this.#toMs).toISOString() }),
      records: this.records,
      lost: this.lost,
      untrusted: this.untrusted,
      malformed: this.malformed,
      notes: [...this.#notes],
      ...(this.#complete ? {} : { complete: false as const }),
      ...(unread.length === 0 ? {} : { unread: [...unread] }),
    };
    return this.#isAlone ? (this.#quotes.settled([coverage])[0] ?? coverage) : coverage;
  }
}

/** The Coverage of a source that could not be read at all. */
export function unreadableSource(source: string, reason: Unavailable, note?: string): Coverage {
  const tally = new Tally(source);
  tally.unavailable(reason);
  if (note !== undefined) tally.note(note);
  return tally.coverage();
}

/** Whether a record may lie in the window; one without a wall time always may. */
export function inWindow(record: KernelRecord, window: KernelLogWindow): boolean {
  if (record.timeMs === null) return true;
  const uncertaintyMs = record.timeUncertaintyMs ?? 0;
  if (window.sinceMs !== undefined && record.timeMs + uncertaintyMs < window.sinceMs) return false;
  return window.untilMs === undefined || record.timeMs - uncertaintyMs <= window.untilMs;
}
