/**
 * One message as the kernel printed it, whichever way we heard of it.
 *
 * Only kernel text becomes a record: what user space wrote into the log (facility >= 1, a journal
 * transport other than `kernel`) is counted in the Coverage and dropped by the source.
 */
export interface KernelRecord {
  /** `/dev/kmsg`, `syslog(2)`, or the path of a file, as the Coverage names it. */
  readonly source: string;
  /** Where in the source: the line of a text counted from 1, the record of other sources. */
  readonly line: number;
  /** The message without its prefix, decoded as UTF-8. May hold newlines; may be hostile. */
  readonly text: string;
  /** Syslog level 0 (emergency) to 7 (debug); null where the source does not tell. */
  readonly level: number | null;
  /** Boot id (32 hex digits, no dashes), where known. */
  readonly boot: string | null;
  /** Seconds since that boot (printk's clock, which stops in suspend), where known. */
  readonly bootSeconds: number | null;
  /** Wall time in milliseconds since 1970 UTC, where known. */
  readonly timeMs: number | null;
  /** How wrong timeMs may be, in milliseconds; null where timeMs is. */
  readonly timeUncertaintyMs: number | null;
  /** The entry calls itself the kernel's by a name that any program can take. */
  readonly isUnproven?: true;
}

/** What of a record that was read is text of whoever ran there. */
export interface ForeignText {
  readonly kind: string;
  readonly process: string | null;
  readonly text: string;
  readonly details: Readonly<Record<string, unknown>>;
}

/** The same without names (`--redact-names`); asked once a record is read, before anyone sees it. */
export type Conceal = (found: ForeignText) => ForeignText;
