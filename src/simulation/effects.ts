import { SIMULATED_HANG_LOOK_MS } from '../contract/limits.ts';
import type { Effects } from './nvml.ts';

/**
 * What the process of a simulated machine really does: it blocks as the real call would, so that
 * `--simulate hung-driver` shows the real way of being abandoned.
 */
export function realEffects(process: {
  readonly pid: number;
  readonly ppid: number;
  kill(pid: number, signal: string): unknown;
}): Effects {
  const parent = process.ppid;
  const die = (): never => {
    for (;;) process.kill(process.pid, 'SIGKILL');
  };
  return {
    delay: sleep,
    // The kernel ends a real child with its parent; this one sees to it itself.
    hang() {
      while (process.ppid === parent) sleep(SIMULATED_HANG_LOOK_MS);
      return die();
    },
    crash() {
      process.kill(process.pid, 'SIGSEGV');
      return die();
    },
  };
}

/** Blocks this thread; nothing else of the process runs meanwhile. */
function sleep(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
}
