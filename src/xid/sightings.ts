import type { Moment } from './moment.ts';

const TEXTS_MAX = 4_096;
const WAITING_MAX = 64;
/** Logs of one machine round its seconds in their own ways. */
const OFFSET_MS = 5_000;

/**
 * One message that a text shows twice, as a bug report does: in dmesg with the clock of the boot,
 * in the journal with the time. The second sighting is no second event, and both together tell when
 * that boot was.
 */
export function createSightings() {
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
