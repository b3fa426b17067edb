import { Census, looksLikeXid } from '../contract/census.ts';
import type { Conceal, KernelRecord } from '../contract/kernel-record.ts';
import { type Boundary, createBoots } from './boots.ts';
import type { Incident, KernelEvent } from './events.ts';
import { groupOccurrences } from './grouping.ts';
import { createIdentities, type GpuIdentity } from './identities.ts';
import { incidentsOf } from './incidents.ts';
import { createJoiner, isContinuation } from './joiner.ts';
import {
  addRepeat,
  eventOf,
  foldKey,
  type Occurrence,
  occurrenceOf,
  repeats,
} from './occurrence.ts';
import { parseMessage } from './parse.ts';
import type { Line } from './verdict.ts';

export interface AnalysisOptions {
  /** Events kept at most, the newest and the serious before others; default 4096. */
  readonly eventsMax?: number;
  /** Events kept of one flood; the rest is counted; default 20. */
  readonly repeatsMax?: number;
  /** Takes the names out of what is kept; lines are judged as they are. */
  readonly conceal?: Conceal | undefined;
}

export interface AnalysisResult {
  /** In the order in which they were seen. */
  readonly events: KernelEvent[];
  /** Most serious first, then newest first. */
  readonly incidents: Incident[];
  /** Events that were counted and not kept. */
  readonly folded: number;
  /** GPUs that the driver named, also such as NVML can no longer open. */
  readonly gpus: readonly GpuIdentity[];
  /** Driver loads and boots that the log shows, oldest first. */
  readonly boundaries: readonly Boundary[];
  /** Records that look like an XID and are none, or cannot be read as one. */
  readonly census: Census;
}

export interface Analysis {
  /** Takes the next record. Never throws; memory is bounded whatever comes. */
  see(record: KernelRecord): void;
  /** Everything seen so far; call once, at the end. */
  finish(): AnalysisResult;
}

const EVENTS_MAX = 4_096;
const REPEATS_MAX = 20;
const FOLDS_MAX = 2_048;
/** Kinds that begin no incident and take part in others: as a witness, as an end. */
const GROUPED = new Set(['aer', 'driver_load', 'mce']);

/** Turns kernel records, source by source, into events and incidents, as they stream by. */
export function createAnalysis(options: AnalysisOptions = {}): Analysis {
  const { eventsMax = EVENTS_MAX, repeatsMax = REPEATS_MAX, conceal } = options;
  const events: KernelEvent[] = [];
  const occurrences: Occurrence[] = [];
  const folds = new Map<string, Occurrence>();
  const gpus = createIdentities();
  const boots = createBoots();
  const census = new Census();
  let folded = 0;
  let order = 0;

  const joiner = createJoiner(record => {
    const line = parseMessage(record.text);
    if (looksLikeXid(record.text)) count(census, record, line);
    if (!line) return;
    order += 1;
    const { moment, at } = boots.place(record);
    gpus.see(line, record);
    const key = foldKey(line, moment);
    const known = folds.get(key);
    if (known && line.kind !== 'driver_load' && repeats(known, moment)) {
      addRepeat(known, line, { moment, at });
      if (known.count > repeatsMax) {
        folded += 1;
        return;
      }
      events.push(eventOf(record, line, conceal));
    } else {
      const event = eventOf(record, line, conceal);
      events.push(event);
      const fresh = occurrenceOf(line, event, { moment, at, order });
      remember(folds, key, fresh);
      if (line.kind === 'driver_load') {
        boots.load(fresh);
        // What repeats after it repeats for another reason.
        folds.clear();
      }
      if (line.role !== 'background' || GROUPED.has(line.kind)) occurrences.push(fresh);
    }
    folded += shrink(events, eventsMax, event => event.severity === 'info');
    shrink(occurrences, eventsMax, ({ line: { verdict } }) => verdict.severity === 'info');
  });

  return {
    see(record) {
      boots.see(record);
      joiner.see(record);
    },
    finish() {
      joiner.flush();
      const boundaries = boots.boundaries();
      const sorted = occurrences.toSorted((a, b) => a.at - b.at || a.order - b.order);
      const incidents = incidentsOf(groupOccurrences(sorted), { boundaries, occurrences: sorted });
      return { events, incidents, folded, gpus: gpus.all(), boundaries, census };
    },
  };
}

/** What a plain search finds in a record and its line does not tell. */
function count(
  census: Census,
  { source, line: at, text }: KernelRecord,
  line: Line | undefined,
): void {
  const [first = '', ...others] = text.split('\n');
  if (looksLikeXid(first) && !isRead(first, line)) {
    const reason = line
      ? 'it is cut off or of a form that is not known'
      : 'it stands inside another message';
    census.unread(source, reason, at);
  }
  for (const other of others) {
    if (looksLikeXid(other) && !(line && isContinuation(other))) {
      census.unread(source, 'it is a further line of another message', at);
    }
  }
}

/** Lines of the switch driver without an SXid (`open (major=510)`) say nothing that matters. */
const HARMLESS = /^nvidia-nvswitch\d+: (?!.*SXid)/;

function isRead(text: string, line: Line | undefined): boolean {
  if (!line) return HARMLESS.test(text);
  return line.kind !== 'xid_unreadable' && line.kind !== 'nvrm_other';
}

/** Keeps a map's newest entries. */
function remember(folds: Map<string, Occurrence>, key: string, fresh: Occurrence): void {
  folds.delete(key);
  folds.set(key, fresh);
  if (folds.size <= FOLDS_MAX) return;
  const [oldest] = folds.keys();
  if (oldest !== undefined) folds.delete(oldest);
}

/**
 * When a list has grown to twice its limit, drops the oldest of the unimportant, then the oldest.
 * Returns how many were dropped.
 */
function shrink<T>(list: T[], max: number, unimportant: (item: T) => boolean): number {
  if (list.length <= max * 2) return 0;
  let excess = list.length - max;
  const dropped = excess;
  const serious = list.filter(item => {
    if (excess === 0 || !unimportant(item)) return true;
    excess -= 1;
    return false;
  });
  list.splice(0, list.length, ...serious.slice(excess));
  return dropped;
}
