import * as z from 'zod';
import { publicText } from '../../contract/names-in-text.ts';
import { count, type Fixed, milliseconds } from '../../contract/reading-schema.ts';

/** Common Platform Error Records (UEFI 2.10, appendix N), as far as they say what broke and where. */

export const RECORD_SEVERITIES = ['recoverable', 'fatal', 'corrected', 'informational'] as const;
export const RECORD_FLAGS = ['recovered', 'earlier_boot', 'simulated'] as const;
const severity = z.enum([...RECORD_SEVERITIES, 'unknown']);

const section = z.object({
  /** `memory`, `pcie`, `nvidia`, or the GUID of a kind that is not known here. */
  kind: publicText,
  severity,
  /** The part that can be replaced, as the record calls it. */
  part: publicText.exactOptional(),
  /** `multi-bit ECC`, `device 0000:41:00`, or the signature of one of NVIDIA's. */
  what: publicText.exactOptional(),
});

const errorRecord = z.object({
  /** The GPU whose UUID it was found under. */
  gpu: count.exactOptional(),
  severity,
  /** By the record's own clock, which has no time zone; absent where it has no time. */
  atMs: milliseconds.exactOptional(),
  flags: z.array(z.enum(RECORD_FLAGS)),
  sections: z.array(section),
});
export type ErrorRecord = Fixed<z.infer<typeof errorRecord>>;

/** Newest last. `undecoded` are those that are of no form that is known; `leftOut` those beyond the bound. */
export const errorRecords = z.object({
  records: z.array(errorRecord),
  undecoded: count,
  leftOut: count,
  /** The driver has more than were taken. */
  isWhole: z.boolean(),
});
export type ErrorRecords = Fixed<z.infer<typeof errorRecords>>;
