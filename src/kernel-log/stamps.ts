/**
 * A moment as a log file writes it: with its zone, without one, or in words we cannot read.
 * Units stand in the names; months count from 1.
 */
export type Stamp =
  | { readonly kind: 'exact'; readonly timeMs: number; readonly precisionMs: number }
  | { readonly kind: 'local'; readonly moment: LocalMoment; readonly precisionMs: number }
  | { readonly kind: 'unreadable' };

export interface LocalMoment {
  /** Absent in the syslog form of RFC 3164. */
  readonly year?: number;
  readonly month: number;
  readonly day: number;
  readonly hour: number;
  readonly minute: number;
  readonly second: number;
  readonly millisecond: number;
}

/** What the stamps of one file do not tell by themselves. */
export interface StampContext {
  /** A stamp without a year means the latest such moment before this one (file's mtime, or now). */
  readonly referenceMs: number;
  /** IANA name of the zone that the file was written in, or null where it is not known. */
  readonly zone: string | null;
}

/** Zones reach from -12 h to +14 h: a local stamp without its zone is taken as UTC, so uncertain. */
export const ZONE_UNCERTAINTY_MS = 14 * 3_600_000;
const CLOCK_SKEW_MS = 10 * 60_000;

/** Wall time in milliseconds since 1970 and how wrong it may be; null when it cannot be told. */
export function resolveStamp(
  stamp: Stamp,
  context: StampContext,
): { readonly timeMs: number; readonly uncertaintyMs: number } | null {
  switch (stamp.kind) {
    case 'unreadable':
      return null;
    case 'exact':
      return { timeMs: stamp.timeMs, uncertaintyMs: stamp.precisionMs };
    case 'local': {
      const asUtcMs = momentAsUtc(stamp.moment, latestLocalMs(context));
      if (asUtcMs === null) return null;
      if (context.zone === null) {
        return { timeMs: asUtcMs, uncertaintyMs: ZONE_UNCERTAINTY_MS + stamp.precisionMs };
      }
      return { timeMs: localToUtc(asUtcMs, context.zone), uncertaintyMs: stamp.precisionMs };
    }
  }
}

/** The latest moment that a stamp may mean, as local time; clocks of two machines differ a bit. */
function latestLocalMs({ referenceMs, zone }: StampContext): number {
  const aheadMs = zone === null ? ZONE_UNCERTAINTY_MS : zoneOffsetMs(zone, referenceMs);
  return referenceMs + aheadMs + CLOCK_SKEW_MS;
}

/** The moment as if its zone were UTC; null when there is no such day. */
function momentAsUtc(moment: LocalMoment, latestMs: number): number | null {
  if (moment.year !== undefined) return utcOf(moment, moment.year);
  const latestYear = new Date(latestMs).getUTCFullYear();
  // February 29 exists in one year of four, and around 1900 or 2100 in one of eight.
  for (let year = latestYear; year > latestYear - 9; year--) {
    const timeMs = utcOf(moment, year);
    if (timeMs !== null && timeMs <= latestMs) return timeMs;
  }
  return null;
}

function utcOf(moment: LocalMoment, year: number): number | null {
  const { month, day, hour, minute, second, millisecond } = moment;
  const timeMs = Date.UTC(year, month - 1, day, hour, minute, second, millisecond);
  const back = new Date(timeMs);
  return back.getUTCMonth() === month - 1 && back.getUTCDate() === day ? timeMs : null;
}

function localToUtc(asUtcMs: number, zone: string): number {
  const guessMs = asUtcMs - zoneOffsetMs(zone, asUtcMs);
  return asUtcMs - zoneOffsetMs(zone, guessMs);
}

const QUARTER_MS = 15 * 60_000;
const formats = new Map<string, Intl.DateTimeFormat>();
let remembered = { zone: '', quarter: Number.NaN, offsetMs: 0 };

/** Zones change their offset only at quarter hours, and lines of a log lie close together. */
function zoneOffsetMs(zone: string, timeMs: number): number {
  const quarter = Math.floor(timeMs / QUARTER_MS);
  if (remembered.zone === zone && remembered.quarter === quarter) return remembered.offsetMs;
  const shown = formatOf(zone).format(quarter * QUARTER_MS);
  const [year = 0, month = 1, day = 1, hour = 0, minute = 0] = (shown.match(/\d+/g) ?? []).map(
    Number,
  );
  const offsetMs = Date.UTC(year, month - 1, day, hour, minute) - quarter * QUARTER_MS;
  remembered = { zone, quarter, offsetMs };
  return offsetMs;
}

function formatOf(zone: string): Intl.DateTimeFormat {
  const found = formats.get(zone);
  if (found) return found;
  // The Swedish form is ISO's order: year, month, day, hour, minute.
  const format = new Intl.DateTimeFormat('sv-SE', {
    timeZone: zone,
    year: 'numeric',
    month: '2-digit',
    day: '2-digit',
    hour: '2-digit',
    minute: '2-digit',
    hourCycle: 'h23',
  });
  formats.set(zone, format);
  return format;
}

/** Whether this runtime knows the zone by this name. */
export function isZone(name: string): boolean {
  try {
    formatOf(name);
    return true;
  } catch {
    return false;
  }
}

const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];

