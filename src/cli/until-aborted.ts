import type { Invocation } from './command.ts';
import type { TargetFlags } from './flags.ts';
import { openTargets, type Targets } from './targets.ts';

/** Opens the targets of a command line, works with them, and closes them whatever happens. */
export async function untilAborted<T>(
  invocation: Invocation<TargetFlags>,
  work: (targets: Targets) => Promise<T>,
): Promise<T> {
  const { signal } = invocation.io;
  const targets = await openTargets(invocation);
  try {
    const stopped = aborted(signal).then((): never => {
      throw signal.reason;
    });
    return await Promise.race([work(targets), stopped]);
  } finally {
    await targets.close();
  }
}

/** Resolves when the signal aborts; never rejects. */
export function aborted(signal: AbortSignal): Promise<void> {
  return new Promise(resolve => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
}
