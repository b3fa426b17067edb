import type { AnchorSet } from './anchors.ts';
import { isKernelEntry, type JournalFields, journalRecord } from './journal-record.ts';
import { inWindow, type ScanRequest, type Tally } from './source.ts';

/** Takes a source's bytes chunk by chunk and shows its records; memory stays bounded. */
export interface StreamReader {
  push(chunk: Buffer): void;
  /** The stream is over: what is unfinished is finished or counted. */
  end(): void;
}

export interface StreamTarget {
  /** As the records name it. */
  readonly source: string;
  readonly anchors: AnchorSet;
  readonly request: ScanRequest;
  readonly tally: Tally;
}

const UNPROVEN =
  "entries without _TRANSPORT are taken for the kernel's by SYSLOG_IDENTIFIER, which any program can set";

/** Counts an entry of a journal that came as text, and shows it if it is the kernel's. */
export function showJournalEntry(fields: JournalFields, line: number, target: StreamTarget): void {
  const { tally, request, anchors } = target;
  tally.records++;
  const record = journalRecord(fields, { source: target.source, line });
  tally.covers(record?.timeMs ?? null);
  if (!record || !fields.message) return;
  if (anchors.find(fields.message, 0, fields.message.length) < 0) return;
  if (!isKernelEntry(fields)) {
    tally.otherWrote(record);
    return;
  }
  if (record.isUnproven) tally.note(UNPROVEN);
  tally.kernelWrote(record);
  if (inWindow(record, request.window)) request.visit(record);
}
