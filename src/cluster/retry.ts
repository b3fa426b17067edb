import {
  API_RETRIES_MAX,
  API_RETRY_MS,
  API_RETRY_MS_MAX,
  WATCH_REOPEN_MS_MAX,
  WATCH_REOPENS_MAX,
} from '../contract/limits.ts';
import { Unreachable } from './port.ts';

/** Passing troubles of an API server or of the load balancer before it. */
const PASSING = [500, 502, 503, 504];

/** How often a request is sent again, and how long after: so long, then twice as long each time. */
interface Pace {
  readonly triesMax: number;
  readonly firstMs: number;
  readonly waitMsMax: number;
}

const REQUEST: Pace = {
  triesMax: API_RETRIES_MAX,
  firstMs: API_RETRY_MS,
  waitMsMax: API_RETRY_MS_MAX,
};
/** A watch goes on for minutes, and each change that it brings is a new beginning. */
const WATCH: Pace = {
  triesMax: WATCH_REOPENS_MAX,
  firstMs: API_RETRY_MS,
  waitMsMax: WATCH_REOPEN_MS_MAX,
};

export type Retries = ReturnType<typeof retriesOf>;

/**
 * The one rule by which a request is sent again. 429 was not begun, so any method may be repeated, and
 * so may what says itself when to come back (as client-go does, rest/with_retry.go); otherwise a create
 * is not: it may have been done.
 */
export function retriesOf(method: 'GET' | 'POST' | 'PATCH' | 'DELETE' | 'WATCH') {
  const { triesMax, firstMs, waitMsMax } = method === 'WATCH' ? WATCH : REQUEST;
  let sent = 0;
  const next = (asked?: number): number | undefined => {
    sent += 1;
    if (sent > triesMax) return undefined;
    return Math.min(asked ?? firstMs * 2 ** (sent - 1), waitMsMax);
  };
  return {
    /** Milliseconds until the next try after this answer; undefined where there is none. */
    waitMs(code: number, retryAfter: string | undefined, nowMs: number): number | undefined {
      const asked = afterMs(retryAfter, nowMs);
      const isRepeatable = method !== 'POST' || asked !== undefined;
      if (code !== 429 && !(PASSING.includes(code) && isRepeatable)) return undefined;
      return next(asked);
    },
    /** The same after an answer that never came, or broke off. */
    brokenMs: () => next(),
    /** It came through: what breaks later is another trouble. */
    begun(): void {
      sent = 0;
    },
  };
}

/** Seconds, or a date: RFC 9110, 10.2.3. */
function afterMs(header: string | undefined, nowMs: number): number | undefined {
  if (header === undefined) return undefined;
  const ms = /^\d{1,6}$/.test(header) ? Number(header) * 1_000 : Date.parse(header) - nowMs;
  return Number.isNaN(ms) ? undefined : Math.max(0, ms);
}

/**
 * Whether the connection broke: the API server, or what stands before it, closed a kept one as we wrote to it
 * (RFC 9112, 9.3.1 and 9.5), or broke an answer off. One that is not let in, or times out, did not break.
 */
export const isBroken = (error: unknown): boolean => {
  const of = error instanceof Unreachable ? error.cause : error;
  return of instanceof Error && 'code' in of && (of.code === 'ECONNRESET' || of.code === 'EPIPE');
};
