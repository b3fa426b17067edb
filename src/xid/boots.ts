import type { KernelRecord } from '../contract/kernel-record.ts';
import { type Moment, SUSPEND_MS } from './moment.ts';
import type { Occurrence } from './occurrence.ts';

/** A moment after which what came before may be over. */
export interface Boundary {
  readonly kind: 'boot' | 'driver_load';
  readonly moment: Moment;
  /** On the same axis as occurrences. */
  readonly at: number;
}

const BOUNDARIES_MAX = 512;
/** A boot clock that falls by more than this has started anew. */
const CLOCK_BACK_SECONDS = 60;
/** Puts the boots of a text without wall times one after another. */
const EPOCH_MS = 1e12;

/** Places records on one axis of time, and notes each boot and driver load. */
export function createBoots() {
  const sources = new Map<string, { epoch: number; seconds: number; at: number }>();
  const byBootClock = createBootClock();
  const found: Boundary[] = [];
  const ids = new Set<string>();
  const keep = (boundary: Boundary) => {
    found.push(boundary);
    if (found.length > BOUNDARIES_MAX) found.shift();
  };
  const place = (record: KernelRecord) => {
    const { source, line, bootSeconds, timeMs } = record;
    const state = sources.get(source) ?? { epoch: 0, seconds: 0, at: 0 };
    const boot = record.boot ?? `${source}#${state.epoch}`;
    const at =
      timeMs === null
        ? bootSeconds === null
          ? state.at
          : state.epoch * EPOCH_MS + bootSeconds * 1_000
        : bootSeconds === null
          ? timeMs
          : byBootClock(boot, { timeMs, bootSeconds });
    return { moment: { source, line, boot, bootSeconds, timeMs }, at };
  };
  return {
    see(record: KernelRecord): void {
      const { source, bootSeconds, boot } = record;
      const state = sources.get(source) ?? { epoch: 0, seconds: 0, at: 0 };
      const again =
        boot === null && bootSeconds !== null && bootSeconds < state.seconds - CLOCK_BACK_SECONDS;
      if (again) state.epoch += 1;
      if (bootSeconds !== null) state.seconds = bootSeconds;
      sources.set(source, state);
      const { moment, at } = place(record);
      state.at = at;
      if (again || (boot !== null && !ids.has(boot))) {
        if (boot !== null) ids.add(boot);
        keep(bootOf(moment, at));
      }
    },
    place: (record: KernelRecord): { moment: Moment; at: number } => place(record),
    /** Notes a load of the driver; false for anything else. */
    isLoad({ line, first, at }: Occurrence): boolean {
      if (line.kind !== 'driver_load') return false;
      keep({ kind: 'driver_load', moment: first, at });
      return true;
    },
    boundaries: (dated: (moment: Moment) => Moment): Boundary[] =>
      found
        .map(boundary => {
          const moment = dated(boundary.moment);
          return moment === boundary.moment
            ? boundary
            : { ...boundary, moment, at: moment.timeMs ?? boundary.at };
        })
        .sort((a, b) => a.at - b.at),
  };
}

/** The wall clock may be set while a boot lasts; the boot's own clock orders what it dates. */
function createBootClock() {
  /** When each boot began by the wall clock, as its first record tells. */
  const begun = new Map<string, number>();
  return (
    boot: string,
    { timeMs, bootSeconds }: { readonly timeMs: number; readonly bootSeconds: number },
  ): number => {
    const own = timeMs - bootSeconds * 1_000;
    const start = begun.get(boot);
    if (start !== undefined && own - start <= SUSPEND_MS) return start + bootSeconds * 1_000;
    if (begun.size < BOUNDARIES_MAX) begun.set(boot, own);
    return timeMs;
  };
}

/** A ring or a window may begin long after the boot: what lies between was not before the boot. */
function bootOf(moment: Moment, at: number): Boundary {
  const sinceMs = (moment.bootSeconds ?? 0) * 1_000;
  const { timeMs, bootSeconds } = moment;
  return {
    kind: 'boot',
    moment: {
      ...moment,
      bootSeconds: bootSeconds === null ? null : 0,
      timeMs: timeMs === null ? null : timeMs - sinceMs,
    },
    at: at - sinceMs,
  };
}
