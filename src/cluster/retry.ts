import { API_RETRIES_MAX, API_RETRY_MS, API_RETRY_MS_MAX } from '../contract/limits.ts';

/** Passing troubles of an API server or of the load balancer before it. */
const PASSING = [500, 502, 503, 504];

/**
 * How often, and after how long, a request is sent again. 429 was not begun, so any method may be
 * repeated, and so may what says itself when to come back (as client-go does, rest/with_retry.go);
 * otherwise a create is not: it may have been done.
 */
export function retriesOf(method: 'GET' | 'POST' | 'DELETE') {
  let sent = 0;
  return {
    /** Milliseconds until the next try; undefined where there is none. */
    waitMs(code: number, retryAfter: string | undefined, nowMs: number): number | undefined {
      const asked = afterMs(retryAfter, nowMs);
      const isRepeatable = method !== 'POST' || asked !== undefined;
      if (code !== 429 && !(PASSING.includes(code) && isRepeatable)) return undefined;
      sent += 1;
      if (sent > API_RETRIES_MAX) return undefined;
      return Math.min(asked ?? API_RETRY_MS * 2 ** (sent - 1), API_RETRY_MS_MAX);
    },
  };
}

/** Seconds, or a date: RFC 9110, 10.2.3. */
function afterMs(header: string | undefined, nowMs: number): number | undefined {
  if (header === undefined) return undefined;
  const ms = /^\d{1,6}$/.test(header) ? Number(header) * 1_000 : Date.parse(header) - nowMs;
  return Number.isNaN(ms) ? undefined : Math.max(0, ms);
}
