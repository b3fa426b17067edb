import { NVML_STALL_MS_MAX } from '../../src/contract/limits.ts';
import type { NvmlProcess } from '../../src/nvml/child/hosted.ts';
import type { Timers } from '../../src/nvml/child/waiting.ts';
import type { ChildMessage } from '../../src/nvml/messages.ts';

/** Timers that never run by themselves: on a busy machine no child of a test is late. */
export class HeldTimers implements Timers {
  readonly #held = new Set<{ readonly ms: number; readonly run: () => void }>();

  after(ms: number, run: () => void): () => void {
    const timer = { ms, run };
    this.#held.add(timer);
    return () => this.#held.delete(timer);
  }

  /** Runs every timer that was set to this time. */
  fire(ms: number): void {
    for (const timer of [...this.#held].filter(held => held.ms === ms)) {
      this.#held.delete(timer);
      timer.run();
    }
  }
}

/** The call that never returns on the simulated machine `hung-driver`, the only one that hangs. */
export const hangs = (message: ChildMessage): boolean =>
  message.kind === 'call' && message.gpu === 2 && message.call === 'nvmlDeviceGetTemperature';

/** The same process, whose hang is over time as soon as it has begun. */
export function withoutPatience(process: NvmlProcess, timers: HeldTimers): NvmlProcess {
  return {
    ...process,
    listen: ({ onMessage, onEnd }) =>
      process.listen({
        onMessage(message) {
          onMessage(message);
          if (hangs(message)) timers.fire(NVML_STALL_MS_MAX);
        },
        onEnd,
      }),
  };
}
