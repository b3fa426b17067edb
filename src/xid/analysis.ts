import { Census, looksLikeXid } from '../contract/census.ts';
import type { Conceal, KernelRecord } from '../contract/kernel-record.ts';
import { type Boundary, createBoots } from './boots.ts';
import type { Incident, KernelEvent } from './events.ts';
import { groupOccurrences } from './grouping.ts';
import { createIdentities, type GpuIdentity } from './identities.ts';
import { incidentsOf } from './incidents.ts';
import { createJoiner, isContinuation } from './joiner.ts';
import type { Surroundings } from './judgement.ts';
import { isoOf, type Moment } from './moment.ts';
import {
  addRepeat,
  eventOf,
  foldKey,
  type Occurrence,
  occurrenceOf,
  repeats,
} from './occurrence.ts';
import { parseMessage } from './parse.ts';
import { type Place, placeOf } from './place.ts';
import type { Line } from './verdict.ts';

export interface AnalysisOptions {
  /** Events kept at most, the newest and the serious before others; default 4096. */
  readonly eventsMax?: number;
  /** Events kept of one flood; the rest is counted; default 20. */
  readonly repeatsMax?: number;
  /** Takes the names out of what is kept; lines are judged as they are. */
  readonly conceal?: Conceal | undefined;
  /** Where the machine stands; what the log itself tells of it where absent. */
  readonly place?: Place | undefined;
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
  /** Where the machine stands; null where nothing tells. */
  readonly place: Place | null;
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
const GROUPED = new Set(['aer', 'dpc', 'driver_load', 'mce', 'slot_down']);

/** Turns kernel records, source by source, into events and incidents, as they stream by. */
export function createAnalysis(options: AnalysisOptions = {}): Analysis {
  const { eventsMax = EVENTS_MAX, repeatsMax = REPEATS_MAX, conceal } = options;
  const events: KernelEvent[] = [];
  const occurrences: Occurrence[] = [];
  const folds = new Map<string, Occurrence>();
  const gpus = createIdentities();
  const boots = createBoots();
  const sightings = createSightings();
  const { keep, date } = createKeeper(events, conceal);
  const census = new Census();
  let place = options.place ?? null;
  let folded = 0;
  let order = 0;

  const joiner = createJoiner(record => {
    const line = parseMessage(record.text);
    countUnread(census, record, line);
    if (!line) return;
    place ??= placeOf(line.details['machine']);
    gpus.see(line, record);
    if (line.kind === 'machine') return;
    order += 1;
    const { moment, at } = boots.place(record);
    if (sightings.isAgain(record.text, moment)) return;
    const key = foldKey(line, moment);
    const fold = folds.get(key);
    if (fold && line.kind !== 'driver_load' && repeats(fold, moment)) {
      addRepeat(fold, line, { moment, at });
      if (fold.count > repeatsMax) {
        folded += 1;
        return;
      }
      keep(record, line, moment);
    } else {
      const event = keep(record, line, moment);
      const fresh = occurrenceOf(line, event, { ...record, moment, at, order });
      remember(folds, key, fresh);
      // What repeats after a load repeats for another reason.
      if (boots.isLoad(fresh)) folds.clear();
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
      const dated = (moment: Moment) => sightings.dated(moment);
      const boundaries = boots.boundaries(dated);
      date(dated, occurrences);
      const incidents = judged(occurrences, { boundaries, place, columnsOf: gpus.columnsOf });
      return { events, incidents, folded, gpus: gpus.all(), boundaries, census, place };
    },
  };
}

function judged(
  occurrences: readonly Occurrence[],
  around: Omit<Surroundings, 'occurrences'>,
): Incident[] {
  const sorted = occurrences.toSorted((a, b) => a.at - b.at || a.order - b.order);
  return incidentsOf(groupOccurrences(sorted), { ...around, occurrences: sorted });
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

/** Where lines were pasted together, a second message stands in the text of the first. */
const ENVELOPES = /(?:NVRM:? Xid|SXid) \(PCI:[0-9a-f]{4}/gi;

/** What a plain search finds in a record and its line does not tell. */
function countUnread(
  census: Census,
  { source, line: at, text }: KernelRecord,
  line: Line | undefined,
): void {
  if (!looksLikeXid(text)) return;
  const [first = '', ...others] = text.split('\n');
  if (looksLikeXid(first) && !isRead(first, line)) {
    const reason = line
      ? 'it is cut off or of a form that is not known'
      : 'it stands inside another message';
    census.unread(source, reason, at);
  }
  for (const _ of [...first.matchAll(ENVELOPES)].slice(1)) {
    census.unread(source, 'it stands inside another message', at);
  }
  for (const other of others) {
    if (looksLikeXid(other) && !(line && isContinuation(other))) {
      census.unread(source, 'it is a further line of another message', at);
    }
  }
}

/**
 * Lines of the switch driver without an SXid (`open (major=510)`) say nothing that matters, but for one
 * that is cut off where an SXid may begin.
 */
const HARMLESS = /^nvidia-nvswitch\d+: (?!.*SXid|\s*(?:S(?:Xi?)?)?\s*$)/i;

function isRead(text: string, line: Line | undefined): boolean {
  if (!line) return HARMLESS.test(text);
  return line.kind !== 'xid_unreadable' && line.kind !== 'nvrm_other';
}

/** Keeps events with the moments that may get their time from elsewhere. */
function createKeeper(events: KernelEvent[], conceal: Conceal | undefined) {
  const moments = new WeakMap<KernelEvent, Moment>();
  return {
    keep(record: KernelRecord, line: Line, moment: Moment): KernelEvent {
      const event = eventOf(record, line, conceal);
      moments.set(event, moment);
      events.push(event);
      return event;
    },
    date(dated: (moment: Moment) => Moment, occurrences: readonly Occurrence[]): void {
      for (const event of events) {
        const moment = moments.get(event);
        if (moment) dateEvent(event, dated(moment));
      }
      for (const occurrence of occurrences) dateOccurrence(occurrence, dated);
    },
  };
}

/** Lines of the journal that give a boot its time tell whole seconds. */
const DATED_UNCERTAINTY_MS = 1_000;

/** A time that only another sighting of the same log told. */
function dateEvent(event: KernelEvent, { timeMs }: Moment): void {
  if (event.time !== null || timeMs === null) return;
  event.time = isoOf(timeMs);
  event.timeUncertaintyMs = DATED_UNCERTAINTY_MS;
}

function dateOccurrence(occurrence: Occurrence, dated: (moment: Moment) => Moment): void {
  const first = dated(occurrence.first);
  if (first === occurrence.first || first.timeMs === null) return;
  occurrence.first = first;
  occurrence.last = dated(occurrence.last);
  occurrence.at = first.timeMs;
  occurrence.lastAt = occurrence.last.timeMs ?? first.timeMs;
}

const TEXTS_MAX = 4_096;
const WAITING_MAX = 64;
/** Logs of one machine round its seconds in their own ways. */
const OFFSET_MS = 5_000;

/**
 * One message that a text shows twice, as a bug report does: in dmesg with the clock of the boot,
 * in the journal with the time. The second sighting is no second event, and both together tell when
 * that boot was.
 */
function createSightings() {
  const waiting = new Map<string, Moment[]>();
  const offsets = new Map<string, number>();

  const matches = (a: Moment, b: Moment): boolean => {
    const found = pairOf(a, b);
    if (!found || a.source !== b.source) return false;
    const offset = offsets.get(found.boot);
    return offset === undefined || Math.abs(offset - found.offsetMs) <= OFFSET_MS;
  };

  return {
    /** True where the message was seen before by the other clock. */
    isAgain(text: string, moment: Moment): boolean {
      if ((moment.timeMs === null) === (moment.bootSeconds === null)) return false;
      const earlier = waiting.get(text) ?? [];
      const at = earlier.findIndex(other => matches(other, moment));
      const [other] = at < 0 ? [] : earlier.splice(at, 1);
      const found = other && pairOf(other, moment);
      if (found) {
        if (!offsets.has(found.boot)) offsets.set(found.boot, found.offsetMs);
        return true;
      }
      if (earlier.length < WAITING_MAX) earlier.push(moment);
      if (waiting.size < TEXTS_MAX) waiting.set(text, earlier);
      return false;
    },
    /** The moment with its time, where the log tells it elsewhere. */
    dated(moment: Moment): Moment {
      const offset = moment.timeMs === null ? offsets.get(moment.boot) : undefined;
      return offset === undefined || moment.bootSeconds === null
        ? moment
        : { ...moment, timeMs: Math.round(offset + moment.bootSeconds * 1_000) };
    },
  };
}

/** Of two moments the one by the boot's clock and the one by the wall's, as an offset. */
function pairOf(a: Moment, b: Moment) {
  const boot = a.bootSeconds === null ? b : a;
  const wall = a.bootSeconds === null ? a : b;
  return boot.bootSeconds === null || wall.timeMs === null || boot.timeMs !== null
    ? undefined
    : { boot: boot.boot, offsetMs: wall.timeMs - boot.bootSeconds * 1_000 };
}
