import { setTimeout as sleep } from 'node:timers/promises';
import { API_REQUESTS_AT_ONCE, API_REQUESTS_PER_SECOND } from '../contract/limits.ts';
import type { Clock } from '../contract/time.ts';

/**
 * How fast one client asks: so many requests at once, then so many a second, as kubectl's own client
 * does. What removes something never waits: it takes its turn from those after it.
 */
export class Pace {
  readonly #clock: Clock;
  #tokens = API_REQUESTS_AT_ONCE;
  #filledMs: number;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#filledMs = clock.nowMs();
  }

  /** Milliseconds until a request that is asked for now may leave; it has its place by then. */
  waitMs(isRemoval: boolean): number {
    const nowMs = this.#clock.nowMs();
    const passedMs = Math.max(0, nowMs - this.#filledMs);
    this.#filledMs = nowMs;
    const filled = this.#tokens + (passedMs / 1_000) * API_REQUESTS_PER_SECOND;
    this.#tokens = Math.min(API_REQUESTS_AT_ONCE, filled) - 1;
    if (isRemoval || this.#tokens >= 0) return 0;
    return Math.ceil((-this.#tokens / API_REQUESTS_PER_SECOND) * 1_000);
  }

  async turn(isRemoval: boolean, signal: AbortSignal): Promise<void> {
    const waitMs = this.waitMs(isRemoval);
    if (waitMs > 0) await sleep(waitMs, undefined, { signal });
  }
}
