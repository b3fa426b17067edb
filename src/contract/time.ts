import { UsageError } from './errors.ts';

/** The world's clock as an argument. */
export interface Clock {
  /** Milliseconds since 1970. */
  nowMs(): number;
}

const DATE = /^\d{4}-\d\d-\d\d([T ][0-9:.]+(Z|[+-]\d\d:?\d\d)?)?$/;
const UNIT_MS: Readonly<Record<string, number>> = {
  s: 1_000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
  w: 604_800_000,
};
/** `24h`, and what a model makes of it: `1 hour`, `last 6h`, `30 minutes ago`. */
const DURATION =
  /^(?:(?:last|past) )?(\d{1,9}) ?(s|sec|seconds?|m|mins?|minutes?|h|hrs?|hours?|d|days?|w|weeks?)(?: ago)?$/i;

export const MOMENT_HINT =
  'write a duration such as 30m, 24h or 7d, or an ISO time such as 2026-08-20T03:11:00Z';

/**
 * A moment as people write it: `30m`, `24h`, `7d`, `last 2 weeks` (before now) or an ISO 8601 time, as
 * milliseconds since 1970.
 *
 * @throws UsageError when the text is neither.
 */
export function momentMs(text: string, nowMs: number): number {
  const moment = momentIn(text.trim(), nowMs);
  if (moment !== undefined) return moment;
  throw new UsageError(`"${text.slice(0, 40)}" is not a time`, MOMENT_HINT);
}

/** Whether momentMs reads it; for that it does not matter when now is. */
export const isMoment = (text: string): boolean => momentIn(text, 0) !== undefined;

function momentIn(text: string, nowMs: number): number | undefined {
  const [, digits = '', unit = ''] = DURATION.exec(text) ?? [];
  const unitMs = UNIT_MS[unit.charAt(0).toLowerCase()];
  if (unitMs !== undefined) return nowMs - Number(digits) * unitMs;
  const parsed = DATE.test(text) ? Date.parse(text) : Number.NaN;
  return Number.isNaN(parsed) ? undefined : parsed;
}

/** `4 min 12 s`, `3 h 05 min`, `12 d 4 h`: two units at most. */
export function durationText(ms: number): string {
  const seconds = Math.max(0, Math.round(ms / 1_000));
  const minutes = Math.floor(seconds / 60);
  const hours = Math.floor(minutes / 60);
  const days = Math.floor(hours / 24);
  if (days > 0) return `${days} d ${hours % 24} h`;
  if (hours > 0) return `${hours} h ${String(minutes % 60).padStart(2, '0')} min`;
  if (minutes > 0) return `${minutes} min ${String(seconds % 60).padStart(2, '0')} s`;
  return `${seconds} s`;
}

/** ISO 8601 in UTC without milliseconds. */
export const isoTime = (ms: number): string => new Date(ms).toISOString().replace(/\.\d+Z$/, 'Z');
