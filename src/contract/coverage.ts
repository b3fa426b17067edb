import * as z from 'zod';
import { publicText } from './names-in-text.ts';

/** Why a place that looks like an XID is no event of an answer. */
const UNREAD_REASONS = [
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

/**
 * What one source of the kernel log was searched for: without it "none found" is no statement.
 * Times are ISO 8601 in UTC; `lost` counts records overwritten before they were read.
 */
export const Coverage = z
  .strictObject({
    source: publicText,
    available: z.boolean(),
    unavailable: publicText.optional(),
    from: publicText.optional(),
    to: publicText.optional(),
    records: z.int().min(0).max(1e12),
    lost: z.int().min(0).max(1e12),
    /** Lines with a facility other than the kernel's own, or a journal transport other than `kernel`. */
    untrusted: z.int().min(0).max(1e12),
    /** Records that could not be read as records: cut, malformed or longer than our buffer. */
    malformed: z.int().min(0).max(1e12),
    /** What a reader must know of this source: ranges vacuumed, files cut, time uncertain. */
    notes: z.array(publicText),
    /** False where reading stopped before the end: a damaged archive, an error of the disk. */
    complete: z.literal(false).optional(),
    /** Places that look like an XID and are no event; absent where there are none. */
    unread: z.array(Unread).optional(),
  })
  .meta({ listedKeys: ['source', 'available', 'unavailable', 'from', 'to', 'records', 'lost'] });
export type Coverage = z.infer<typeof Coverage>;
