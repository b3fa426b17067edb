import type { Coverage, Unread, UnreadReason } from './coverage.ts';

/** What anyone searches a log for who looks for a GPU's faults, as `grep -i` finds it. */
const LOOKS_LIKE = /NVRM:?\s*Xid|SXid|nvidia-nvswitch\d|fallen off the bus/i;

/** True where a plain search would stop: what is not read there must be said. */
export const looksLikeXid = (text: string): boolean => LOOKS_LIKE.test(text);

const LINES_MAX = 8;

/** Counts such places of one source, or of several by their names. */
export class Census {
  readonly #bySource = new Map<string, Map<UnreadReason, { count: number; lines: number[] }>>();

  unread(source: string, reason: UnreadReason, line: number): void {
    const reasons = this.#bySource.get(source) ?? new Map();
    this.#bySource.set(source, reasons);
    const known = reasons.get(reason) ?? { count: 0, lines: [] };
    reasons.set(reason, known);
    known.count++;
    if (known.lines.length < LINES_MAX) known.lines.push(line);
  }

  of(source: string): readonly Unread[] {
    return [...(this.#bySource.get(source) ?? [])].map(([reason, { count, lines }]) => ({
      reason,
      count,
      lines,
    }));
  }

  /** The coverage of a search with what was found unread in its records after it. */
  added(coverage: readonly Coverage[]): readonly Coverage[] {
    return coverage.map(one => {
      const more = this.of(one.source);
      return more.length === 0 ? one : { ...one, unread: [...(one.unread ?? []), ...more] };
    });
  }
}