/** `Aug`, `15`, `15:36:05.123`: a month in another language makes the stamp unreadable. */
export function localStamp(parts: {
  readonly month: string;
  readonly day: string;
  readonly time: string;
  readonly year?: string | undefined;
}): Stamp {
  const month = MONTHS.indexOf(parts.month) + 1;
  const time = /^(\d\d):(\d\d)(?::(\d\d)(?:[.,](\d{1,9}))?)?$/.exec(parts.time);
  if (month === 0 || !time) return { kind: 'unreadable' };
  const [, hour, minute, second, fraction] = time;
  return {
    kind: 'local',
    moment: {
      ...(parts.year === undefined ? {} : { year: Number(parts.year) }),
      month,
      day: Number(parts.day),
      hour: Number(hour),
      minute: Number(minute),
      second: Number(second ?? 0),
      millisecond: millisecondsOf(fraction),
    },
    precisionMs: second === undefined ? 60_000 : precisionOf(fraction),
  };
}

/**
 * Names of zones as date(1) and systemd print them, in minutes east of UTC, where a name means one
 * offset the world over. CST, IST, BST, AST and ECT mean several: they leave the stamp local.
 * Source: the zone database of IANA, release 2026a.
 */
const ZONE_MINUTES: Readonly<Record<string, number>> = {
  Z: 0,
  UTC: 0,
  GMT: 0,
  WET: 0,
  WEST: 60,
  CET: 60,
  CEST: 120,
  EET: 120,
  EEST: 180,
  MSK: 180,
  EST: -300,
  EDT: -240,
  CDT: -300,
  MST: -420,
  MDT: -360,
  PST: -480,
  PDT: -420,
  AKST: -540,
  AKDT: -480,
  HST: -600,
  JST: 540,
  KST: 540,
  HKT: 480,
  AWST: 480,
  ACST: 570,
  ACDT: 630,
  AEST: 600,
  AEDT: 660,
  NZST: 720,
  NZDT: 780,
  SAST: 120,
  WIB: 420,
  PKT: 300,
};

/** Minutes east of UTC; undefined for a name that says nothing certain. */
function zoneMinutes(zone: string): number | undefined {
  const offset = /^([+-])(\d\d):?(\d\d)?$/.exec(zone);
  return offset
    ? Number(`${offset[1]}1`) * (Number(offset[2]) * 60 + Number(offset[3] ?? 0))
    : ZONE_MINUTES[zone];
}

/** `2025-01-21`, `04:41:44,283302`, `+00:00` or `CEST`: without a known zone it is local time. */
export function isoStamp(parts: {
  readonly date: string;
  readonly time: string;
  readonly zone: string | undefined;
}): Stamp {
  const [year, month = '', day = ''] = parts.date.split('-');
  const local = localStamp({ month: MONTHS[Number(month) - 1] ?? '', day, time: parts.time, year });
  const minutes = parts.zone === undefined ? undefined : zoneMinutes(parts.zone);
  if (local.kind !== 'local' || minutes === undefined) return local;
  const asUtcMs = utcOf(local.moment, Number(year));
  if (asUtcMs === null) return { kind: 'unreadable' };
  return { kind: 'exact', timeMs: asUtcMs - minutes * 60_000, precisionMs: local.precisionMs };
}

const millisecondsOf = (fraction: string | undefined): number =>
  fraction === undefined ? 0 : Math.floor(Number(`0.${fraction}`) * 1_000);

const precisionOf = (fraction: string | undefined): number =>
  fraction === undefined ? 1_000 : fraction.length >= 3 ? 1 : 100;

const EPOCH_FROM_S = 1e9;
const EPOCH_TO_S = 4.2e9;

/**
 * A time as a field of an entry holds it: ISO 8601, the seconds, milli-, micro- or nanoseconds since
 * 1970 (told by their size), or `Apr 26, 2026 @ 23:12:26.123`. Undefined where it is none.
 */
export function writtenStamp(value: unknown): Stamp | undefined {
  if (typeof value === 'number') return epochStamp(value);
  if (typeof value !== 'string' || value.length > 48) return undefined;
  const text = value.trim();
  if (/^\d{9,19}(?:\.\d{1,9})?$/.test(text)) return epochStamp(Number(text));
  const iso =
    /^(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d:\d\d(?:[.,]\d{1,9})?) ?(Z|UTC|GMT|[+-]\d\d:?\d\d)?$/.exec(
      text,
    );
  if (iso) {
    const [, date = '', time = '', zone] = iso;
    return isoStamp({ date, time, zone });
  }
  const words =
    /^([A-Z][a-z]{2})\w* (\d{1,2}),? (\d{4})(?: @|,)? (\d\d:\d\d:\d\d(?:\.\d{1,9})?)$/.exec(text);
  if (!words) return undefined;
  const [, month = '', day = '', year, time = ''] = words;
  return localStamp({ month, day, time, year });
}

function epochStamp(value: number): Stamp | undefined {
  const units = [1_000, 1, 1e-3, 1e-6];
  const perUnitMs = units.find(
    unit => value * unit >= EPOCH_FROM_S * 1_000 && value * unit < EPOCH_TO_S * 1_000,
  );
  if (perUnitMs === undefined || !Number.isFinite(value)) return undefined;
  const timeMs = Math.floor(value * perUnitMs);
  return {
    kind: 'exact',
    timeMs,
    precisionMs: perUnitMs === 1_000 && Number.isInteger(value) ? 1_000 : 1,
  };
}
