import * as z from 'zod';
import type { Coverage } from './coverage.ts';

/** What anyone searches a log for who looks for a GPU's faults. */
const LOOKS_LIKE = /NVRM:?\s*Xid|SXid|nvidia-nvswitch\d|fallen off the bus/;

/** True where a plain search would stop: what is not read there must be said. */
export const looksLikeXid = (text: string): boolean => LOOKS_LIKE.test(text);

/** Why such a place is no event of an answer. */
export const UNREAD_REASONS = [
  'another program wrote it, not the kernel',
  'it stands inside another message',
  'it is a further line of another message',
  'it is cut off or of a form that is not known',
  'it is no message of the entry that holds it',
] as const;
export type UnreadReason = (typeof UNREAD_REASONS)[number];

/** Places of one source that look like a message of the driver and were not taken as one. */
export const Unread = z.strictObject({
  reason: z.enum(UNREAD_REASONS),
  count: z.int().min(1).max(1e12),
  /** The first of them: lines of a text, records of other sources. */
  lines: z.array(z.int().min(0).max(1e12)),
});
export type Unread = z.infer<typeof Unread>;

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
