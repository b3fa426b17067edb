import { Census, looksLikeXid } from '../contract/census.ts';
import type { Coverage } from '../contract/coverage.ts';
import type { KernelRecord } from '../contract/kernel-record.ts';

const BY_ANOTHER = 'another program wrote it, not the kernel';

/** A text as a record tells it. */
export type Quote = Pick<KernelRecord, 'source' | 'line' | 'text' | 'timeMs' | 'timeUncertaintyMs'>;

const ORIGINALS_MAX = 1_024;
const TIMES_MAX = 1_024;
const QUOTES_MAX = 1_024;
/** A monitor repeats what it just read; much later, the same words may tell of a second fault. */
const QUOTED_WITHIN_SECONDS = 600;
/** Where in a text the kernel's message begins, with its address and number. */
const MESSAGE = /(?:NVRM:? Xid|nvidia-nvswitch\d{1,3}: SXid) \([\w:.]+\): ?\d.*$/s;

/**
 * Messages of the kernel that look like an XID, and texts of other programs that may repeat them
 * before or after, in the same source or in another one.
 */
export class Quotes {
  readonly #originals = new Map<string, Quote[]>();
  readonly #unkept = new Census();
  #waiting: Quote[] = [];

  original(original: Quote): void {
    if (!looksLikeXid(original.text)) return;
    const message = original.text.trimEnd();
    const known = this.#originals.get(message);
    if (known === undefined) {
      if (this.#originals.size < ORIGINALS_MAX) this.#originals.set(message, [original]);
    } else if (known.length < TIMES_MAX) known.push(original);
  }

  quote(quote: Quote): void {
    if (!looksLikeXid(quote.text)) return;
    if (this.#waiting.length < QUOTES_MAX) this.#waiting.push(quote);
    else this.#unkept.unread(quote.source, BY_ANOTHER, quote.line);
  }

  /** Once all is read: what repeats nothing was not read, and the coverage says so. */
  settled(coverages: readonly Coverage[]): readonly Coverage[] {
    const unread = new Census();
    const repeating = new Set<string>();
    for (const quote of this.#waiting) {
      if (this.#isRepeat(quote)) repeating.add(quote.source);
      else unread.unread(quote.source, BY_ANOTHER, quote.line);
    }
    this.#waiting = [];
    return this.#unkept
      .added(unread.added(coverages))
      .map(coverage =>
        repeating.has(coverage.source)
          ? { ...coverage, notes: [...coverage.notes, REPEATED] }
          : coverage,
      );
  }

  #isRepeat(quote: Quote): boolean {
    // Programs in Go write these as escapes in their JSON.
    const plain = quote.text
      .replaceAll(/\\u003c/gi, '<')
      .replaceAll(/\\u003e/gi, '>')
      .replaceAll('\\"', '"');
    const said = MESSAGE.exec(plain)?.[0].trimEnd();
    if (said === undefined) return false;
    return [...this.#originals].some(
      ([message, originals]) =>
        said.startsWith(message) && originals.some(original => isNear(original, quote)),
    );
  }
}

const REPEATED = 'other programs repeat messages of the kernel that were read';

/** Another source must tell its time, and its zone: nothing else relates the two. */
function isNear(original: Quote, quote: Quote): boolean {
  const isSameSource = original.source === quote.source;
  if (original.timeMs === null || quote.timeMs === null) return isSameSource;
  const uncertaintyMs = (original.timeUncertaintyMs ?? 0) + (quote.timeUncertaintyMs ?? 0);
  const nearMs = QUOTED_WITHIN_SECONDS * 1_000;
  if (!isSameSource && uncertaintyMs > nearMs) return false;
  return Math.abs(original.timeMs - quote.timeMs) <= nearMs;
}
