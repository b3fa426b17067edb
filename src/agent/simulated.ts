import type { Readable } from 'node:stream';
import { SIMULATED_HANG_LOOK_MS } from '../contract/limits.ts';
import type { KernelClock } from '../kernel-log/source.ts';
import { runNvmlChild } from '../nvml/child/child.ts';
import { atWork } from '../simulation/at-work.ts';
import { simulatedHost } from '../simulation/host.ts';
import { simulatedKernelLog, simulatedPodHistory } from '../simulation/kernel-log.ts';
import { machineOf } from '../simulation/machine-file.ts';
import { type Effects, openSimulatedLibrary } from '../simulation/nvml.ts';
import type { Instruments } from '../tools/instruments.ts';
import type { AgentArguments } from './agent-arguments.ts';

/**
 * What stands for this node where a machine made of data is asked for. Imported only then: loading
 * the machines is a tenth of the work of a start.
 */
export function simulatedInstruments(
  word: string,
  clock: KernelClock,
): Pick<Instruments, 'simulated' | 'host' | 'kernelLog' | 'podHistory'> {
  const machine = machineOf(word);
  return {
    simulated: machine.name,
    host: simulatedHost(machine, clock),
    kernelLog: simulatedKernelLog(machine, clock),
    podHistory: simulatedPodHistory(machine, clock),
  };
}

/** In the place of nvml-main.ts, which loads no machines: the driver's library made of data. */
export async function hostSimulatedNvml(
  { simulate = '' }: AgentArguments,
  requests: Readable,
  self: Parameters<typeof realEffects>[0],
): Promise<void> {
  const library = openSimulatedLibrary(atWork(machineOf(simulate)), realEffects(self));
  await runNvmlChild({ requests, open: async () => library });
}

/**
 * What the process of a simulated machine really does: it blocks as the real call would, so that
 * `--simulate hung-driver` shows the real way of being abandoned.
 */
export function realEffects(self: {
  readonly pid: number;
  readonly ppid: number;
  uptime(): number;
  kill(pid: number, signal: string): unknown;
}): Effects {
  const parent = self.ppid;
  const die = (): never => {
    for (;;) self.kill(self.pid, 'SIGKILL');
  };
  return {
    delay: sleep,
    // The kernel ends a real child with its parent; this one sees to it itself.
    hang() {
      while (self.ppid === parent) sleep(SIMULATED_HANG_LOOK_MS);
      return die();
    },
    crash() {
      self.kill(self.pid, 'SIGSEGV');
      return die();
    },
    elapsedSeconds: () => self.uptime(),
  };
}

/** Blocks this thread; nothing else of the process runs meanwhile. */
function sleep(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
}
