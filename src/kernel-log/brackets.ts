import { isoStamp, localStamp, type Stamp } from './stamps.ts';

const LEVELS = ['emerg', 'alert', 'crit', 'err', 'warn', 'notice', 'info', 'debug'];

/** Syslog level of a word such as `warn`, `warning` or `ERROR`; null for other words. */
export function levelOf(word: string | undefined): number | null {
  const lower = word?.toLowerCase();
  const level = LEVELS.findIndex(name => lower?.startsWith(name));
  return level < 0 ? null : level;
}

/** What stands in square brackets before a message, when it is a time. */
export interface BracketTime {
  readonly bootSeconds?: number;
  readonly stamp?: Stamp;
}

/** The text between the brackets as a time; undefined when it is something else. */
export function bracketTime(inner: string): BracketTime | undefined {
  const seconds = /^ *(\d{1,10}\.\d{1,9})(?: *< *[\d.]+>)?$/.exec(inner);
  if (seconds) return { bootSeconds: Number(seconds[1]) };
  // dmesg -d and -e show only the distance to the line before.
  if (/^ *\+\d[\d.]*$/.test(inner) || /^ *< *[\d.]+>$/.test(inner)) return {};
  const words = /^\S{2,9} +(\S{1,9}) +(\d{1,2}) (\d\d:\d\d:\d\d) (\d{4})$/.exec(inner);
  if (words) {
    const [, month = '', day = '', time = '', year] = words;
    return { stamp: localStamp({ month, day, time, year }) };
  }
  // Fabric Manager and IMEX: `Feb 27 2025 15:10:02`.
  const own = /^(\S{1,9}) +(\d{1,2}) (\d{4}) (\d\d:\d\d:\d\d(?:\.\d{1,9})?)$/.exec(inner);
  if (own) {
    const [, month = '', day = '', year, time = ''] = own;
    return { stamp: localStamp({ month, day, time, year }) };
  }
  const short = /^([A-Z][a-z]{2})(\d\d) (\d\d:\d\d)$/.exec(inner);
  if (short) {
    const [, month = '', day = '', time = ''] = short;
    return { stamp: localStamp({ month, day, time }) };
  }
  const iso = /^(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d:\d\d(?:[.,]\d{1,9})?)(Z|[+-]\d\d:?\d\d)?$/.exec(
    inner,
  );
  if (!iso) return undefined;
  const [, date = '', time = '', zone] = iso;
  return { stamp: isoStamp({ date, time, zone }) };
}

/** `[ERROR] [tid 12727] ` after the time: how Fabric Manager and IMEX write their own logs. */
export function ownLogLevel(rest: string): { level: number | null; rest: string } | undefined {
  const found = /^\[([A-Z]{4,9})\] (?:\[tid \d{1,10}\] )?/.exec(rest);
  const level = levelOf(found?.[1]);
  return found && level !== null ? { level, rest: rest.slice(found[0].length) } : undefined;
}
