import type { Invocation } from './command.ts';
import type { TargetFlags } from './flags.ts';
import { Interrupted } from './io.ts';
import { openTargets, type Targets, type TargetsChoice } from './targets.ts';

/**
 * Opens the targets of a command line, works with them, and closes them whatever happens.
 *
 * @throws Interrupted where the work was stopped by a signal.
 */
export async function untilAborted<T>(
  invocation: Invocation<TargetFlags>,
  work: (targets: Targets) => Promise<T>,
  wanted: TargetsChoice = {},
): Promise<T> {
  const { signal } = invocation.io;
  const targets = await openTargets(invocation, wanted).catch(error => {
    throw signal.aborted ? new Interrupted('no pod was started') : error;
  });
  const stopped = aborted(signal).then((): never => {
    throw signal.reason;
  });
  const [done] = await Promise.allSettled([Promise.race([work(targets), stopped])]);
  const removed = await targets.close();
  if (done.status === 'fulfilled') return done.value;
  throw signal.aborted ? new Interrupted(removed) : done.reason;
}

/** Resolves when the signal aborts; never rejects. */
export function aborted(signal: AbortSignal): Promise<void> {
  return new Promise(resolve => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
}
