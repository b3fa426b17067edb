import { closeSync, openSync } from 'node:fs';
import { setImmediate } from 'node:timers/promises';
import type { Coverage } from '../contract/coverage.ts';
import type { AnchorSet } from './anchors.ts';
import { type Candidate, JOURNAL_SLACK_MS, journalFiles, pagedFile } from './journal.ts';
import type { LoadXz } from './journal-codecs.ts';
import { JournalFile } from './journal-file.ts';
import { JournalReader } from './journal-reader.ts';
import type { Span } from './port.ts';
import { Tally } from './source.ts';

/** What is left to read before a search ends early: entries, and bytes of their messages. */
export interface Budget {
  entries: number;
  bytes: number;
}

export interface ServiceJournal {
  /** As the Coverage names it, and where it is for us. */
  readonly shownPath: string;
  readonly realPath: string;
  /** Names of systemd units, `kubelet.service`. */
  readonly units: readonly string[];
  readonly anchors: AnchorSet;
  readonly loadXz?: LoadXz | undefined;
}

export interface ServiceRequest {
  /** Read in their order: the one that matters most comes first. */
  readonly spans: readonly Span[];
  readonly visit: (text: string, timeMs: number) => void;
  readonly signal: AbortSignal;
  readonly budget: Budget;
}

const ENTRIES_AT_ONCE = 1_000;

/**
 * What some units wrote in some spans of time: the index of each file leads to the units' entries,
 * and no other entry is read. `_SYSTEMD_UNIT` is journald's own word and cannot be forged.
 */
export async function scanUnits(
  journal: ServiceJournal,
  request: ServiceRequest,
): Promise<Coverage> {
  const tally = new Tally(`${journal.shownPath} (kubelet and container runtime)`);
  try {
    const files = await journalFiles(journal, tally);
    for (const span of request.spans) {
      for (const file of files) {
        if (request.signal.aborted || isSpent(request.budget)) break;
        if (!overlaps(file, span)) continue;
        await scanFile(file, journal, { ...request, span }, tally);
      }
    }
  } catch (error) {
    tally.failed(error);
  }
  noteEnd(request, tally);
  return tally.coverage();
}

const isSpent = ({ entries, bytes }: Budget): boolean => entries <= 0 || bytes <= 0;

/** Says that a search ended before its spans did. */
function noteEnd({ signal, budget }: ServiceRequest, tally: Tally): void {
  if (signal.aborted) tally.note('the search was cancelled before the end');
  if (isSpent(budget)) tally.note('the search ended early: too many lines in that time');
}

const overlaps = ({ header }: Candidate, { sinceMs, untilMs }: Span): boolean =>
  header.entries > 0 &&
  header.headTimeMs <= untilMs &&
  (header.online || header.tailTimeMs + JOURNAL_SLACK_MS >= sinceMs);

async function scanFile(
  { realPath, shownPath, header }: Candidate,
  { units, anchors, loadXz }: ServiceJournal,
  request: ServiceRequest & { readonly span: Span },
  tally: Tally,
): Promise<void> {
  const { visit, budget, span, signal } = request;
  const descriptor = openSync(realPath, 'r');
  try {
    const file = new JournalFile(pagedFile(descriptor), header);
    const reader = new JournalReader(file, loadXz);
    const { found, broken } = file.dataOf(
      '_SYSTEMD_UNIT',
      units.map(unit => `_SYSTEMD_UNIT=${unit}`),
    );
    if (broken) {
      tally.malformed++;
      tally.note(`${shownPath} is cut or damaged: lines of these services may be missing`);
    }
    for (const { offset: unit } of found) {
      for (const offset of file.indexed(unit, span.sinceMs * 1_000)) {
        const timeMs = (file.realtimeUs(offset) ?? 0) / 1_000;
        if (timeMs < span.sinceMs) continue;
        if (timeMs > span.untilMs || isSpent(budget)) break;
        tally.records++;
        budget.entries--;
        if (tally.records % ENTRIES_AT_ONCE === 0) {
          // Reading is synchronous: between two portions the rest of the program gets its turn.
          await setImmediate();
          if (signal.aborted) return;
        }
        const message = await reader.message(offset);
        tally.covers(timeMs);
        budget.bytes -= message?.length ?? 0;
        if (!message || anchors.find(message, 0, message.length) < 0) continue;
        visit(message.toString('utf8'), timeMs);
      }
    }
    tally.malformed += reader.malformed;
  } finally {
    closeSync(descriptor);
  }
}
