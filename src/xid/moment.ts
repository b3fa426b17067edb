/** When and where a record stood, as far as its source tells. */
export interface Moment {
  readonly source: string;
  readonly line: number;
  /** One boot of one machine: its id, or the part of a text between two restarts of its clock. */
  readonly boot: string;
  readonly bootSeconds: number | null;
  readonly timeMs: number | null;
}

/** Lines of one text without times that are this near count as one burst. */
const LINES_NEAR = 100;

/** A wall clock that is ahead of the boot's by more tells of a suspend, not of a clock that was set. */
export const SUSPEND_MS = 2 * 3_600_000;

/**
 * Seconds from one moment to another, never negative; 0 for near lines of a text without times,
 * Infinity where nothing relates the two. The boot's clock comes before the wall's, which is set,
 * and in a text is put back an hour in autumn.
 */
export function secondsBetween(a: Moment, b: Moment): number {
  const wall =
    a.timeMs === null || b.timeMs === null ? null : Math.abs(b.timeMs - a.timeMs) / 1_000;
  if (a.boot === b.boot && a.bootSeconds !== null && b.bootSeconds !== null) {
    const own = Math.abs(b.bootSeconds - a.bootSeconds);
    if (wall === null || wall - own <= SUSPEND_MS / 1_000) return own;
  }
  if (wall !== null) return wall;
  const near =
    a.source === b.source && a.boot === b.boot && Math.abs(b.line - a.line) <= LINES_NEAR;
  return near ? 0 : Number.POSITIVE_INFINITY;
}

/** ISO 8601 in UTC with milliseconds; null where the time is unknown or no date. */
export function isoOf(timeMs: number | null): string | null {
  return timeMs === null || !(Math.abs(timeMs) <= 8.64e15) ? null : new Date(timeMs).toISOString();
}

/** `3 s`, `0.4 s`, `2 min`: how long one thing came after another. */
export function secondsText(seconds: number): string {
  if (seconds < 10) return `${Math.round(seconds * 10) / 10} s`;
  return seconds < 120 ? `${Math.round(seconds)} s` : `${Math.round(seconds / 60)} min`;
}
