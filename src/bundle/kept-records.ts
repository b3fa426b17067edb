import type { KernelRecord } from '../contract/kernel-record.ts';
import { mayConcernUs } from '../xid/anchors.ts';
import { createJoiner } from '../xid/joiner.ts';

/** A node with more lines that matter is told by its newest ones; the bundle stays small. */
export const RECORDS_MAX = 50_000;
const RECORDS_OF_SOURCE_MAX = 10_000;
/** The analysis looks at the first 4096 characters of a message. */
export const RECORD_CHARACTERS_MAX = 8_192;
/** As the analysis judges it: a boot clock that falls by more than this has started anew. */
const CLOCK_BACK_SECONDS = 60;

export interface KeptRecords {
  readonly records: readonly KernelRecord[];
  /** How many that matter were left out, by source. */
  readonly leftOut: ReadonlyMap<string, number>;
}

/**
 * Keeps the records that the analysis needs, in their order: messages that concern us, each with
 * its further lines, and where a boot begins. Memory is bounded whatever comes.
 */
export function createKeptRecords(limits = { all: RECORDS_MAX, source: RECORDS_OF_SOURCE_MAX }) {
  const bySource = new Map<string, KernelRecord[]>();
  const leftOut = new Map<string, number>();
  const boots = new Set<string>();
  const last = new Map<string, KernelRecord>();
  let total = 0;

  const leave = (source: string, amount: number) =>
    leftOut.set(source, (leftOut.get(source) ?? 0) + amount);
  const keep = (record: KernelRecord) => {
    const { source } = record;
    if (total >= limits.all) {
      leave(source, 1);
      return;
    }
    const own = bySource.get(source) ?? [];
    bySource.set(source, own);
    own.push({ ...record, text: record.text.slice(0, RECORD_CHARACTERS_MAX) });
    total += 1;
    if (own.length < limits.source * 2) return;
    const old = own.length - limits.source;
    own.splice(0, old);
    total -= old;
    leave(source, old);
  };
  const joiner = createJoiner(keep);
  /** Of a record that concerns nobody only the time matters: it shows where a boot ends or begins. */
  const mark = (record: KernelRecord) => {
    joiner.flush();
    keep({ ...record, text: '' });
  };

  return {
    see(record: KernelRecord): void {
      const { source, boot, bootSeconds } = record;
      const before = last.get(source);
      last.set(source, record);
      const began = boot !== null && !boots.has(boot);
      if (boot !== null) boots.add(boot);
      const fell =
        boot === null &&
        bootSeconds !== null &&
        (before?.bootSeconds ?? 0) - CLOCK_BACK_SECONDS > bootSeconds;
      if (fell && before) mark(before);
      if ((began || fell) && !mayConcernUs(record.text)) mark(record);
      joiner.see(record);
    },
    finish(): KeptRecords {
      joiner.flush();
      return { records: [...bySource.values()].flat(), leftOut };
    },
  };
}
