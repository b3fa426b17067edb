import type { Fault } from './part.ts';

/** What a simulated call does to the process that makes it, beside giving an answer. */
export interface Effects {
  /** Blocks for so many milliseconds. */
  readonly delay: (ms: number) => void;
  /** Blocks for ever. */
  readonly hang: () => never;
  /** Ends the process as a fault of memory would. */
  readonly crash: () => never;
  /** How long the machine has been looked at: by that its values move. */
  readonly elapsedSeconds: () => number;
}

/** Does to the process what the fault does; the return code to give, if any. */
export function suffer(fault: Fault | undefined, effects: Effects): Fault['return'] {
  if (fault?.delayMs !== undefined) effects.delay(fault.delayMs);
  if (fault?.hang) effects.hang();
  if (fault?.crash) effects.crash();
  return fault?.return;
}
