import type { Conceal, KernelRecord } from '../contract/kernel-record.ts';
import type { KernelEvent } from './events.ts';
import { isoOf, type Moment } from './moment.ts';
import { eventOf, type Occurrence } from './occurrence.ts';
import type { Line } from './verdict.ts';

/** Keeps events with the moments that may get their time from elsewhere. */
export function createKeeper(events: KernelEvent[], conceal: Conceal | undefined) {
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
