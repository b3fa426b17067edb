import { setTimeout as sleep } from 'node:timers/promises';

/** Waits until something has happened, without keeping a CPU busy; the limit of the test ends it. */
export async function until(hasHappened: () => boolean): Promise<void> {
  while (!hasHappened()) await sleep(2);
}
