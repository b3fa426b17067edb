import type { KernelClock } from '../kernel-log/source.ts';
import type { OpenedLibrary } from '../nvml/table/calls.ts';
import { realEffects } from '../simulation/effects.ts';
import { simulatedHost } from '../simulation/host.ts';
import { simulatedKernelLog } from '../simulation/kernel-log.ts';
import { loadMachine } from '../simulation/machine.ts';
import { openSimulatedLibrary } from '../simulation/nvml.ts';
import { simulatedPodHistory } from '../simulation/pod-history.ts';
import type { Instruments } from '../tools/instruments.ts';

/**
 * What stands for this node where a machine made of data is asked for. Imported only then: loading
 * the machines is a tenth of the work of a start.
 */
export function simulatedInstruments(
  name: string,
  clock: KernelClock,
): Pick<Instruments, 'host' | 'kernelLog' | 'podHistory'> {
  const machine = loadMachine(name);
  return {
    host: simulatedHost(machine),
    kernelLog: simulatedKernelLog(machine, clock),
    podHistory: simulatedPodHistory(machine, clock),
  };
}

/** The driver's library of such a machine, which does to the process what its faults say. */
export const simulatedNvml = (
  name: string,
  self: Parameters<typeof realEffects>[0],
): OpenedLibrary => openSimulatedLibrary(loadMachine(name), realEffects(self));
